//! Mints certificates, good ones and all kinds of bad ones.

use rcgen::{KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey as _};
use rustls_pki_types::CertificateDer;

use super::der::{bit_string, boolean, explicit, oid, sequence, tlv};

pub const BASIC_CONSTRAINTS: &[u32] = &[2, 5, 29, 19];
pub const KEY_USAGE: &[u32] = &[2, 5, 29, 15];
pub const EXTENDED_KEY_USAGE: &[u32] = &[2, 5, 29, 37];
pub const ALTERNATIVE_NAMES: &[u32] = &[2, 5, 29, 17];
pub const NAME_CONSTRAINTS: &[u32] = &[2, 5, 29, 30];

pub const SERVER_AUTH: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
pub const CLIENT_AUTH: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
pub const CODE_SIGNING: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 3];
pub const ANY_PURPOSE: &[u32] = &[2, 5, 29, 37, 0];

/// Bits of the key usage, as they stand in its first byte.
pub const DIGITAL_SIGNATURE: u8 = 0x80;
pub const KEY_ENCIPHERMENT: u8 = 0x20;
pub const KEY_CERT_SIGN: u8 = 0x04;
pub const CRL_SIGN: u8 = 0x02;

/// Tags of alternative names.
pub const EMAIL: u8 = 0x81;
pub const DNS: u8 = 0x82;
pub const URI: u8 = 0x86;

#[derive(Clone)]
pub struct Extension {
    oid: &'static [u32],
    critical: bool,
    pub value: Vec<u8>,
}

impl Extension {
    pub fn new(oid: &'static [u32], critical: bool, value: Vec<u8>) -> Self {
        Self {
            oid,
            critical,
            value,
        }
    }

    pub fn authority(is_ca: bool) -> Self {
        let content = if is_ca { boolean(true) } else { vec![] };
        Self::new(BASIC_CONSTRAINTS, true, tlv(0x30, &content))
    }

    pub fn path_length(length: u8) -> Self {
        let value = sequence(&[&boolean(true), &tlv(0x02, &[length])]);
        Self::new(BASIC_CONSTRAINTS, true, value)
    }

    pub fn key_usage(bits: u8) -> Self {
        let unused = u8::try_from(bits.trailing_zeros().min(7)).unwrap();
        Self::new(KEY_USAGE, true, tlv(0x03, &[unused, bits]))
    }

    pub fn purposes(oids: &[&[u32]]) -> Self {
        let value = tlv(0x30, &oids.iter().flat_map(|o| oid(o)).collect::<Vec<_>>());
        Self::new(EXTENDED_KEY_USAGE, false, value)
    }

    pub fn names(names: &[(u8, &str)]) -> Self {
        let names: Vec<u8> = names
            .iter()
            .flat_map(|(tag, name)| tlv(*tag, name.as_bytes()))
            .collect();
        Self::new(ALTERNATIVE_NAMES, false, tlv(0x30, &names))
    }

    pub fn uri(uri: &str) -> Self {
        Self::names(&[(URI, uri)])
    }

    /// Permits the DNS names below one.
    pub fn permits_dns(name: &str) -> Self {
        let subtree = sequence(&[&tlv(DNS, name.as_bytes())]);
        Self::new(NAME_CONSTRAINTS, true, sequence(&[&explicit(0, &subtree)]))
    }

    /// Permits the URIs of one host.
    pub fn permits_uri(host: &str) -> Self {
        let subtree = sequence(&[&tlv(URI, host.as_bytes())]);
        Self::new(NAME_CONSTRAINTS, true, sequence(&[&explicit(0, &subtree)]))
    }

    pub fn critical(mut self, critical: bool) -> Self {
        self.critical = critical;
        self
    }

    fn der(&self) -> Vec<u8> {
        let critical = if self.critical { boolean(true) } else { vec![] };
        sequence(&[&oid(self.oid), &critical, &tlv(0x04, &self.value)])
    }
}

/// What stands in a certificate before it is signed.
#[derive(Clone)]
pub struct Template {
    /// 2 means version 3.
    pub version: u8,
    pub not_before: &'static str,
    pub not_after: &'static str,
    /// The subject's name in DER.
    pub subject: Vec<u8>,
    pub extensions: Vec<Extension>,
    /// In place of the key's own public part.
    pub public_key: Option<Vec<u8>>,
    /// In place of the issuer's name.
    pub issuer: Option<Vec<u8>>,
    /// In place of the algorithm that it is signed with.
    pub algorithm: Option<Vec<u8>>,
    /// Bytes after the last field.
    pub trailer: Vec<u8>,
}

impl Template {
    /// A leaf that keeps all rules.
    pub fn leaf(id: &str) -> Self {
        Self::new(
            name("leaf"),
            vec![
                Extension::authority(false),
                Extension::key_usage(DIGITAL_SIGNATURE),
                Extension::purposes(&[SERVER_AUTH, CLIENT_AUTH]),
                Extension::uri(id),
            ],
        )
    }

