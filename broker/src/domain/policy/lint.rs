//! The names of warnings.

use std::fmt;

/// What a warning is about: a name by which it can be looked up and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "`code` is the documentation, and `docs/policy-reference.md` has the rest"
)]
pub enum Lint {
    AudienceNotUsed,
    ConstantCondition,
    CoveredGrant,
    CredentialNotGranted,
    FilePassedOver,
    GrantGivesNothing,
    GuardrailForbidsEverything,
    GuardrailForbidsNothing,
    NotFilledIn,
    OverlappingEnvironments,
    OwnerUnknown,
    PatternSurprise,
    RepeatedScope,
    RepeatedWorkload,
    ReportedLetsIn,
    TaskWithoutGrants,
    UnconstrainedParameter,
    UnlikelyName,
    UnlikelyWorkload,
    UnreachableGrant,
    UnusedCeiling,
    UnusedMaxTtl,
    UnusedParameter,
    WideWorkload,
}

impl Lint {
    /// Every one, in the order of their names.
    pub const ALL: [Self; 24] = [
        Self::AudienceNotUsed,
        Self::ConstantCondition,
        Self::CoveredGrant,
        Self::CredentialNotGranted,
        Self::FilePassedOver,
        Self::GrantGivesNothing,
        Self::GuardrailForbidsEverything,
        Self::GuardrailForbidsNothing,
        Self::NotFilledIn,
        Self::OverlappingEnvironments,
        Self::OwnerUnknown,
        Self::PatternSurprise,
        Self::RepeatedScope,
        Self::RepeatedWorkload,
        Self::ReportedLetsIn,
        Self::TaskWithoutGrants,
        Self::UnconstrainedParameter,
        Self::UnlikelyName,
        Self::UnlikelyWorkload,
        Self::UnreachableGrant,
        Self::UnusedCeiling,
        Self::UnusedMaxTtl,
        Self::UnusedParameter,
        Self::WideWorkload,
    ];

    /// The name.
    pub fn code(self) -> &'static str {
        match self {
            Self::AudienceNotUsed => "audience-not-used",
            Self::ConstantCondition => "constant-condition",
            Self::CoveredGrant => "covered-grant",
            Self::CredentialNotGranted => "credential-not-granted",
            Self::FilePassedOver => "file-passed-over",
            Self::GrantGivesNothing => "grant-gives-nothing",
            Self::GuardrailForbidsEverything => "guardrail-forbids-everything",
            Self::GuardrailForbidsNothing => "guardrail-forbids-nothing",
            Self::NotFilledIn => "not-filled-in",
            Self::OverlappingEnvironments => "overlapping-environments",
            Self::OwnerUnknown => "owner-unknown",
            Self::PatternSurprise => "pattern-surprise",
            Self::RepeatedScope => "repeated-scope",
            Self::RepeatedWorkload => "repeated-workload",
            Self::ReportedLetsIn => "reported-lets-in",
            Self::TaskWithoutGrants => "task-without-grants",
            Self::UnconstrainedParameter => "unconstrained-parameter",
            Self::UnlikelyName => "unlikely-name",
            Self::UnlikelyWorkload => "unlikely-workload",
            Self::UnreachableGrant => "unreachable-grant",
            Self::UnusedCeiling => "unused-ceiling",
            Self::UnusedMaxTtl => "unused-max-ttl",
            Self::UnusedParameter => "unused-parameter",
            Self::WideWorkload => "wide-workload",
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_is_on_the_reference_page() {
        let page = include_str!("../../../../docs/policy-reference.md");
        for lint in Lint::ALL {
            assert!(page.contains(&format!("| `{lint}` |")), "{lint}");
        }
    }
}
