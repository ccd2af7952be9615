//! How what would come out differs from what came out.

use std::time::Duration;

use serde::Serialize;

use crate::domain::policy::duration::show_duration;
use crate::domain::policy::tools::recorded::{Given, GivenCredential};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// The credential, the scope or the reason that it is about.
    pub about: String,
}

/// What a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Allowed then, denied now.
    NewlyDenied,
    /// Denied then, allowed now.
    NewlyAllowed,
    /// A credential less.
    FewerCredentials,
    /// A credential more.
    MoreCredentials,
    /// A scope less.
    FewerScopes,
    /// A scope more.
    MoreScopes,
    /// A shorter lifetime.
    ShorterLifetime,
    /// A longer lifetime.
    LongerLifetime,
    /// For somebody else.
    OtherAudience,
    /// Made by another issuer.
    OtherIssuer,
    /// Denied then and now, for another reason.
    OtherReason,
}

impl Kind {
    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly denied",
            Self::NewlyAllowed => "newly allowed",
            Self::FewerCredentials => "without credential",
            Self::MoreCredentials => "also credential",
            Self::FewerScopes => "without scope",
            Self::MoreScopes => "also scope",
            Self::ShorterLifetime => "shorter lifetime",
            Self::LongerLifetime => "longer lifetime",
            Self::OtherAudience => "other audience",
            Self::OtherIssuer => "other issuer",
            Self::OtherReason => "denied for another reason",
        }
    }

    /// Whether more comes out than before.
    pub fn is_wider(self) -> bool {
        match self {
            Self::NewlyAllowed
            | Self::MoreCredentials
            | Self::MoreScopes
            | Self::LongerLifetime
            | Self::OtherAudience
            | Self::OtherIssuer => true,
            Self::NewlyDenied
            | Self::FewerCredentials
            | Self::FewerScopes
            | Self::ShorterLifetime
            | Self::OtherReason => false,
        }
    }
}

/// Everything that differs.
pub fn differences(then: &Given, now: &Given) -> Vec<Difference> {
    match (then, now) {
        (Given::Denied(before), Given::Denied(after)) if before == after => Vec::new(),
        (Given::Denied(before), Given::Denied(after)) => {
            vec![one(Kind::OtherReason, format!("{before} → {after}"))]
        }
        (Given::Allowed(_), Given::Denied(reason)) => vec![one(Kind::NewlyDenied, reason.clone())],
        (Given::Denied(reason), Given::Allowed(_)) => vec![one(Kind::NewlyAllowed, reason.clone())],
        (Given::Allowed(before), Given::Allowed(after)) => {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            let gone = gone.map(|name| one(Kind::FewerCredentials, name.clone()));
            let more = after.keys().filter(|name| !before.contains_key(*name));
            let more = more.map(|name| one(Kind::MoreCredentials, name.clone()));
            let both = before
                .iter()
                .filter_map(|(name, then)| Some((name, then, after.get(name)?)))
                .flat_map(|(name, then, now)| credential(name, then, now));
            gone.chain(more).chain(both).collect()
        }
    }
}

fn credential(name: &str, then: &GivenCredential, now: &GivenCredential) -> Vec<Difference> {
    let scope = |kind| move |scope: &String| one(kind, format!("{name}: {scope}"));
    let fewer = then.scopes.difference(&now.scopes);
    let more = now.scopes.difference(&then.scopes);
    let mut differences: Vec<Difference> = fewer
        .map(scope(Kind::FewerScopes))
        .chain(more.map(scope(Kind::MoreScopes)))
        .collect();
    let (before, after) = (then.ttl_seconds, now.ttl_seconds);
    if before != after {
        let kind = if after > before {
            Kind::LongerLifetime
        } else {
            Kind::ShorterLifetime
        };
        let [before, after] = [before, after].map(|ttl| show_duration(Duration::from_secs(ttl)));
        differences.push(one(kind, format!("{name}: {before} → {after}")));
    }
    for (kind, before, after) in [
        (Kind::OtherAudience, &then.audience, &now.audience),
        (Kind::OtherIssuer, &then.issuer, &now.issuer),
    ] {
        if before != after {
            differences.push(one(kind, format!("{name}: {before} → {after}")));
        }
    }
    differences
}

fn one(kind: Kind, about: String) -> Difference {
    Difference { kind, about }
}