    /// An authority that keeps all rules.
    pub fn authority(common_name: &str) -> Self {
        Self::new(
            name(common_name),
            vec![
                Extension::authority(true),
                Extension::key_usage(KEY_CERT_SIGN | CRL_SIGN),
            ],
        )
    }

    fn new(subject: Vec<u8>, extensions: Vec<Extension>) -> Self {
        Self {
            version: 2,
            not_before: "260101000000Z",
            not_after: "270101000000Z",
            subject,
            extensions,
            public_key: None,
            issuer: None,
            algorithm: None,
            trailer: vec![],
        }
    }

    /// Puts an extension in the place of its like, or adds it.
    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions.retain(|e| e.oid != extension.oid);
        self.and(extension)
    }

    /// Adds an extension, even if there is one of its kind.
    pub fn and(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    pub fn without(mut self, oid: &[u32]) -> Self {
        self.extensions.retain(|e| e.oid != oid);
        self
    }

    pub fn valid(mut self, not_before: &'static str, not_after: &'static str) -> Self {
        (self.not_before, self.not_after) = (not_before, not_after);
        self
    }

    fn sign(&self, key: &Key, issuer: &[u8], issuer_key: &Key) -> CertificateDer<'static> {
        let extensions: Vec<u8> = self.extensions.iter().flat_map(Extension::der).collect();
        let public_key = self.public_key.clone();
        let algorithm = self.algorithm.clone();
        let algorithm = algorithm.unwrap_or_else(|| issuer_key.algorithm());
        let tbs = sequence(&[
            &explicit(0, &tlv(0x02, &[self.version])),
            &tlv(0x02, &[0x2a]),
            &algorithm,
            self.issuer.as_deref().unwrap_or(issuer),
            &sequence(&[
                &tlv(0x17, self.not_before.as_bytes()),
                &tlv(0x17, self.not_after.as_bytes()),
            ]),
            &self.subject,
            &public_key.unwrap_or_else(|| key.0.subject_public_key_info()),
            &explicit(3, &tlv(0x30, &extensions)),
            &self.trailer,
        ]);
        let signature = issuer_key.0.sign(&tbs).unwrap();
        sequence(&[&tbs, &algorithm, &bit_string(&signature)]).into()
    }
}

pub struct Key(pub KeyPair);

impl Key {
    pub fn new() -> Self {
        Self::of(&rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub fn of(algorithm: &'static SignatureAlgorithm) -> Self {
        Self(KeyPair::generate_for(algorithm).unwrap())
    }

    fn algorithm(&self) -> Vec<u8> {
        let algorithm = self.0.algorithm();
        let arcs: &[u32] = if algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 {
            &[1, 2, 840, 10045, 4, 3, 2]
        } else if algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 {
            &[1, 2, 840, 10045, 4, 3, 3]
        } else {
            &[1, 3, 101, 112]
        };
        sequence(&[&oid(arcs)])
    }
}

/// Somebody who can sign, whether or not that is allowed.
pub struct Authority {
    pub certificate: CertificateDer<'static>,
    pub template: Template,
    pub key: Key,
}

impl Authority {
    pub fn root(template: Template) -> Self {
        Self::root_with(template, Key::new())
    }

    pub fn root_with(template: Template, key: Key) -> Self {
        Self {
            certificate: template.sign(&key, &template.subject, &key),
            template,
            key,
        }
    }

    pub fn authority(&self, template: Template) -> Self {
        let key = Key::new();
        Self {
            certificate: self.sign(&template, &key),
            template,
            key,
        }
    }

    pub fn sign(&self, template: &Template, key: &Key) -> CertificateDer<'static> {
        template.sign(key, &self.template.subject, &self.key)
    }
}

/// A name with one attribute, the common name.
pub fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[&oid(&[2, 5, 4, 3]), &tlv(0x0c, common_name.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

/// The public part of an RSA key that nobody has.
pub fn rsa_public_key(bits: usize) -> Vec<u8> {
    let modulus = [vec![0], vec![0xc5; bits / 8]].concat();
    let key = sequence(&[&tlv(0x02, &modulus), &tlv(0x02, &[1, 0, 1])]);
    let algorithm = sequence(&[&oid(&[1, 2, 840, 113_549, 1, 1, 1]), &tlv(0x05, &[])]);
    sequence(&[&algorithm, &bit_string(&key)])
}

/// The public part of a key on a curve that nothing here can use.
pub fn p521_public_key() -> Vec<u8> {
    let algorithm = sequence(&[&oid(&[1, 2, 840, 10045, 2, 1]), &oid(&[1, 3, 132, 0, 35])]);
    sequence(&[&algorithm, &bit_string(&[vec![4], vec![7; 132]].concat())])
}
