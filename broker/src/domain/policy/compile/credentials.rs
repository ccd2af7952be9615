//! Credentials: checked against the installation, linked to audiences and environments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::names::{Kind, Names, did_you_mean, find};
use super::short;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredCredential, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::installation::{Ceilings, EnvironmentCeiling, Installation, IssuerKind};
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{ANY_ENVIRONMENT, Credential};

/// Credentials by name, without those that have errors.
pub(super) type Credentials<'a> = BTreeMap<&'a str, Arc<Credential>>;

/// What credentials are linked to.
pub(super) struct Builder<'a> {
    pub(super) installation: &'a Installation,
    pub(super) ceilings: &'a Ceilings,
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
        let credential = Credential {
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
        };
        self.check_environment(&credential, body, report);
        Some(credential)
    }

    /// Reports what the installation does not allow in the credential's environment.
    fn check_environment(
        &self,
        credential: &Credential,
        body: &DeclaredCredential,
        report: &mut Report,
    ) {
        let environment = &credential.environment;
        let ceiling = self.installation.environment_ceilings.get(environment);
        let ttl = ceiling.and_then(|ceiling| ceiling.max_ttl);
        if let (Some(max), Some(ttl)) = (ttl, &body.ttl)
            && max < self.installation.max_ttl
            && ttl.value <= self.installation.max_ttl
        {
            let name = format!("[ceiling.{environment}] max_ttl");
            check_ceiling(ttl, ("ttl", &name), max, report);
        }
        let Some(what) = self.ceilings.refuses(credential) else {
            return;
        };
        let place = if what.starts_with("the issuer") {
            body.issuer.as_ref()
        } else {
            body.audience.as_ref()
        };
        let Some(place) = place.map(|named| named.place.clone()) else {
            return;
        };
        let message =
            format!("the installation does not allow {what} in environment `{environment}`");
        let of_ceiling = |list: fn(&EnvironmentCeiling) -> bool| ceiling.is_some_and(list);
        let is_issuer = what.starts_with("the issuer");
        let list = if is_issuer {
            format!("`issuers` of `[ceiling.{environment}]`")
        } else if of_ceiling(|ceiling| ceiling.audiences.is_some())
            && self.is_allowed_anywhere(&credential.audience)
        {
            format!("`audiences` of `[ceiling.{environment}]`")
        } else {
            "`allowed_audiences`".to_owned()
        };
        let mut finding = Diagnostic::error(place, message).help(format!(
            "use one that is listed, or add it to {list} in the installation file"
        ));
        if let Some(ceiling) = ceiling {
            finding = finding.related(ceiling.place.clone(), "the ceiling stands here");
        }
        report.push(finding);
    }

    /// Whether the list for all environments, if there is one, has an audience.
    fn is_allowed_anywhere(&self, audience: &Arc<str>) -> bool {
        let listed = self.ceilings.allowed_audiences.as_ref();
        listed.is_none_or(|allowed| allowed.contains(audience))
    }

    fn issuer(&self, reference: &Located<Arc<str>>, report: &mut Report) -> Option<Arc<str>> {
        let name = &reference.value;
        if let Some(issuer) = self.installation.issuer(name) {
            return match issuer.kind {
                IssuerKind::Jwt => Some(issuer.name.clone()),
            };
        }
        let issuers = || self.installation.issuers.iter().map(|issuer| &*issuer.name);
        let message = format!("the installation has no issuer `{name}`");
        let finding = Diagnostic::error(reference.place.clone(), message);
        if let Some(meant) = did_you_mean(name, issuers(), report) {
            report.push(finding.meant(reference.place.clone(), meant));
            return None;
        }
        let known: Vec<_> = issuers().map(|name| format!("`{name}`")).collect();
        let declare = format!("declare `[issuer.{name}]` in the installation file");
        report.push(finding.help(if known.is_empty() {
            declare
        } else {
            format!("use {}, or {declare}", known.join(" or "))
        }));
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
        let finding = Diagnostic::error(duration.place.clone(), message).help(help);
        report.push(finding.fix(duration.place.clone(), format!("\"{ceiling}\"")));
    }
}
