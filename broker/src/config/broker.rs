//! `broker.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use taskpass_identity::source::origin::{BundleOrigin, SvidFields, SvidOrigin};
use taskpass_identity::{SpiffeId, TrustDomain};

use super::{ConfigError, environment, invalid};

/// The broker's configuration, checked. Paths are relative to the file's directory.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `iss` of every token, and where verifiers find discovery. Fixed when the store is initialised.
    pub issuer: String,
    /// The SPIFFE ID that clients insist on. Fixed when the store is initialised.
    pub spiffe_id: SpiffeId,
    /// Where the broker's own SVID comes from.
    pub svid: SvidOrigin,
    /// Whose workloads may call: each trust domain, and where its roots come from.
    pub trust_domains: BTreeMap<TrustDomain, BundleOrigin>,
    /// The policy directory.
    pub policy: PathBuf,
    /// The installation's facts.
    pub installation: PathBuf,
    /// The store's file.
    pub store: PathBuf,
    /// How long ended jobs and leases are kept.
    pub retention: Duration,
    /// Where the audit log is published.
    pub audit_directory: PathBuf,
    /// The file of the key that signs it.
    pub audit_key: PathBuf,
    /// How long details of audit records are kept; for good unless it says so.
    pub audit_retention: Option<Duration>,
    /// How often records are signed.
    pub audit_sequence_every: Duration,
    /// Sealing keys by id, the first one seals.
    pub sealing_keys: Vec<(String, PathBuf)>,
    /// How long verifiers may keep the key set.
    pub keys_max_age: Duration,
    /// How long a signing key signs.
    pub keys_signing_period: Duration,
    /// Where the broker listens.
    pub listen: Listen,
    /// How often holders beat.
    pub heartbeat_interval: Duration,
    /// The silence that ends jobs.
    pub heartbeat_limit: Duration,
    /// The longest life of a connection.
    pub connection_max_age: Duration,
    /// Calls a second that one workload may make, over time.
    pub calls_per_second: NonZeroU32,
    /// Calls that one workload may make at once.
    pub call_burst: NonZeroU32,
}

