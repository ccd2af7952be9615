//! Signed notes, and the keys that they are checked with (C2SP `signed-note`).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::hash::Hash;

/// Ed25519, as a byte of keys.
const ED25519_TYPE: u8 = 0x01;
/// Bytes of a key's id.
const ID_BYTES: usize = 4;
/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;
/// What a signature line begins with: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// The most signature lines of a note; the specification asks for at least 16.
const MAX_SIGNATURES: usize = 64;
/// The longest note: a checkpoint with 64 large signatures is shorter.
pub const MAX_NOTE_BYTES: usize = 1 << 20;

/// A public key with its name, shown as `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

/// The text is no verifier key that we can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVerifierKey {
    /// Not `name+id+base64`.
    #[error("a verifier key is `name+id+key`, as `taskpass audit key` prints it")]
    Malformed,
    /// A name that is empty, or has spaces or plus signs.
    #[error("the name of a verifier key is not empty and has neither spaces nor plus signs")]
    Name,
    /// Not Ed25519.
    #[error("only Ed25519 keys (type 1) are known here")]
    Type,
    /// The id belongs to another key or name.
    #[error("its id is `{found}`, and that of this name and key is `{expected}`; it was altered")]
    Id {
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
}

/// A text with signatures, none of which is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedNote {
    text: String,
    signatures: Vec<Signature>,
}

/// A line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

/// The bytes are no signed note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNote {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("it is longer than a note may be")]
    TooLong,
    /// Not UTF-8, or with control characters.
    #[error("it has bytes that a signed note never has")]
    Characters,
    /// No empty line before signature lines, or none of them.
    #[error("it has no signatures after an empty line")]
    NoSignatures,
    /// A line after the empty line that is no signature.
    #[error("a line after the text is no signature line")]
    SignatureLine,
    /// More than 64 signatures.
    #[error("it has more than 64 signatures")]
    TooManySignatures,
}

/// No key that was given has signed a note, or one of them signed something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// Somebody else signed it.
    #[error("it is not signed by the given key, but by {}", signers.join(", "))]
    UnknownSigner {
        /// Names and ids of the keys that signed.
        signers: Vec<String>,
    },
    /// The text was altered, or the signature.
    #[error("the signature of `{name}` is not one of this text; it was altered")]
    Signature {
        /// The key's name.
        name: String,
    },
}

impl VerifierKey {
    /// A key with its name.
    pub fn new(name: &str, public_key: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, InvalidVerifierKey> {
        if name.is_empty() || name.contains(|c: char| c == '+' || c.is_whitespace() || c < ' ') {
            return Err(InvalidVerifierKey::Name);
        }
        Ok(Self {
            name: name.to_owned(),
            public_key,
        })
    }

    /// Its name: of a log, the origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key), the first four bytes.
    pub fn id(&self) -> [u8; ID_BYTES] {
        let mut bytes = self.name.as_bytes().to_vec();
        bytes.extend_from_slice(&[b'\n', ED25519_TYPE]);
        bytes.extend_from_slice(&self.public_key);
        let mut id = [0; ID_BYTES];
        let hash = Hash::sha256(&bytes);
        id.iter_mut()
            .zip(hash.as_bytes())
            .for_each(|(to, from)| *to = *from);
        id
    }

    /// The line that this key's signature adds to a note.
    pub fn signature_line(&self, signature: &[u8]) -> String {
        let bytes = [&self.id(), signature].concat();
        format!("{SIGNATURE_MARK}{} {}\n", self.name, BASE64.encode(&bytes))
    }
}

impl UnverifiedNote {
    /// Reads a note: nothing before, after or between its parts that does not belong there.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidNote> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(InvalidNote::TooLong);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| InvalidNote::Characters)?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(InvalidNote::Characters);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(InvalidNote::NoSignatures)?;
        let lines = lines.strip_suffix('\n').ok_or(InvalidNote::SignatureLine)?;
        let lines: Vec<&str> = lines.split('\n').collect();
        if lines.len() > MAX_SIGNATURES {
            return Err(InvalidNote::TooManySignatures);
        }
        let signatures = lines.into_iter().map(Signature::parse);
        let signatures = signatures.collect::<Option<_>>();
        Ok(Self {
            text: format!("{text}\n"),
            signatures: signatures.ok_or(InvalidNote::SignatureLine)?,
        })
    }

    /// The text, if one of `keys` has signed it and none of them has signed another.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<&str, NotVerified> {
        let mut verified = false;
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|key| signature.is_by(key)) else {
                continue;
            };
            let public_key = UnparsedPublicKey::new(&ED25519, key.public_key);
            public_key
                .verify(self.text.as_bytes(), &signature.bytes)
                .map_err(|_| NotVerified::Signature {
                    name: key.name.clone(),
                })?;
            verified = true;
        }
        if verified {
            Ok(&self.text)
        } else {
            let signers = self.signatures.iter().map(Signature::signer);
            Err(NotVerified::UnknownSigner {
                signers: signers.collect(),
            })
        }
    }

    /// The text, which anybody may have written.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let bytes = BASE64.decode(bytes.as_bytes()).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let is_name = !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace());
        (is_name && !bytes.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: *id,
            bytes: bytes.to_vec(),
        })
    }

    fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == key.name && self.id == key.id()
    }

    fn signer(&self) -> String {
        format!("`{}` (key {})", self.name, hex(&self.id))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_TYPE][..], &self.public_key].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex(&self.id()),
            BASE64.encode(&key)
        )
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;

    fn from_str(text: &str) -> Result<Self, InvalidVerifierKey> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidVerifierKey::Malformed);
        };
        let key = BASE64.decode(key.as_bytes());
        let key = key.map_err(|_| InvalidVerifierKey::Malformed)?;
        let key = match key.split_first() {
            Some((&ED25519_TYPE, key)) => key.try_into(),
            _ => return Err(InvalidVerifierKey::Type),
        };
        let this = Self::new(name, key.map_err(|_| InvalidVerifierKey::Malformed)?)?;
        let expected = hex(&this.id());
        if id == expected {
            Ok(this)
        } else {
            Err(InvalidVerifierKey::Id {
                found: id.to_owned(),
                expected,
            })
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
