//! `agent.toml`: the only place where the agent's configuration is read.
//!
//! - [`AgentConfig`]: what it says, checked
//! - [`check()`]: what is wrong with the files that it names
//! - [`error`]: why it cannot be used

mod check;
mod error;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use taskpass_identity::source::origin::{BundleOrigin, SvidOrigin};
use taskpass_identity::{SpiffeId, TrustDomain};

pub use check::check;
pub use error::ConfigError;

use crate::callers::mapping::Mapping;

/// Where the agent listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/taskpass/agent.sock";
/// Where the agent keeps its state unless told otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/taskpass/agent";
/// Who may connect unless told otherwise: everybody, because callers are known by their user id and
/// whoever is mapped to no identity is refused.
pub const DEFAULT_SOCKET_MODE: u32 = 0o666;

/// The agent's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Where local callers connect.
    pub socket: SocketConfig,
    /// A directory of the agent's own (0700): its secret, and the journal of its jobs.
    pub state: PathBuf,
    /// The broker.
    pub broker: BrokerConfig,
    /// The workloads of this node, and who is which.
    pub identities: Vec<IdentityConfig>,
    /// How much local callers may take.
    pub limits: Limits,
}

/// The socket of the local interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    /// Its path.
    pub path: PathBuf,
    /// Its permissions: who may connect at all.
    pub mode: u32,
    /// Its group, where it is not the agent's own.
    pub gid: Option<u32>,
}

/// The broker, as the agent finds and knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// `host:port` of its workload port.
    pub address: String,
    /// The one SPIFFE ID that it must have.
    pub spiffe_id: SpiffeId,
    /// Where the roots of the trust domain of that id come from.
    pub bundle: BundleOrigin,
}

/// One workload of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityConfig {
    /// Where its X.509-SVID comes from.
    pub svid: SvidOrigin,
    /// Users who are this workload.
    pub uids: BTreeSet<u32>,
    /// Groups whose members are this workload, where no identity names their user. The primary group
    /// counts, and no other.
    pub gids: BTreeSet<u32>,
}

/// How much local callers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs of one user that have not ended.
    pub live_jobs_per_uid: usize,
    /// Connections that are open at once; one user gets three quarters of them at most.
    pub connections: usize,
}

impl AgentConfig {
    /// Reads and checks a file. Paths in it are relative to its directory. The files that it names are
    /// not looked at: see [`check()`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        file::parse(&text, path)?.into_config(base, path)
    }

    /// The broker's trust domain, and where its roots come from.
    pub(crate) fn bundle_origins(&self) -> BTreeMap<TrustDomain, BundleOrigin> {
        let BrokerConfig {
            spiffe_id, bundle, ..
        } = &self.broker;
        [(spiffe_id.trust_domain().clone(), bundle.clone())].into()
    }

    /// Who is which workload, if that is said without contradiction.
    pub(crate) fn mapping(&self) -> Result<Mapping, ConfigError> {
        let identities = self.identities.iter().map(|it| (&it.uids, &it.gids));
        Ok(Mapping::new(identities)?)
    }
}

impl SocketConfig {
    /// A socket that everybody may connect to.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: DEFAULT_SOCKET_MODE,
            gid: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            live_jobs_per_uid: 1000,
            connections: 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use taskpass_identity::source::workload_api::Selection;
    use taskpass_identity::workload_api::Endpoint;

    use super::*;

    const GOOD: &str = r#"
[broker]
address = "taskpass.acme.example:8440"
spiffe_id = "spiffe://acme.example/taskpass/broker"
bundle = "acme.pem"

[[identity]]
certificate = "docs.pem"
key = "docs.key"
uids = [1000]
"#;

