//! Which credentials come out of the grants that match.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::reason::Reason;

use super::claim_template::ClaimTemplate;
use super::decision::{
    Allowed, Ceiling, ConsideredCredential, CredentialVerdict, Denied, Environment, GrantId,
    Permitted,
};
use super::installation::Ceilings;
use super::request::{Request, Wanted};
use super::scope_template::ScopeTemplate;
use super::snapshot::{ANY_ENVIRONMENT, Credential, Grant, Task};
use crate::domain::token_form::{ClaimValue, TokenForm};

const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

/// A credential that at least one matching grant names.
struct Candidate<'a> {
    credential: &'a Credential,
    grants: Vec<&'a Grant>,
    /// The shortest lifetime that the credential, the grants, the task and the installation leave.
    ttl: Duration,
    /// What made it shorter.
    ceilings: Vec<Ceiling>,
}

/// What holds for every credential of a decision.
pub(super) struct Terms<'a> {
    pub(super) task: &'a Task,
    pub(super) environment: &'a Environment,
    pub(super) ceilings: &'a Ceilings,
}

/// Gives the union of the grants' credentials, as far as the environment and the request let them through, and
/// what became of each.
pub(super) fn permit(
    terms: &Terms<'_>,
    matching: &[&Grant],
    request: &Request<'_>,
) -> (Vec<ConsideredCredential>, Result<Allowed, Denied>) {
    let environment = terms.environment;
    let mut candidates = candidates(terms, matching);
    let wanted = match wanted_by_name(request.wanted, &candidates) {
        Ok(wanted) => wanted,
        Err(denied) => return (Vec::new(), Err(denied)),
    };
    let mut considered = Vec::with_capacity(candidates.len());
    let mut permitted = Vec::with_capacity(candidates.len());
    let mut contributing: BTreeMap<&GrantId, u32> = BTreeMap::new();
    let mut first_denial = None;
    for candidate in candidates.values_mut() {
        let asked = wanted.get(&*candidate.credential.name).copied();
        let verdict = if asked.is_none() && !wanted.is_empty() {
            CredentialVerdict::NotWanted
        } else {
            match candidate.permit(asked, terms, request) {
                Ok(permit) => {
                    permitted.push(permit);
                    contributing.extend(
                        candidate
                            .grants
                            .iter()
                            .map(|grant| (&grant.id, grant.max_live_jobs)),
                    );
                    CredentialVerdict::Permitted
                }
                Err(verdict) => verdict,
            }
        };
        if let Some(denied) = denial(candidate.credential, &verdict, asked.is_some(), environment) {
            first_denial.get_or_insert(denied);
        }
        considered.push(candidate.considered(verdict));
    }
    let outcome = match first_denial {
        Some(denied) => Err(denied),
        None if permitted.is_empty() => Err(nothing_left(environment)),
        None => Ok(Allowed {
            credentials: permitted,
            max_duration: terms.task.max_duration.min(terms.ceilings.max_duration),
            max_live_jobs: contributing.values().copied().min().unwrap_or_default(),
            grants: contributing.into_keys().cloned().collect(),
        }),
    };
    (considered, outcome)
}

/// The union of the grants' credentials by name, each with the shortest lifetime.
fn candidates<'a>(terms: &Terms<'_>, matching: &[&'a Grant]) -> BTreeMap<&'a str, Candidate<'a>> {
    let mut candidates = BTreeMap::new();
    for grant in matching {
        for credential in &grant.credentials {
            let candidate = candidates
                .entry(&*credential.name)
                .or_insert_with(|| Candidate::new(credential, terms));
            candidate.grants.push(*grant);
            if let Some(ttl) = grant.max_ttl {
                candidate.shorten(ttl, || format!("grant {}", grant.id));
            }
        }
    }
    candidates
}

