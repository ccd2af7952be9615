//! What can be wrong with a Workload API.

use std::io;

use crate::bundle::InvalidBundle;
use crate::source::Trouble;
use crate::spiffe_id::{InvalidSpiffeId, SpiffeId, TrustDomain};
use crate::svid::InvalidX509Svid;
use crate::svid_error::SvidError;
use crate::workload_api::Endpoint;

use super::selection::Selection;

/// A Workload API of which something cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Workload API at `{endpoint}`: {why}")]
pub struct ApiError {
    /// Which one.
    pub endpoint: Endpoint,
    /// What is wrong.
    pub why: Box<WhyApi>,
}

/// Why something of a Workload API cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyApi {
    /// There is no socket.
    #[error("there is no such socket; check the path, and that its agent runs")]
    NoSocket,
    /// We may not connect.
    #[error("permission denied; let the user that this runs as connect to the socket")]
    Denied,
    /// No connection otherwise.
    #[error("no connection: {0}")]
    NotConnected(io::ErrorKind),
    /// No connection, or no first message, in time.
    #[error("it took the connection and said nothing for {0} s")]
    Silent(u64),
    /// The stream ended.
    #[error("it ended the stream")]
    Ended,
    /// It answered with a status that says no more than that it cannot now.
    #[error("it answered `{code}`: {message}")]
    Status {
        /// The gRPC code.
        code: &'static str,
        /// What it said.
        message: String,
    },
    /// `PermissionDenied`: it knows no identity for us.
    #[error("it has no identity for this process; register the workload with what this runs as")]
    NoIdentity,
    /// `InvalidArgument`, which is final.
    #[error(
        "it refused the request as invalid (`{0}`), and is not asked again; restart to try again"
    )]
    Invalid(String),
    /// `Unimplemented`, which is final.
    #[error(
        "it does not serve X.509-SVIDs, and is not asked again; is this another program's socket?"
    )]
    Unimplemented,
    /// A message larger than any such message.
    #[error("it sent a message of more than 4 MiB")]
    TooLarge,
    /// A message without anything in it.
    #[error("it sent an empty message")]
    Empty,
    /// Ours is not among the identities.
    #[error("it has no {0} for this process; it offers {1}")]
    NotOffered(Selection, String),
    /// What is declared is no SPIFFE ID.
    #[error("it names an identity that is no SPIFFE ID: {0}")]
    Declared(#[from] InvalidSpiffeId),
    /// The certificate is another one's than was declared.
    #[error("it calls an SVID that of `{declared}`, and the certificate is that of `{found}`")]
    AnotherThanDeclared {
        /// What the message says.
        declared: SpiffeId,
        /// What the certificate says.
        found: SpiffeId,
    },
    /// Not certificates in DER.
    #[error("it sent something that is no certificates in DER")]
    NotDer,
    /// Not an X.509-SVID.
    #[error("it sent an SVID that cannot be used: {0}")]
    Svid(#[from] InvalidX509Svid),
    /// An SVID that its own bundle does not lead to, or of another time.
    #[error("it sent an SVID that nobody would trust: {0}")]
    Untrusted(#[from] SvidError),
    /// Another workload's SVID than before.
    #[error(
        "it sent the SVID of `{found}` in the place of `{in_force}`; restart to change who this is"
    )]
    AnotherWorkload {
        /// Whose SVID is in force.
        in_force: SpiffeId,
        /// Whose SVID came.
        found: SpiffeId,
    },
    /// Everything that it offers is of another trust domain than before.
    #[error("it offers identities of the trust domain `{found}`, and was of `{in_force}`")]
    ForeignDomain {
        /// The trust domain of what is in force.
        in_force: TrustDomain,
        /// What came.
        found: TrustDomain,
    },
    /// None of the bundles is one that came before.
    #[error("it sent bundles of other trust domains only than before")]
    ForeignBundles,
    /// There is no bundle for a trust domain.
    #[error("it has no bundle for the trust domain `{0}`, so nobody of it is trusted")]
    NoBundle(TrustDomain),
    /// A bundle cannot be used.
    #[error("it sent a bundle for `{0}` that cannot be used: {1}")]
    Bundle(TrustDomain, InvalidBundle),
    /// Several identities have the same hint.
    #[error("it sent several identities with the hint `{0}`; the first of them is used")]
    SameHint(String),
    /// It has taken back what is ours.
    #[error("it has taken the SVID of `{0}` back; register the workload again")]
    Withdrawn(SpiffeId),
}

impl WhyApi {
    /// Whether asking again is no use
    /// ([SPIFFE Workload Endpoint](https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md#6-error-codes)).
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Unimplemented)
    }

    /// A short label for metrics; it never changes and never holds input.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSocket => "no_socket",
            Self::Denied => "denied",
            Self::NotConnected(_) => "not_connected",
            Self::Silent(_) => "silent",
            Self::Ended => "ended",
            Self::Status { .. } => "status",
            Self::NoIdentity => "no_identity",
            Self::Invalid(_) => "invalid_argument",
            Self::Unimplemented => "unimplemented",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::NotOffered(..) => "not_offered",
            Self::Declared(_) => "declared",
            Self::AnotherThanDeclared { .. } => "another_than_declared",
            Self::NotDer => "not_der",
            Self::Svid(why) => why.code(),
            Self::Untrusted(why) => why.code(),
            Self::AnotherWorkload { .. } => "another_workload",
            Self::ForeignDomain { .. } => "foreign_domain",
            Self::ForeignBundles => "foreign_bundles",
            Self::NoBundle(_) => "no_bundle",
            Self::Bundle(..) => "bundle",
            Self::SameHint(_) => "same_hint",
            Self::Withdrawn(_) => "withdrawn",
        }
    }
}

impl Trouble for ApiError {
    fn code(&self) -> &'static str {
        self.why.code()
    }

    fn remedy(&self) -> &'static str {
        match *self.why {
            WhyApi::Withdrawn(_) | WhyApi::NoBundle(_) => {
                "see the registration at what serves the Workload API"
            }
            WhyApi::Invalid(_) | WhyApi::Unimplemented => {
                "name the socket of a SPIFFE Workload API, and restart"
            }
            _ => {
                "look at what serves the Workload API; what it gave before stays in use until it expires"
            }
        }
    }
}