    fn load(text: &str) -> Result<AgentConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        fs::write(&path, text).unwrap();
        AgentConfig::load(&path).map_err(|error| {
            let folder = format!("{}/", folder.path().display());
            error.to_string().replace(&folder, "")
        })
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.socket, SocketConfig::at(DEFAULT_SOCKET));
        assert_eq!(config.state, Path::new(DEFAULT_STATE));
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.identities[0].uids, [1000].into());
        assert!(config.identities[0].gids.is_empty());
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = load(GOOD).unwrap();
        let SvidOrigin::Files(paths) = &config.identities[0].svid else {
            panic!("{config:?}");
        };
        assert!(paths.certificate.is_absolute() && paths.certificate.ends_with("docs.pem"));
        assert!(paths.private_key.is_absolute() && paths.private_key.ends_with("docs.key"));
        let BundleOrigin::File(path) = &config.broker.bundle else {
            panic!("{config:?}");
        };
        assert!(path.is_absolute());
    }

    #[test]
    fn identities_and_roots_may_come_from_a_workload_api() {
        let files = "certificate = \"docs.pem\"\nkey = \"docs.key\"";
        let api = "workload_api = \"unix:///run/spire/agent.sock\"";
        let text = GOOD
            .replace(files, &format!("{api}\nhint = \"docs\""))
            .replace("bundle = \"acme.pem\"", api);
        let config = load(&text).unwrap();
        let endpoint = Endpoint::Unix("/run/spire/agent.sock".into());
        assert_eq!(
            config.broker.bundle,
            BundleOrigin::WorkloadApi(endpoint.clone())
        );
        let selection = Selection::Hint("docs".to_owned());
        assert_eq!(
            config.identities[0].svid,
            SvidOrigin::WorkloadApi {
                endpoint,
                selection
            }
        );
        let error = load(&GOOD.replace(files, &format!("{files}\n{api}"))).unwrap_err();
        assert!(
            error.contains("`identity` 1") && error.contains("once"),
            "{error}"
        );
    }

    #[test]
    fn the_sample_is_good() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/agent.toml");
        let config = AgentConfig::load(&sample).unwrap();
        assert_eq!(config.identities.len(), 2);
        assert_eq!(config.socket.mode, 0o660);
    }

    #[test]
    fn the_sample_names_every_default_as_it_is() {
        let sample = include_str!("../../../examples/agent.toml");
        for default in [
            format!("# socket = \"{DEFAULT_SOCKET}\""),
            format!("# state = \"{DEFAULT_STATE}\""),
            format!(
                "# live_jobs_per_uid = {}",
                Limits::default().live_jobs_per_uid
            ),
            format!("# connections = {}", Limits::default().connections),
        ] {
            assert!(sample.contains(&default), "{default}");
        }
    }

    #[test]
    fn says_where_it_is_wrong_and_what_to_write_instead() {
        let second = "[[identity]]\ncertificate = \"b.pem\"\nkey = \"b.key\"\n";
        let table = [
            ("address", "adress", "agent.toml:3:1", "unknown field"),
            (
                ":8440\"",
                "\"",
                "agent.toml: `broker.address`",
                "`host:port`",
            ),
            (
                "spiffe://acme.example/taskpass/broker",
                "spiffe://ACME/x",
                "agent.toml: `broker.spiffe_id`",
                "",
            ),
            (
                "uids = [1000]",
                "uids = [-1]",
                "agent.toml:10:9",
                "uids = [-1]",
            ),
            (
                "uids = [1000]",
                "",
                "agent.toml: `identity` 1",
                "`uids` or `gids`",
            ),
            (
                "[broker]",
                "socket_mode = \"rw\"\n[broker]",
                "agent.toml: `socket_mode`",
                "\"0660\"",
            ),
            (
                "[broker]",
                "socket_mode = \"1777\"\n[broker]",
                "agent.toml: `socket_mode`",
                "\"0660\"",
            ),
            (
                "[broker]",
                "[limits]\nconnections = 0\n[broker]",
                "agent.toml: `limits.connections`",
                "1",
            ),
            (
                "uids = [1000]",
                &format!("uids = [1000]\n{second}uids = [1000]"),
                "user 1000",
                "identities 1 and 2",
            ),
            (
                "uids = [1000]",
                &format!("gids = [7]\n{second}gids = [7]"),
                "group 7",
                "identities 1 and 2",
            ),
            (
                "[[identity]]",
                "[[identities]]",
                "agent.toml:7:3",
                "unknown field",
            ),
            ("[broker]", "[broker", "agent.toml:2:8", "[broker"),
        ];
        for (from, to, place, says) in table {
            assert!(GOOD.contains(from), "{from}");
            let error = load(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(place), "{to}: {error}");
            assert!(error.contains(says), "{to}: {error}");
        }
    }

    #[test]
    fn at_least_one_identity_is_needed() {
        let without = GOOD.split("[[identity]]").next().unwrap();
        let error = load(without).unwrap_err();
        assert!(error.contains("[[identity]]"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = AgentConfig::load(Path::new("/no/such/agent.toml")).unwrap_err();
        assert!(error.to_string().contains("/no/such/agent.toml"), "{error}");
    }
}
