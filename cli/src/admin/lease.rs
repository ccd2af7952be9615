//! How a lease is shown.

use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::LeaseSummary;

use crate::admin::wire;
use crate::output::{Page, View};
use crate::revocability::Revocability;

/// A lease.
#[derive(Debug, Serialize)]
pub(crate) struct Lease {
    #[serde(rename = "lease")]
    id: String,
    job: String,
    subject: String,
    credential: String,
    issuer: String,
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cause: String,
    generation: u32,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    revocability: Revocability,
    scopes: Vec<String>,
    audience: String,
}

/// A list of leases, newest first.
#[derive(Debug, Serialize)]
pub(crate) struct Leases {
    /// The leases.
    pub(crate) leases: Vec<Lease>,
    /// Whether there are more than were asked for.
    pub(crate) more: bool,
}

impl From<LeaseSummary> for Lease {
    fn from(wire: LeaseSummary) -> Self {
        Self {
            id: wire.lease_id,
            job: wire.job_id,
            subject: wire.subject,
            credential: wire.credential,
            issuer: wire.issuer,
            state: wire::lease_state(wire.state),
            cause: wire::cause(wire.cause),
            generation: wire.generation,
            issued_at: wire::moment(wire.issued_at),
            expires_at: wire::moment(wire.expires_at),
            ended_at: wire::moment(wire.ended_at),
            revocability: Revocability::from_wire(wire.revocability),
            scopes: wire.scopes,
            audience: wire.audience,
        }
    }
}

impl View for Leases {
    fn text(&self, page: &mut Page) {
        table(&self.leases, page);
        page.more(self.more);
    }
}

impl View for Lease {
    fn text(&self, page: &mut Page) {
        let facts = [
            ("lease", self.id.clone()),
            ("job", self.job.clone()),
            ("subject", self.subject.clone()),
            ("credential", self.credential.clone()),
            ("issuer", self.issuer.clone()),
            ("audience", self.audience.clone()),
            ("scopes", self.scopes.join(" ")),
            ("state", with_cause(&self.state, &self.cause)),
            ("generation", self.generation.to_string()),
            ("issued", page.moment(self.issued_at)),
            ("expires", page.planned(self.expires_at, self.ended_at)),
            ("ended", page.moment(self.ended_at)),
            ("stops working", self.revocability.to_string()),
        ];
        page.facts(facts);
    }
}

/// A table of leases, with what can be said of taking each back.
pub(crate) fn table(leases: &[Lease], page: &mut Page) {
    if leases.is_empty() {
        page.line("no leases");
        return;
    }
    let rows = leases.iter().map(|lease| {
        [
            lease.id.clone(),
            lease.credential.clone(),
            lease.subject.clone(),
            with_cause(&lease.state, &lease.cause),
            page.when(lease.ended_at.or(lease.expires_at)),
            lease.revocability.to_string(),
        ]
    });
    let rows = rows.collect();
    page.table(
        [
            "LEASE",
            "CREDENTIAL",
            "SUBJECT",
            "STATE",
            "END",
            "STOPS WORKING",
        ],
        rows,
    );
}

/// A state with the cause where there is one: `ended (ttl)`.
pub(crate) fn with_cause(state: &str, cause: &str) -> String {
    match cause {
        "" => state.to_owned(),
        cause => format!("{state} ({cause})"),
    }
}
