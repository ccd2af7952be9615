//! `broker.toml`.
//!
//! - `file`: as it is written
//! - [`listen`], `values`: what the parts of it have to be

mod file;
mod listen;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use taskpass_identity::source::origin::{BundleOrigin, SvidFields, SvidOrigin};
use taskpass_identity::{SpiffeId, TrustDomain};

use self::file::{File, IdentityTable, SealingKeyTable, TrustDomainTable};
pub use self::listen::Listen;
use self::values::{duration, issuer};
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
        Ok(Self {
            issuer: issuer(file.issuer)?,
            spiffe_id: file
                .spiffe_id
                .parse()
                .map_err(|e| invalid("spiffe_id", format!("{e}")))?,
            svid: svid(file.identity, &file.spiffe_id, base)?,
            trust_domains: trust_domains(file.trust_domain, base)?,
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
            sealing_keys: sealing_keys(file.sealing_key, base)?,
            keys_max_age,
            keys_signing_period,
            listen: Listen::check(file.listen, base)?,
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
const DEFAULT_CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
const DEFAULT_CALL_BURST: NonZeroU32 = NonZeroU32::new(400).unwrap();

/// Of the identities of a Workload API it is the broker's own, unless a hint says otherwise.
fn svid(table: IdentityTable, spiffe_id: &str, base: &Path) -> Result<SvidOrigin, ConfigError> {
    let by_name = table.workload_api.is_some() && table.hint.is_none();
    let fields = SvidFields {
        certificate: table.certificate,
        key: table.key,
        workload_api: table.workload_api,
        hint: table.hint,
        spiffe_id: by_name.then(|| spiffe_id.to_owned()),
    };
    let origin = fields.check(base, environment);
    origin.map_err(|e| invalid("identity", format!("{e}")))
}

fn trust_domains(
    tables: BTreeMap<String, TrustDomainTable>,
    base: &Path,
) -> Result<BTreeMap<TrustDomain, BundleOrigin>, ConfigError> {
    let check = |(name, table): (String, TrustDomainTable)| {
        let wrong = |message: String| invalid(format!("trust_domain.{name}"), message);
        let domain = name.parse().map_err(|e| wrong(format!("{e}")))?;
        let endpoint = table.workload_api.as_deref();
        let origin = BundleOrigin::check(table.bundle, endpoint, base, environment);
        Ok((domain, origin.map_err(|e| wrong(format!("{e}")))?))
    };
    tables.into_iter().map(check).collect()
}

fn sealing_keys(
    tables: Vec<SealingKeyTable>,
    base: &Path,
) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    if tables.is_empty() {
        let message = "name at least one: `[[sealing_key]]`";
        return Err(invalid("sealing_key", message));
    }
    let mut ids = BTreeSet::new();
    if let Some(again) = tables.iter().find(|key| !ids.insert(&key.id)) {
        let message = format!(
            "two keys are called `{}`; a new key needs an id of its own",
            again.id
        );
        return Err(invalid("sealing_key.id", message));
    }
    let at = |key: SealingKeyTable| (key.id, base.join(key.file));
    Ok(tables.into_iter().map(at).collect())
}