/// What is asked for, once each and all of it granted. Empty when nothing was asked for by name.
fn wanted_by_name<'a>(
    wanted: &'a [Wanted],
    candidates: &BTreeMap<&str, Candidate<'_>>,
) -> Result<BTreeMap<&'a str, &'a Wanted>, Denied> {
    let mut by_name = BTreeMap::new();
    for want in wanted {
        let name = &*want.name;
        if want
            .lifetime
            .is_some_and(|lifetime| lifetime < SHORTEST_LIFETIME)
        {
            let message = format!("the lifetime asked for credential {name:?} is below one second");
            return Err(denied(Reason::RequestInvalid, message.clone(), message));
        }
        if by_name.insert(name, want).is_some() {
            let message = format!("credential {name:?} is asked for twice");
            return Err(denied(Reason::RequestInvalid, message.clone(), message));
        }
    }
    match by_name.keys().find(|name| !candidates.contains_key(*name)) {
        None => Ok(by_name),
        Some(name) => {
            let granted: Vec<_> = candidates.keys().copied().collect();
            let explanation = format!(
                "credential {name:?} is in none of the matching grants, which give `{}`",
                granted.join("`, `")
            );
            Err(denied(
                Reason::CredentialNotGranted,
                not_given(name),
                explanation,
            ))
        }
    }
}

impl<'a> Candidate<'a> {
    fn new(credential: &'a Credential, terms: &Terms<'_>) -> Self {
        let mut candidate = Self {
            credential,
            grants: Vec::new(),
            ttl: credential.ttl,
            ceilings: Vec::new(),
        };
        // INVARIANT: a token never outlives its job.
        candidate.shorten(terms.task.max_duration, || "task max_duration".to_owned());
        let max_duration = terms.ceilings.max_duration;
        candidate.shorten(max_duration, || "installation max_duration".to_owned());
        let (max_ttl, by) = terms.ceilings.max_ttl(&credential.environment);
        candidate.shorten(max_ttl, || by);
        candidate
    }

    fn shorten(&mut self, ttl: Duration, by: impl FnOnce() -> String) {
        if ttl < self.ttl {
            self.ttl = ttl;
            self.ceilings.push(Ceiling { by: by(), ttl });
        }
    }

    fn permit(
        &mut self,
        wanted: Option<&Wanted>,
        terms: &Terms<'_>,
        request: &Request<'_>,
    ) -> Result<Permitted, CredentialVerdict> {
        let credential = self.credential;
        if let Some(what) = terms.ceilings.refuses(credential) {
            return Err(CredentialVerdict::OutsideInstallation { what });
        }
        if !terms.environment.admits(&credential.environment) {
            return Err(CredentialVerdict::OtherEnvironment {
                environment: credential.environment.clone(),
            });
        }
        let granted = self.scopes(request)?;
        let claims = self.claims(request)?;
        let (scopes, lifetime) = match wanted {
            None => (granted, None),
            Some(wanted) => (narrow(granted, &wanted.scopes)?, wanted.lifetime),
        };
        if let Some(lifetime) = lifetime {
            self.shorten(lifetime, || "request".to_owned());
        }
        Ok(Permitted {
            name: credential.name.clone(),
            issuer: credential.issuer.clone(),
            audience: credential.audience.clone(),
            scopes: scopes.into_iter().collect(),
            ttl: Duration::from_secs(self.ttl.as_secs()),
            environment: credential.environment.clone(),
            form: TokenForm {
                algorithm: credential.algorithm,
                shape: credential.shape,
                claims,
            },
        })
    }

    fn claims(
        &self,
        request: &Request<'_>,
    ) -> Result<BTreeMap<String, ClaimValue>, CredentialVerdict> {
        let fill = |(name, template): &(Arc<str>, ClaimTemplate)| match template
            .fill(request.parameters)
        {
            Ok(value) => Ok((name.to_string(), value)),
            Err((template, value)) => Err(CredentialVerdict::ClaimInvalid {
                claim: name.clone(),
                template: template.into(),
                value,
            }),
        };
        self.credential.claims.iter().map(fill).collect()
    }

    fn scopes(&self, request: &Request<'_>) -> Result<BTreeSet<String>, CredentialVerdict> {
        let fill = |template: &ScopeTemplate| {
            template
                .fill(request.parameters)
                .map_err(|value| CredentialVerdict::ScopeInvalid {
                    template: template.as_str().into(),
                    value,
                })
        };
        self.credential.scopes.iter().map(fill).collect()
    }

