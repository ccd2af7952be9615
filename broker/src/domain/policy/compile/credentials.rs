//! Credentials: checked against the installation, linked to audiences and environments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::names::{Kind, Names, did_you_mean, find};
use super::short;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredCredential, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::installation::{Installation, IssuerKind};
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{ANY_ENVIRONMENT, Credential};

/// Credentials by name, without those that have errors.
pub(super) type Credentials<'a> = BTreeMap<&'a str, Arc<Credential>>;

/// What credentials are linked to.
pub(super) struct Builder<'a> {
    pub(super) installation: &'a Installation,
    pub(super) audiences: &'a Names<'a, DeclaredAudience>,
    pub(super) environments: &'a Names<'a, Vec<Located<WorkloadPattern>>>,
}

impl Builder<'_> {
    pub(super) fn credentials<'a>(
        &self,
        declared: &Names<'a, DeclaredCredential>,
        report: &mut Report,
    ) -> Credentials<'a> {
        let built = |(name, named): (&&'a str, &&'a Named<DeclaredCredential>)| {
            Some((*name, Arc::new(self.credential(named, report)?)))
        };
        declared.iter().filter_map(built).collect()
    }

    fn credential(
        &self,
        named: &Named<DeclaredCredential>,
        report: &mut Report,
    ) -> Option<Credential> {
        let body = &named.body;
        let issuer = body
            .issuer
            .as_ref()
            .and_then(|issuer| self.issuer(issuer, report));
        let audience = body.audience.as_ref().and_then(|audience| {
            let audience = find(Kind::Audience, audience, self.audiences, report)?;
            audience.body.uri.as_ref().map(|uri| uri.value.clone())
        });
        if let Some(ttl) = &body.ttl {
            check_ceiling(ttl, ("ttl", "max_ttl"), self.installation.max_ttl, report);
        }
        let environment = body.environment.as_ref().and_then(|name| {
            let is_known = *name.value == *ANY_ENVIRONMENT
                || find(Kind::Environment, name, self.environments, report).is_some();
            is_known.then(|| name.value.clone())
        });
        Some(Credential {
            name: named.name.value.clone(),
            place: short(&named.name.place),
            issuer: issuer?,
            audience: audience?,
            scopes: body
                .scopes
                .iter()
                .map(|scope| scope.value.clone())
                .collect(),
            ttl: body.ttl.as_ref()?.value,
            environment: environment?,
            algorithm: body.algorithm,
            shape: body.shape,
            claims: body
                .claims
                .iter()
                .map(|claim| (claim.name.value.0.clone(), claim.value.value.clone()))
                .collect(),
        })
    }

    fn issuer(&self, reference: &Located<Arc<str>>, report: &mut Report) -> Option<Arc<str>> {
        let name = &reference.value;
        if let Some(issuer) = self.installation.issuer(name) {
            return match issuer.kind {
                IssuerKind::Jwt => Some(issuer.name.clone()),
            };
        }
        let issuers = || self.installation.issuers.iter().map(|issuer| &*issuer.name);
        let help = did_you_mean(name, issuers(), report).unwrap_or_else(|| {
            let known: Vec<_> = issuers().map(|name| format!("`{name}`")).collect();
            if known.is_empty() {
                format!("declare `[issuer.{name}]` in the installation file")
            } else {
                format!(
                    "use {}, or declare `[issuer.{name}]` in the installation file",
                    known.join(" or ")
                )
            }
        });
        let message = format!("the installation has no issuer `{name}`");
        report.push(Diagnostic::error(reference.place.clone(), message).help(help));
        None
    }
}

/// Reports a duration above what the installation allows.
pub(super) fn check_ceiling(
    duration: &Located<Duration>,
    (key, ceiling_key): (&str, &str),
    ceiling: Duration,
    report: &mut Report,
) {
    if duration.value > ceiling {
        let (given, ceiling) = (show_duration(duration.value), show_duration(ceiling));
        let message = format!("`{key}` is {given}, above the installation's ceiling of {ceiling}");
        let help = format!(
            "write `{key} = \"{ceiling}\"` or less, or raise `{ceiling_key}` in the installation file"
        );
        report.push(Diagnostic::error(duration.place.clone(), message).help(help));
    }
}
