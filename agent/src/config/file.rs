//! The shape of `agent.toml`, and how it becomes a configuration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use taskpass_identity::source::origin::{BundleOrigin, SvidFields};

use super::{
    AgentConfig, BrokerConfig, ConfigError, DEFAULT_SOCKET, DEFAULT_SOCKET_MODE, DEFAULT_STATE,
    IdentityConfig, Limits, SocketConfig,
};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    socket: Option<PathBuf>,
    socket_mode: Option<String>,
    socket_gid: Option<u32>,
    state: Option<PathBuf>,
    broker: BrokerTable,
    #[serde(default)]
    identity: Vec<IdentityTable>,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BrokerTable {
    address: String,
    spiffe_id: String,
    bundle: Option<PathBuf>,
    workload_api: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityTable {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    workload_api: Option<String>,
    hint: Option<String>,
    spiffe_id: Option<String>,
    #[serde(default)]
    uids: BTreeSet<u32>,
    #[serde(default)]
    gids: BTreeSet<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    live_jobs_per_uid: Option<usize>,
    connections: Option<usize>,
}

/// Reads TOML; `path` is named in errors.
pub(super) fn parse(text: &str, path: &Path) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let (line, column) = line_and_column(text, offset);
        ConfigError::Malformed {
            path: path.to_owned(),
            line,
            column,
            message: error.to_string().trim_end().to_owned(),
        }
    })
}

impl File {
    /// Checks what was written; paths are relative to `base`, `path` is named in errors.
    pub(super) fn into_config(self, base: &Path, path: &Path) -> Result<AgentConfig, ConfigError> {
        let invalid = |key: &str, message: String| ConfigError::Invalid {
            path: path.to_owned(),
            key: key.to_owned(),
            message,
        };
        if self.identity.is_empty() {
            let message = "name at least one workload that local callers can be: `[[identity]]`";
            return Err(invalid("`identity`", message.to_owned()));
        }
        let spiffe_id = self.broker.spiffe_id.parse();
        let spiffe_id = spiffe_id.map_err(|why| invalid("`broker.spiffe_id`", format!("{why}")))?;
        let address =
            address(self.broker.address).map_err(|why| invalid("`broker.address`", why))?;
        let endpoint = self.broker.workload_api.as_deref();
        let bundle = BundleOrigin::check(self.broker.bundle, endpoint, base, environment);
        let bundle = bundle.map_err(|why| invalid("`broker`", why.to_string()))?;
        let mode = socket_mode(self.socket_mode).map_err(|why| invalid("`socket_mode`", why))?;
        let limits = self
            .limits
            .check()
            .map_err(|key| invalid(key, "at least 1".to_owned()))?;
        let identities = (1..).zip(self.identity).map(|(number, table)| {
            table
                .check(base)
                .map_err(|why| invalid(&format!("`identity` {number}"), why))
        });
        let config = AgentConfig {
            socket: SocketConfig {
                path: base.join(self.socket.unwrap_or(DEFAULT_SOCKET.into())),
                mode,
                gid: self.socket_gid,
            },
            state: base.join(self.state.unwrap_or(DEFAULT_STATE.into())),
            broker: BrokerConfig {
                address,
                spiffe_id,
                bundle,
            },
            identities: identities.collect::<Result<_, _>>()?,
            limits,
        };
        config.mapping()?;
        Ok(config)
    }
}

impl IdentityTable {
    fn check(self, base: &Path) -> Result<IdentityConfig, String> {
        if self.uids.is_empty() && self.gids.is_empty() {
            return Err("nobody is this workload; give `uids` or `gids`".to_owned());
        }
        let fields = SvidFields {
            certificate: self.certificate,
            key: self.key,
            workload_api: self.workload_api,
            hint: self.hint,
            spiffe_id: self.spiffe_id,
        };
        Ok(IdentityConfig {
            svid: fields
                .check(base, environment)
                .map_err(|why| why.to_string())?,
            uids: self.uids,
            gids: self.gids,
        })
    }
}

impl LimitsTable {
    fn check(&self) -> Result<Limits, &'static str> {
        let default = Limits::default();
        let limits = Limits {
            live_jobs_per_uid: self.live_jobs_per_uid.unwrap_or(default.live_jobs_per_uid),
            connections: self.connections.unwrap_or(default.connections),
        };
        match limits {
            Limits {
                live_jobs_per_uid: 0,
                ..
            } => Err("`limits.live_jobs_per_uid`"),
            Limits { connections: 0, .. } => Err("`limits.connections`"),
            limits => Ok(limits),
        }
    }
}

/// `host:port`; the host is looked up at each connection.
fn address(text: String) -> Result<String, String> {
    let port = text.rsplit_once(':').and_then(|(host, port)| {
        let port: Option<u16> = port.parse().ok();
        port.filter(|port| *port != 0 && !host.is_empty() && !host.contains('/'))
    });
    match port {
        Some(_) => Ok(text),
        None => Err(format!(
            "`{text}` is not `host:port`; write for instance `taskpass.acme.example:8440`"
        )),
    }
}

fn socket_mode(text: Option<String>) -> Result<u32, String> {
    let Some(text) = text else {
        return Ok(DEFAULT_SOCKET_MODE);
    };
    let mode = u32::from_str_radix(&text, 8).ok();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("`{text}` is no mode; write it in octal, for instance \"0660\""))
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

/// A variable of the environment, where a configuration points to it.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the agent reads its environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
