//! What holds for the whole installation, whatever a policy says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::snapshot::Credential;
use super::source::{Place, SourceFile};

/// The facts that policy is checked against: `installation.toml`, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The file that they were read from.
    pub source: SourceFile,
    /// No credential lives longer.
    pub max_ttl: Duration,
    /// No job lives longer.
    pub max_duration: Duration,
    /// Who makes credentials.
    pub issuers: Vec<Issuer>,
    /// Audiences that no policy may name.
    pub forbidden_audiences: Vec<Arc<str>>,
    /// The only audiences that policy may name; none means every one that is not forbidden.
    pub allowed_audiences: Option<Vec<Arc<str>>>,
    /// What credentials of one environment are held to besides, by its name or `any`.
    pub environment_ceilings: BTreeMap<Arc<str>, EnvironmentCeiling>,
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

/// What credentials of one environment are held to: `[ceiling.ENVIRONMENT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentCeiling {
    /// Where it stands.
    pub place: Place,
    /// None lives longer.
    pub max_ttl: Option<Duration>,
    /// The only issuers that make them.
    pub issuers: Option<Vec<Arc<str>>>,
    /// The only audiences (URIs) that they are for.
    pub audiences: Option<Vec<Arc<str>>>,
}

/// What no decision exceeds, whatever the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceilings {
    /// No credential lives longer.
    pub max_ttl: Duration,
    /// No job lives longer.
    pub max_duration: Duration,
    /// The only audiences, if they are listed.
    pub allowed_audiences: Option<Vec<Arc<str>>>,
    /// By environment.
    pub environments: BTreeMap<Arc<str>, EnvironmentCeiling>,
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

    /// What no decision exceeds.
    pub fn ceilings(&self) -> Ceilings {
        Ceilings {
            max_ttl: self.max_ttl,
            max_duration: self.max_duration,
            allowed_audiences: self.allowed_audiences.clone(),
            environments: self.environment_ceilings.clone(),
        }
    }

    /// The issuer of this name.
    pub fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| *issuer.name == *name)
    }
}

impl Ceilings {
    /// The longest life of a credential of this environment, and what says so.
    pub(super) fn max_ttl(&self, environment: &str) -> (Duration, String) {
        let own = self.environments.get(environment);
        match own.and_then(|ceiling| ceiling.max_ttl) {
            Some(ttl) if ttl < self.max_ttl => (ttl, format!("installation ceiling.{environment}")),
            Some(_) | None => (self.max_ttl, "installation max_ttl".to_owned()),
        }
    }

    /// What is not allowed about a credential, if anything is not.
    pub(super) fn refuses(&self, credential: &Credential) -> Option<String> {
        let own = self.environments.get(&credential.environment);
        let issuers = own.and_then(|ceiling| ceiling.issuers.as_ref());
        if issuers.is_some_and(|allowed| !allowed.contains(&credential.issuer)) {
            return Some(format!("the issuer `{}`", credential.issuer));
        }
        let lists = [
            self.allowed_audiences.as_ref(),
            own.and_then(|ceiling| ceiling.audiences.as_ref()),
        ];
        let refused = lists
            .into_iter()
            .flatten()
            .any(|allowed| !allowed.contains(&credential.audience));
        refused.then(|| format!("the audience `{}`", credential.audience))
    }
}
