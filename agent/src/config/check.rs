//! What is wrong with the files that a configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::DefaultTimeProvider;
use taskpass_identity::source::origin::{Ground, open_bundles};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::AgentConfig;
use crate::callers::peer;

/// How long a look waits for a Workload API.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads everything that the configuration names, and says what is wrong with it, one sentence each,
/// with what to do about it. Nothing is written, and the broker is not asked; a Workload API is.
pub async fn check(config: &AgentConfig) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = config.mapping() {
        problems.push(error.to_string());
    }
    if let Err(error) = peer::check_kernel() {
        problems.push(error.to_string());
    }
    let mut tasks = JoinSet::new();
    let mut ground = Ground {
        time: Arc::new(DefaultTimeProvider),
        patience: PATIENCE,
        tasks: &mut tasks,
        stop: CancellationToken::new(),
    };
    if let Err(error) = open_bundles(&config.bundle_origins(), &mut ground).await {
        problems.push(error.to_string());
    }
    problems.extend(check_svids(config, &mut ground).await);
    problems
}

async fn check_svids(config: &AgentConfig, ground: &mut Ground<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeMap::new();
    for (number, identity) in (1..).zip(&config.identities) {
        match identity.svid.open(ground).await {
            Err(error) => problems.push(format!("identity {number}: {error}")),
            Ok(svids) => {
                let id = svids.current().id().clone();
                if let Some(first) = seen.insert(id.clone(), number) {
                    problems.push(format!(
                        "identities {first} and {number} are both `{id}`; join them into one `[[identity]]`"
                    ));
                }
            }
        }
    }
    problems
}
