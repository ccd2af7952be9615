//! What is asked of a policy.

use std::collections::BTreeMap;
use std::time::Duration;

use taskpass_identity::SpiffeId;

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
}

/// A credential that is asked for, perhaps narrower than it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in policy.
    pub name: String,
    /// The scopes; none means all that are granted.
    pub scopes: Vec<String>,
    /// The lifetime; none, or a longer one, means the granted one.
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
