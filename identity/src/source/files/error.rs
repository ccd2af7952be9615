//! What can be wrong with a file.

use std::io;
use std::path::PathBuf;

use crate::bundle::InvalidBundle;
use crate::source::Trouble;
use crate::spiffe_id::SpiffeId;
use crate::svid::InvalidX509Svid;

/// A file that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use `{}`: {why}", path.display())]
pub struct FileError {
    /// Which file; for an SVID whose two files do not fit together, the one with the certificates.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: WhyFile,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyFile {
    /// It is not there.
    #[error("there is no such file; check the path in the configuration")]
    Missing,
    /// We may not read it.
    #[error("permission denied; let the user that this runs as read it")]
    Denied,
    /// Reading failed otherwise.
    #[error("reading failed: {0}")]
    Io(io::ErrorKind),
    /// It is a directory, a pipe or another thing that is not a file.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is larger than any such file.
    #[error("it is larger than 1 MiB; is the path right?")]
    TooLarge,
    /// It holds a private key and anybody may read or change it.
    #[error("others may access this private key (mode {0:04o}); run `chmod o=` on it")]
    OpenToOthers(u32),
    /// It does not hold an X.509-SVID.
    #[error(transparent)]
    Svid(#[from] InvalidX509Svid),
    /// It holds an X.509-SVID of another time.
    #[error("the SVID in it has expired; is whatever renews it still running?")]
    Expired,
    /// It holds an X.509-SVID of another time.
    #[error("the SVID in it is not valid yet; check this machine's clock")]
    NotYetValid,
    /// It holds another workload's X.509-SVID than before.
    #[error(
        "it is now the SVID of `{found}` and was that of `{in_force}`; restart to change who this is"
    )]
    AnotherWorkload {
        /// Whose SVID is in force.
        in_force: SpiffeId,
        /// Whose SVID was found.
        found: SpiffeId,
    },
    /// It does not hold the roots of a trust domain.
    #[error(transparent)]
    Bundle(#[from] InvalidBundle),
}

impl From<io::Error> for WhyFile {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Denied,
            other => Self::Io(other),
        }
    }
}

impl Trouble for FileError {
    fn code(&self) -> &'static str {
        match &self.why {
            WhyFile::Missing => "missing",
            WhyFile::Denied => "denied",
            WhyFile::Io(_) => "io",
            WhyFile::NotAFile => "not_a_file",
            WhyFile::TooLarge => "too_large",
            WhyFile::OpenToOthers(_) => "open_to_others",
            WhyFile::Svid(why) => why.code(),
            WhyFile::Expired => "expired",
            WhyFile::NotYetValid => "not_yet_valid",
            WhyFile::AnotherWorkload { .. } => "another_workload",
            WhyFile::Bundle(_) => "bundle",
        }
    }

    fn remedy(&self) -> &'static str {
        "mend the files; what they held before stays in use until it expires"
    }
}