/// Where the broker listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Workloads: mutual TLS.
    pub workload: SocketAddr,
    /// Everybody: discovery and the key set. Plain HTTP, so loopback unless a proxy is declared.
    pub public: Option<SocketAddr>,
    /// Health and metrics.
    pub operations: Option<SocketAddr>,
    /// Operators: a Unix socket.
    pub admin: PathBuf,
    /// User ids that may administer.
    pub admin_uids: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: String,
    spiffe_id: String,
    policy: PathBuf,
    installation: PathBuf,
    identity: IdentityTable,
    trust_domain: BTreeMap<String, TrustDomainTable>,
    store: StoreTable,
    sealing_key: Vec<SealingKeyTable>,
    #[serde(default)]
    audit: AuditTable,
    #[serde(default)]
    keys: KeysTable,
    #[serde(default)]
    listen: ListenTable,
    #[serde(default)]
    heartbeat: HeartbeatTable,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityTable {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    workload_api: Option<String>,
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustDomainTable {
    bundle: Option<PathBuf>,
    workload_api: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreTable {
    path: PathBuf,
    retention: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    directory: Option<PathBuf>,
    key_file: Option<PathBuf>,
    retention: Option<String>,
    sequence_every: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SealingKeyTable {
    id: String,
    file: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct KeysTable {
    max_age: Option<String>,
    signing_period: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ListenTable {
    workload: Option<SocketAddr>,
    public: Option<SocketAddr>,
    public_behind_proxy: bool,
    operations: Option<SocketAddr>,
    operations_from_anywhere: bool,
    admin: Option<PathBuf>,
    admin_uids: Vec<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HeartbeatTable {
    interval: Option<String>,
    limit: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    connection_max_age: Option<String>,
    calls_per_second: Option<NonZeroU32>,
    call_burst: Option<NonZeroU32>,
}

impl BrokerConfig {
    /// Reads and checks a file. What it names is looked at by [`crate::app::check`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, base).map_err(|error| match error {
            ConfigError::Malformed { message, .. } => ConfigError::Malformed {
                path: path.to_owned(),
                message,
            },
            other => other,
        })
    }

    fn parse(text: &str, base: &Path) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigError::Malformed {
            path: PathBuf::new(),
            message: error.to_string(),
        })?;
        let at = |path: PathBuf| base.join(path);
        let trust_domains = file.trust_domain.into_iter().map(|(name, table)| {
            let domain: TrustDomain = name
                .parse()
                .map_err(|e| invalid(format!("trust_domain.{name}"), format!("{e}")))?;
            let endpoint = table.workload_api.as_deref();
            let origin = BundleOrigin::check(table.bundle, endpoint, base, environment);
            let origin =
                origin.map_err(|e| invalid(format!("trust_domain.{name}"), format!("{e}")))?;
            Ok((domain, origin))
        });
        let trust_domains: BTreeMap<_, _> = trust_domains.collect::<Result<_, _>>()?;
        let interval = duration("heartbeat.interval", file.heartbeat.interval, "5s")?;
        let limit = duration("heartbeat.limit", file.heartbeat.limit, "15s")?;
        if limit < interval * 2 {
            let message = "must be at least twice the interval, or one late beat ends every job";
            return Err(invalid("heartbeat.limit", message));
        }
        let keys_max_age = duration("keys.max_age", file.keys.max_age, "1h")?;
        let keys_signing_period = duration("keys.signing_period", file.keys.signing_period, "90d")?;
        if keys_signing_period < keys_max_age * 4 {
            let message = "must be at least four times `keys.max_age`, or keys change faster than verifiers \
                           learn of them";
            return Err(invalid("keys.signing_period", message));
        }
        let store = at(file.store.path);
        let beside_store = |name: &str| store.with_file_name(name);
        let audit = file.audit;
        if file.sealing_key.is_empty() {
            return Err(invalid(
                "sealing_key",
                "name at least one: `[[sealing_key]]`",
            ));
        }
        let sealing_keys = file
            .sealing_key
            .into_iter()
            .map(|key| (key.id, at(key.file)));
        Ok(Self {
            issuer: issuer(file.issuer)?,
            spiffe_id: file
                .spiffe_id
                .parse()
                .map_err(|e| invalid("spiffe_id", format!("{e}")))?,
            svid: file.identity.check(&file.spiffe_id, base)?,
            trust_domains,
            policy: at(file.policy),
            installation: at(file.installation),
            audit_directory: audit
                .directory
                .map_or_else(|| beside_store("audit-log"), at),
            audit_key: audit.key_file.map_or_else(|| beside_store("audit.key"), at),
            audit_retention: audit
                .retention
                .map(|text| duration("audit.retention", Some(text), ""))
                .transpose()?,
            audit_sequence_every: match audit.sequence_every {
                Some(text) => duration("audit.sequence_every", Some(text), "")?,
                None => LOOK_EVERY,
            },
            store: store.clone(),
            retention: duration("store.retention", file.store.retention, "7d")?,
            sealing_keys: sealing_keys.collect(),
            keys_max_age,
            keys_signing_period,
            listen: listen(file.listen, base)?,
            heartbeat_interval: interval,
            heartbeat_limit: limit,
            connection_max_age: duration(
                "limits.connection_max_age",
                file.limits.connection_max_age,
                "3m",
            )?,
            calls_per_second: file
                .limits
                .calls_per_second
                .unwrap_or(DEFAULT_CALLS_PER_SECOND),
            call_burst: file.limits.call_burst.unwrap_or(DEFAULT_CALL_BURST),
        })
    }
}

/// Records are signed within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
impl IdentityTable {
    /// Of the identities of a Workload API it is the broker's own, unless a hint says otherwise.
    fn check(self, spiffe_id: &str, base: &Path) -> Result<SvidOrigin, ConfigError> {
        let by_name = self.workload_api.is_some() && self.hint.is_none();
        let fields = SvidFields {
            certificate: self.certificate,
            key: self.key,
            workload_api: self.workload_api,
            hint: self.hint,
            spiffe_id: by_name.then(|| spiffe_id.to_owned()),
        };
        let origin = fields.check(base, environment);
        origin.map_err(|e| invalid("identity", format!("{e}")))
    }
}

const DEFAULT_CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
const DEFAULT_CALL_BURST: NonZeroU32 = NonZeroU32::new(400).unwrap();

fn listen(table: ListenTable, base: &Path) -> Result<Listen, ConfigError> {
    let public = table.public;
    if public.is_some_and(|address| !address.ip().is_loopback()) && !table.public_behind_proxy {
        let message = "plain HTTP on an address that others reach; put a TLS proxy in front and say \
                       `public_behind_proxy = true`, or listen on loopback";
        return Err(invalid("listen.public", message));
    }
    let operations = table
        .operations
        .or(Some(SocketAddr::from(([127, 0, 0, 1], 9440))));
    if operations.is_some_and(|address| !address.ip().is_loopback())
        && !table.operations_from_anywhere
    {
        let message =
            "metrics for everybody; say `operations_from_anywhere = true` if that is meant";
        return Err(invalid("listen.operations", message));
    }
    let mut admin_uids = table.admin_uids;
    if admin_uids.is_empty() {
        admin_uids = vec![0, rustix::process::geteuid().as_raw()];
    }
    Ok(Listen {
        workload: table
            .workload
            .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8440))),
        public,
        operations,
        admin: base.join(
            table
                .admin
                .unwrap_or(PathBuf::from("/run/taskpass/admin.sock")),
        ),
        admin_uids,
    })
}

