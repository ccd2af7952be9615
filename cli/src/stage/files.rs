//! The configuration files of a stage.

use std::path::Path;
use std::time::Duration;

use taskpass_identity::SpiffeId;

use super::{Ports, TRUST_DOMAIN};

/// What differs between staged brokers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BrokerFile<'a> {
    /// Where it listens.
    pub(crate) ports: Ports,
    /// The operator's socket, relative to the folder.
    pub(crate) admin_socket: &'a str,
    /// How often holders beat.
    pub(crate) heartbeat: Duration,
    /// The silence that ends jobs.
    pub(crate) limit: Duration,
    /// Calls a second that one workload may make.
    pub(crate) calls_per_second: u32,
}

/// What differs between staged agents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgentFile<'a> {
    /// Its name: of its files, its socket and its state.
    pub(crate) name: &'a str,
    /// The workload that it speaks for.
    pub(crate) workload: &'a SpiffeId,
    /// The user that it speaks to.
    pub(crate) uid: u32,
    /// The broker's port.
    pub(crate) broker: std::net::SocketAddr,
}

impl BrokerFile<'_> {
    pub(super) fn to_toml(self, id: &SpiffeId) -> String {
        let Self {
            ports,
            admin_socket,
            heartbeat,
            limit,
            calls_per_second,
        } = self;
        let Ports {
            workload,
            public,
            operations,
        } = ports;
        let (interval, limit) = (heartbeat.as_secs(), limit.as_secs());
        let burst = calls_per_second.saturating_mul(2);
        format!(
            r#"issuer = "http://{public}"
spiffe_id = "{id}"
policy = "policy"
installation = "installation.toml"

[identity]
certificate = "svids/broker.pem"
key = "svids/broker.key"

[trust_domain."{TRUST_DOMAIN}"]
bundle = "bundle.pem"

[store]
path = "taskpass.db"

[[sealing_key]]
id = "stage"
file = "seal.key"

[listen]
workload = "{workload}"
public = "{public}"
operations = "{operations}"
admin = "{admin_socket}"

[heartbeat]
interval = "{interval}s"
limit = "{limit}s"

[limits]
calls_per_second = {calls_per_second}
call_burst = {burst}
"#
        )
    }
}

impl AgentFile<'_> {
    pub(super) fn to_toml(self, folder: &Path, broker_id: &SpiffeId) -> String {
        let Self {
            name,
            workload: _,
            uid,
            broker,
        } = self;
        let folder = folder.display();
        format!(
            r#"socket = "{folder}/{name}.sock"
state = "{folder}/agents/{name}"

[broker]
address = "{broker}"
spiffe_id = "{broker_id}"
bundle = "{folder}/bundle.pem"

[[identity]]
certificate = "{folder}/svids/{name}.pem"
key = "{folder}/svids/{name}.key"
uids = [{uid}]
"#
        )
    }
}