    fn considered(&self, verdict: CredentialVerdict) -> ConsideredCredential {
        ConsideredCredential {
            name: self.credential.name.clone(),
            place: Arc::clone(&self.credential.place),
            grants: self.grants.iter().map(|grant| grant.id.clone()).collect(),
            ceilings: self.ceilings.clone(),
            verdict,
        }
    }
}

impl Environment {
    /// Whether a workload of this environment gets credentials of that one.
    pub(super) fn admits(&self, environment: &str) -> bool {
        environment == ANY_ENVIRONMENT
            || match self {
                Self::One(own) => **own == *environment,
                Self::None | Self::Several(_) => false,
            }
    }
}

fn narrow(
    granted: BTreeSet<String>,
    wanted: &[String],
) -> Result<BTreeSet<String>, CredentialVerdict> {
    if wanted.is_empty() {
        return Ok(granted);
    }
    match wanted.iter().find(|scope| !granted.contains(*scope)) {
        None => Ok(wanted.iter().cloned().collect()),
        Some(scope) => Err(CredentialVerdict::ScopeNotGranted {
            scope: scope.clone(),
            granted: granted.into_iter().collect(),
        }),
    }
}

/// Whether what became of one credential denies the whole request.
fn denial(
    credential: &Credential,
    verdict: &CredentialVerdict,
    is_asked_for: bool,
    workload: &Environment,
) -> Option<Denied> {
    let name = &credential.name;
    match verdict {
        CredentialVerdict::Permitted | CredentialVerdict::NotWanted => None,
        // Without a list, the job gets what it can have.
        CredentialVerdict::OtherEnvironment { .. } if !is_asked_for => None,
        CredentialVerdict::OtherEnvironment { environment } => Some(denied(
            Reason::CredentialNotGranted,
            not_given(name),
            match workload {
                Environment::None | Environment::One(_) => format!(
                    "credential `{name}` belongs to environment `{environment}`, the workload is in {workload}"
                ),
                Environment::Several(_) => format!(
                    "credential `{name}` belongs to environment `{environment}`; {}",
                    of_several(workload)
                ),
            },
        )),
        CredentialVerdict::OutsideInstallation { what } => Some(denied(
            Reason::CredentialNotGranted,
            not_given(name),
            format!("credential `{name}` has {what}, which the installation does not allow there"),
        )),
        CredentialVerdict::ScopeNotGranted { scope, granted } => Some(denied(
            Reason::ScopeNotGranted,
            format!("credential `{name}` does not have the scope {scope:?}"),
            format!(
                "credential `{name}` has the scopes `{}`, and not {scope:?}",
                granted.join("`, `")
            ),
        )),
        CredentialVerdict::ClaimInvalid {
            claim,
            template,
            value,
        } => Some(denied(
            Reason::ParameterInvalid,
            format!("a parameter does not fit into a claim of credential `{name}`"),
            format!(
                "claim `{claim}` of credential `{name}`: `{template}` gave {value:?}, which is not a claim's text"
            ),
        )),
        CredentialVerdict::ScopeInvalid { template, value } => Some(denied(
            Reason::ParameterInvalid,
            format!("a parameter does not fit into a scope of credential `{name}`"),
            format!(
                "the scope `{template}` of credential `{name}` gave {value:?}, which is not one scope-token"
            ),
        )),
    }
}

fn nothing_left(environment: &Environment) -> Denied {
    denied(
        Reason::CredentialNotGranted,
        "no credential of this task is for this workload's environment".to_owned(),
        match environment {
            Environment::None | Environment::One(_) => format!(
                "the workload is in {environment}, and every credential belongs to another one"
            ),
            Environment::Several(_) => of_several(environment),
        },
    )
}

fn of_several(environment: &Environment) -> String {
    format!("the workload is in {environment}, and so gets the credentials of none of them")
}

fn not_given(name: &str) -> String {
    format!("no grant gives this workload the credential {name:?} for this task")
}

fn denied(reason: Reason, message: String, explanation: String) -> Denied {
    Denied {
        reason,
        message,
        explanation,
    }
}
