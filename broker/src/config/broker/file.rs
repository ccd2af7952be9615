//! The file as it is written: tables and keys, unknown ones refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) issuer: String,
    pub(super) spiffe_id: String,
    pub(super) policy: PathBuf,
    pub(super) installation: PathBuf,
    pub(super) identity: IdentityTable,
    pub(super) trust_domain: BTreeMap<String, TrustDomainTable>,
    pub(super) store: StoreTable,
    pub(super) sealing_key: Vec<SealingKeyTable>,
    #[serde(default)]
    pub(super) audit: AuditTable,
    #[serde(default)]
    pub(super) keys: KeysTable,
    #[serde(default)]
    pub(super) listen: ListenTable,
    #[serde(default)]
    pub(super) heartbeat: HeartbeatTable,
    #[serde(default)]
    pub(super) limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityTable {
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) workload_api: Option<String>,
    pub(super) hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustDomainTable {
    pub(super) bundle: Option<PathBuf>,
    pub(super) workload_api: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreTable {
    pub(super) path: PathBuf,
    pub(super) retention: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditTable {
    pub(super) directory: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) retention: Option<String>,
    pub(super) sequence_every: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealingKeyTable {
    pub(super) id: String,
    pub(super) file: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KeysTable {
    pub(super) max_age: Option<String>,
    pub(super) signing_period: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenTable {
    pub(super) workload: Option<SocketAddr>,
    pub(super) public: Option<SocketAddr>,
    pub(super) public_behind_proxy: bool,
    pub(super) operations: Option<SocketAddr>,
    pub(super) operations_from_anywhere: bool,
    pub(super) admin: Option<PathBuf>,
    pub(super) admin_uids: Vec<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HeartbeatTable {
    pub(super) interval: Option<String>,
    pub(super) limit: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsTable {
    pub(super) connection_max_age: Option<String>,
    pub(super) calls_per_second: Option<NonZeroU32>,
    pub(super) call_burst: Option<NonZeroU32>,
}
