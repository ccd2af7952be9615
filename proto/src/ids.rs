//! Job and lease ids.
//!
//! Both are made by extending a [UUIDv7](https://www.rfc-editor.org/rfc/rfc9562#section-5.7) shown as a
//! [TypeID](https://github.com/jetify-com/typeid/tree/main/spec): ids made later sort later, so that
//! records keyed by them lie in the order of their arrival.

use std::fmt;
use std::str::FromStr;

use uuid::{Builder, Uuid, Variant};

const JOB_PREFIX: &str = "job_";
const LEASE_PREFIX: &str = "lease_";
/// Crockford's alphabet in lower case, as TypeID wants it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

/// A job's id: `job_` and 26 characters of base 32. Made by the client that opens the job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Uuid);

/// A lease's id: its job's id and a number within the job, `lease_<26 characters>_<n>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    job: JobId,
    number: u16,
}

/// Makes the text of a [TypeID](https://github.com/jetify-com/typeid/tree/main/spec) with a prefix that
/// ends in `_`, from the time in milliseconds since 1970 and ten random bytes.
pub fn type_id(prefix: &str, unix_millis: u64, random: [u8; 10]) -> String {
    let suffix = Suffix(JobId::new(unix_millis, random).0.as_u128());
    format!("{prefix}{suffix}")
}

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not a job id at all.
    #[error("a job id is `job_` and 26 characters of `0-9a-z` without `i`, `l`, `o`, `u`")]
    Job,
    /// Not a lease id at all.
    #[error("a lease id is `lease_`, the 26 characters of its job, `_` and a number from 1")]
    Lease,
    /// A TypeID, and not over a UUID of version 7.
    #[error("a job id is made from a UUID of version 7")]
    Version,
}

impl JobId {
    /// Makes an id from the time in milliseconds since 1970 and ten random bytes.
    pub fn new(unix_millis: u64, random: [u8; 10]) -> Self {
        Self(Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid())
    }

    /// Reads an id from its 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidId> {
        let uuid = Uuid::from_bytes(bytes);
        if uuid.get_version_num() == 7 && uuid.get_variant() == Variant::RFC4122 {
            Ok(Self(uuid))
        } else {
            Err(InvalidId::Version)
        }
    }

    /// Its 16 bytes, in the order in which ids sort.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The time that is embedded in it, in milliseconds since 1970, as its maker said.
    pub fn unix_millis(&self) -> u64 {
        let millis = self.0.as_u128() >> 80;
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    fn parse_suffix(suffix: &str) -> Option<u128> {
        // INVARIANT: 26 digits of five bits are 130; the first digit holds the three highest of 128 bits,
        // so anything above `7` would be a second spelling of another id.
        if suffix.len() != SUFFIX_LENGTH || suffix.as_bytes().first().is_none_or(|b| *b > b'7') {
            return None;
        }
        suffix.bytes().try_fold(0_u128, |value, byte| {
            let digit = ALPHABET.iter().position(|symbol| *symbol == byte)?;
            Some((value << 5) | u128::try_from(digit).ok()?)
        })
    }
}

impl LeaseId {
    /// The lease with this number, from 1, of a job.
    pub fn new(job: JobId, number: u16) -> Self {
        Self { job, number }
    }

    /// The job that the lease hangs off.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Its number within the job, from 1.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The `jti` of one of its tokens: the id, a dot, and the generation from 1.
    pub fn token_id(&self, generation: u32) -> String {
        format!("{self}.{generation}")
    }

    /// Reads a `jti` back into the lease and the generation.
    pub fn parse_token_id(text: &str) -> Result<(Self, u32), InvalidId> {
        let (lease, generation) = text.rsplit_once('.').ok_or(InvalidId::Lease)?;
        Ok((lease.parse()?, parse_number(generation)?))
    }
}

impl FromStr for JobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let suffix = text.strip_prefix(JOB_PREFIX).ok_or(InvalidId::Job)?;
        let value = Self::parse_suffix(suffix).ok_or(InvalidId::Job)?;
        Self::from_bytes(value.to_be_bytes())
    }
}

impl FromStr for LeaseId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let rest = text.strip_prefix(LEASE_PREFIX).ok_or(InvalidId::Lease)?;
        let (suffix, number) = rest.split_once('_').ok_or(InvalidId::Lease)?;
        let value = JobId::parse_suffix(suffix).ok_or(InvalidId::Lease)?;
        Ok(Self {
            job: JobId::from_bytes(value.to_be_bytes())?,
            number: parse_number(number)?,
        })
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{JOB_PREFIX}{}", Suffix(self.0.as_u128()))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{LEASE_PREFIX}{}_{}",
            Suffix(self.job.0.as_u128()),
            self.number
        )
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 128 bits as 26 digits of base 32.
struct Suffix(u128);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..SUFFIX_LENGTH).try_for_each(|place| {
            let shift = 5 * (SUFFIX_LENGTH - 1 - place);
            let digit = usize::from((self.0 >> shift).to_le_bytes()[0] & 0x1f);
            let symbol = ALPHABET.get(digit).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(symbol))
        })
    }
}

/// A number from 1 in its one canonical spelling: no sign, no leading zero.
fn parse_number<N: FromStr>(text: &str) -> Result<N, InvalidId> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if !canonical {
        return Err(InvalidId::Lease);
    }
    text.parse().map_err(|_| InvalidId::Lease)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_the_vector_of_the_typeid_specification() {
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let id = JobId::from_bytes(*uuid.as_bytes()).unwrap();
        assert_eq!(id.to_string(), "job_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn refuses_every_other_spelling() {
        for text in [
            "",
            "job_",
            "job_01h455vb4pex5vsknk084sn02",
            "job_01h455vb4pex5vsknk084sn02qq",
            "job_01H455VB4PEX5VSKNK084SN02Q",
            "job_81h455vb4pex5vsknk084sn02q",
            "job_01h455vb4pex5vsknk084sn0iq",
            "lease_01h455vb4pex5vsknk084sn02q",
            " job_01h455vb4pex5vsknk084sn02q",
            "job_00000000000000000000000000",
        ] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
        for end in ["_01", "_0", "_+1", "_65536", "_", ""] {
            let lease = format!("lease_01h455vb4pex5vsknk084sn02q{end}");
            assert!(lease.parse::<LeaseId>().is_err(), "{lease}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_shows(millis in 0_u64..1 << 48, random: [u8; 10], number in 1_u16.., generation in 1_u32..) {
            let job = JobId::new(millis, random);
            prop_assert_eq!(job.to_string().parse(), Ok(job));
            prop_assert_eq!(job.unix_millis(), millis);
            let lease = LeaseId::new(job, number);
            prop_assert_eq!(lease.to_string().parse(), Ok(lease));
            prop_assert_eq!(LeaseId::parse_token_id(&lease.token_id(generation)), Ok((lease, generation)));
        }

        #[test]
        fn sorts_by_time(a in 0_u64..1 << 48, b in 0_u64..1 << 48, x: [u8; 10], y: [u8; 10]) {
            prop_assume!(a != b);
            prop_assert_eq!(JobId::new(a, x).cmp(&JobId::new(b, y)), a.cmp(&b));
            prop_assert_eq!(JobId::new(a, x).to_string().cmp(&JobId::new(b, y).to_string()), a.cmp(&b));
        }

        #[test]
        fn never_panics(text in ".{0,64}") {
            let _ = text.parse::<JobId>();
            let _ = text.parse::<LeaseId>();
            let _ = LeaseId::parse_token_id(&text);
        }
    }
}
