//! The reasons for which a call is refused: their codes, and the gRPC status that goes with each.

use tonic::Code;

pub use crate::v1::Reason;

const PREFIX: &str = "REASON_";

impl Reason {
    /// The code as it travels and is documented, for instance `TASK_NOT_GRANTED`.
    pub fn code(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix(PREFIX).unwrap_or(name)
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::from_str_name(&format!("{PREFIX}{code}"))
    }

    /// The gRPC status code that goes with it.
    pub fn grpc_code(self) -> Code {
        match self {
            Self::SvidRefused => Code::Unauthenticated,
            Self::WorkloadBanned
            | Self::RoleRequired
            | Self::TaskNotGranted
            | Self::CredentialNotGranted
            | Self::ScopeNotGranted
            | Self::Forbidden
            | Self::ApprovalRequired
            | Self::NotAVerifier => Code::PermissionDenied,
            Self::RequestInvalid
            | Self::JobIdTime
            | Self::SubjectProofUnsupported
            | Self::BindingUnsupported
            | Self::BindingMismatch
            | Self::ParameterMissing
            | Self::ParameterUndeclared
            | Self::ParameterInvalid => Code::InvalidArgument,
            Self::JobIdReused => Code::AlreadyExists,
            Self::JobUnknown | Self::LeaseUnknown => Code::NotFound,
            Self::Superseded
            | Self::ConfirmationRequired
            | Self::JobEnded
            | Self::LeaseEnded
            | Self::GenerationMismatch => Code::FailedPrecondition,
            Self::RequestTooLarge
            | Self::RateLimited
            | Self::LiveJobsLimit
            | Self::JobLeasesLimit => Code::ResourceExhausted,
            Self::StoreUnavailable
            | Self::IssuerUnavailable
            | Self::PolicyUnavailable
            | Self::ShuttingDown
            | Self::ClockUncertain => Code::Unavailable,
            Self::Unimplemented => Code::Unimplemented,
            Self::Internal | Self::Unspecified => Code::Internal,
        }
    }

    /// Every reason that can be sent.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=i32::from(u8::MAX)).filter_map(|number| Self::try_from(number).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        assert_eq!(Reason::TaskNotGranted.code(), "TASK_NOT_GRANTED");
        for reason in Reason::all() {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code("NO_SUCH_REASON"), None);
    }

    #[test]
    fn every_reason_has_a_section_in_the_documentation() {
        let page = include_str!("../../docs/reasons.md");
        for reason in Reason::all() {
            assert!(
                page.contains(&format!("\n## {}\n", reason.code())),
                "{}",
                reason.code()
            );
        }
    }
}