/// An issuer is an `https` URL without query or fragment (RFC 8414, section 2); `http` on loopback only.
fn issuer(text: String) -> Result<String, ConfigError> {
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_loopback = loopback.iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':') || rest.starts_with('/'))
    });
    let https = text
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty());
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'\\'));
    if (https || is_loopback) && plain && !text.ends_with('/') {
        return Ok(text);
    }
    let message = "an issuer is an `https` URL without query, fragment or trailing slash \
                   (`http` on loopback only)";
    Err(invalid("issuer", message))
}

/// Reads `5s`, `3m`, `2h`, `7d`; a day at most for everything but retention is nobody's business here.
fn duration(key: &str, text: Option<String>, default: &str) -> Result<Duration, ConfigError> {
    let text = text.unwrap_or_else(|| default.to_owned());
    let parsed: Option<Duration> = (|| {
        let unit = text.chars().last()?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        number
            .checked_mul(seconds)
            .filter(|seconds| (1..=3_155_760_000).contains(seconds))
    })()
    .map(Duration::from_secs);
    parsed.ok_or_else(|| {
        invalid(
            key,
            format!("`{text}` is not a duration; write for instance `30s`, `3m` or `7d`"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
issuer = "https://taskpass.acme.example"
spiffe_id = "spiffe://acme.example/taskpass/broker"
policy = "policy"
installation = "installation.toml"
[identity]
certificate = "svid.pem"
key = "svid.key"
[trust_domain."acme.example"]
bundle = "acme.pem"
[store]
path = "/var/lib/taskpass/taskpass.db"
[[sealing_key]]
id = "2026"
file = "seal.key"
"#;

    fn parse(text: &str) -> Result<BrokerConfig, String> {
        BrokerConfig::parse(text, Path::new("/etc/taskpass")).map_err(|error| error.to_string())
    }

    #[test]
    fn takes_paths_relative_to_the_file_and_defaults_of_the_contract() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.policy, Path::new("/etc/taskpass/policy"));
        assert_eq!(config.store, Path::new("/var/lib/taskpass/taskpass.db"));
        assert_eq!(config.heartbeat_interval, Duration::from_secs(5));
        assert_eq!(config.heartbeat_limit, Duration::from_secs(15));
        assert_eq!(config.retention, Duration::from_secs(7 * 86_400));
        let state = Path::new("/var/lib/taskpass");
        assert_eq!(config.audit_directory, state.join("audit-log"));
        assert_eq!(config.audit_key, state.join("audit.key"));
        assert_eq!(config.audit_retention, None);
        assert_eq!(config.listen.workload.port(), 8440);
        assert_eq!(
            config.listen.operations.unwrap().to_string(),
            "127.0.0.1:9440"
        );
    }

    #[test]
    fn names_the_key_and_what_to_write_instead() {
        let table = [
            (
                "issuer = \"https://taskpass.acme.example\"",
                "issuer = \"http://acme.example\"",
                "`issuer`",
            ),
            (
                "issuer = \"https://taskpass.acme.example\"",
                "issuer = \"https://a/?x\"",
                "`issuer`",
            ),
            (
                "issuer = \"https://taskpass.acme.example\"",
                "issuer = \"http://localhost.evil\"",
                "`issuer`",
            ),
            (
                "spiffe://acme.example/taskpass/broker",
                "spiffe://ACME/x",
                "`spiffe_id`",
            ),
            ("key = \"svid.key\"", "", "`identity`"),
            (
                "key = \"svid.key\"",
                "key = \"svid.key\"\nworkload_api = \"unix:///a\"",
                "`certificate` and `key`, or `workload_api`",
            ),
            (
                "bundle = \"acme.pem\"",
                "workload_api = \"/run/agent.sock\"",
                "unix:///run/spire/agent.sock",
            ),
            (
                "[store]",
                "[store]\nretention = \"7 days\"",
                "`store.retention`",
            ),
            (
                "[store]",
                "[audit]\nretention = \"soon\"\n[store]",
                "`audit.retention`",
            ),
            (
                "[store]",
                "[store]\nretension = \"7d\"",
                "unknown field `retension`",
            ),
            (
                "[store]",
                "[heartbeat]\nlimit = \"6s\"\n[store]",
                "`heartbeat.limit`",
            ),
            (
                "[store]",
                "[listen]\npublic = \"0.0.0.0:8443\"\n[store]",
                "public_behind_proxy",
            ),
            (
                "[store]",
                "[listen]\noperations = \"0.0.0.0:9440\"\n[store]",
                "operations_from_anywhere",
            ),
            (
                "\"acme.example\"]",
                "\"Acme.example\"]",
                "`trust_domain.Acme.example`",
            ),
            (
                "[[sealing_key]]\nid = \"2026\"\nfile = \"seal.key\"",
                "",
                "missing field `sealing_key`",
            ),
        ];
        for (from, to, named) in table {
            assert!(GOOD.contains(from), "{from}");
            let error = parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(named), "{to}: {error}");
        }
    }
}
