//! How the node stands, for people.

use std::sync::Arc;

use taskpass_identity::{BundleSource, SvidSource};

use crate::broker::session::SessionStatus;
use crate::callers::Peer;
use crate::clock::Clock;
use crate::local_api::wire::{
    BrokerStatus, CallerStatus, IdentityStatus, ProblemStatus, Status, moment,
};

/// Everything that can be said of the node.
pub struct NodeStatus {
    /// Where the broker is.
    pub broker_address: String,
    /// Who it must be.
    pub broker_id: String,
    /// The socket's path.
    pub socket: String,
    /// The machine's name.
    pub host: String,
    /// Since 1970, in milliseconds.
    pub started_at_millis: u64,
    /// The node's workloads.
    pub identities: Vec<IdentityParts>,
    /// The bundle of the broker's trust domain.
    pub bundles: Arc<dyn BundleSource>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// One workload.
pub struct IdentityParts {
    /// Its SVID.
    pub svids: Arc<dyn SvidSource>,
    /// What to do where it has expired.
    pub remedy: &'static str,
    /// Its heartbeat.
    pub session: Arc<SessionStatus>,
}

impl NodeStatus {
    /// How it stands now, for this caller.
    pub fn report(&self, peer: &Peer, identity: Option<usize>, jobs: usize) -> Status {
        let identities: Vec<IdentityStatus> = self.identities.iter().map(identity_status).collect();
        let broken = identities.iter().find(|identity| !identity.connected);
        let spiffe_id = identity.and_then(|index| identities.get(index));
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started_at: moment(self.started_at_millis),
            host: self.host.clone(),
            socket: self.socket.clone(),
            broker: BrokerStatus {
                address: self.broker_address.clone(),
                spiffe_id: self.broker_id.clone(),
                connected: broken.is_none(),
                error: broken.and_then(|identity| identity.error.clone()),
            },
            jobs,
            caller: CallerStatus {
                uid: peer.uid,
                gid: peer.gid,
                pid: peer.process.pid(),
                spiffe_id: spiffe_id.map(|identity| identity.spiffe_id.clone()),
            },
            problems: self.problems(),
            identities,
        }
    }

    fn problems(&self) -> Vec<ProblemStatus> {
        let mut found = Vec::new();
        let mut problem = |what: String, remedy: &str| {
            found.push(ProblemStatus {
                what,
                remedy: remedy.to_owned(),
            });
        };
        let now = self.clock.unix_millis() / 1000;
        for parts in &self.identities {
            let svid = parts.svids.current();
            if svid.expires_at().as_secs() <= now {
                let what = format!("the SVID of `{}` has expired", svid.id());
                problem(what, parts.remedy);
            }
            if let Some(found) = parts.svids.problem() {
                problem(found.what, found.remedy);
            }
            if let (false, Some(error)) = parts.session.read() {
                let what = format!("`{}` has no heartbeat: {error}", svid.id());
                problem(
                    what,
                    "check the broker's address, its SPIFFE ID and its bundle in agent.toml",
                );
            }
        }
        if let Some(found) = self.bundles.problem() {
            problem(found.what, found.remedy);
        }
        found
    }
}

fn identity_status(parts: &IdentityParts) -> IdentityStatus {
    let svid = parts.svids.current();
    let (connected, error) = parts.session.read();
    IdentityStatus {
        spiffe_id: svid.id().to_string(),
        expires_at: moment(svid.expires_at().as_secs() * 1000),
        connected,
        error: parts.svids.problem().map(|problem| problem.what).or(error),
    }
}
