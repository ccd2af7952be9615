//! What is asked of a policy.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use taskpass_identity::SpiffeId;

use super::circumstances::Circumstances;

/// A workload wants to do a task.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The workload: the TLS peer.
    pub subject: &'a SpiffeId,
    /// The task, as asked for: it need not exist.
    pub task: &'a str,
    /// The parameters, as given.
    pub parameters: &'a BTreeMap<String, String>,
    /// The credentials asked for; none means all that are granted.
    pub wanted: &'a [Wanted],
    /// What conditions look at besides.
    pub circumstances: &'a Circumstances,
}

/// A credential that is asked for, perhaps narrower than it is granted.
///
/// Serialised, it is what the audit log keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name in policy.
    pub name: String,
    /// The scopes; none means all that are granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The lifetime; none, or a longer one, means the granted one.
    #[serde(
        default,
        rename = "lifetime_ms",
        with = "millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub lifetime: Option<Duration>,
}

impl Wanted {
    /// The whole credential, as it is granted.
    pub fn whole(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: Vec::new(),
            lifetime: None,
        }
    }
}

/// A lifetime in milliseconds.
mod millis {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(
        lifetime: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let millis = |lifetime: Duration| u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        lifetime.map(millis).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let millis = Option::<u64>::deserialize(deserializer)?;
        Ok(millis.map(Duration::from_millis))
    }
}
