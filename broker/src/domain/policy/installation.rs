//! What holds for the whole installation, whatever a policy says.

use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::source::SourceFile;

/// The facts that policy is checked against: `installation.toml`, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// No credential lives longer.
    pub max_ttl: Duration,
    /// No job lives longer.
    pub max_duration: Duration,
    /// Who makes credentials.
    pub issuers: Vec<Issuer>,
    /// Audiences that no policy may name.
    pub forbidden_audiences: Vec<Arc<str>>,
    /// What becomes of open jobs when a change of policy takes away what they were let in by.
    pub on_withdrawn_grant: OnWithdrawnGrant,
}

/// What becomes of open jobs when a change of policy takes away what they were let in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnWithdrawnGrant {
    /// They go on with the tokens that they have, and are refused the next renewal.
    #[default]
    KeepJobs,
    /// They end at once, with the cause `policy_changed`.
    EndJobs,
}

/// Who makes credentials of one kind at one target. Its secrets stand elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its name, as credentials refer to it.
    pub name: Arc<str>,
    /// What it makes.
    pub kind: IssuerKind,
}

/// What an issuer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerKind {
    /// Tokens that the broker signs itself.
    Jwt,
}

impl Installation {
    /// Reads the file.
    pub fn parse(file: &SourceFile) -> Result<Self, Vec<Diagnostic>> {
        super::read::installation_file(file)
    }

    /// The issuer of this name.
    pub fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| *issuer.name == *name)
    }
}
