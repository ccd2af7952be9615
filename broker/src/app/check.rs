//! Looks at everything that a configuration names, and changes nothing: `taskpass broker --check-config`.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::own_identity::OwnIdentity;
use crate::config::{BrokerConfig, audit_key, policy_files, sealing_keys};
use crate::domain::policy::{Installation, Policy};

/// How long a look waits for a Workload API.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is wrong with a configuration, each finding a line or more for people. Empty when it is good.
pub async fn check(config: &BrokerConfig) -> Vec<String> {
    [
        identity(config).await,
        sealing(config),
        store(config),
        audit(config),
        policy(config),
    ]
    .concat()
}

/// Asks a Workload API as well, and waits a moment for its answer.
async fn identity(config: &BrokerConfig) -> Vec<String> {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let opened = OwnIdentity::within(PATIENCE, config, &mut tasks, &stop).await;
    opened
        .map(drop)
        .map_err(|e| e.to_string())
        .err()
        .into_iter()
        .collect()
}

fn sealing(config: &BrokerConfig) -> Vec<String> {
    let keys = config.sealing_keys.iter();
    keys.filter_map(|(id, path)| sealing_keys::read(id, path).err())
        .map(|error| error.to_string())
        .collect()
}

fn store(config: &BrokerConfig) -> Vec<String> {
    let parent = config.store.parent().filter(|parent| !parent.is_dir());
    parent
        .map(|parent| {
            format!(
                "`store.path`: there is no directory `{}`; make it",
                parent.display()
            )
        })
        .into_iter()
        .collect()
}

/// A key that is not there yet is made at the first start.
fn audit(config: &BrokerConfig) -> Vec<String> {
    let found = config.audit_key.exists();
    let read = found.then(|| audit_key::read(&config.audit_key).err());
    let error = read.flatten().map(|error| error.to_string());
    error.into_iter().collect()
}

fn policy(config: &BrokerConfig) -> Vec<String> {
    let shown = |errors: Vec<crate::domain::policy::Diagnostic>| {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let installation = policy_files::read_one(&config.installation);
    let files = policy_files::read(&config.policy);
    let (installation, files) = match (installation, files) {
        (Ok(installation), Ok(files)) => (Installation::parse(&installation), files),
        (installation, files) => {
            let errors = installation.err().into_iter().chain(files.err());
            return errors.map(|error| error.to_string()).collect();
        }
    };
    match installation {
        Ok(installation) => Policy::compile(&files, &installation)
            .map(drop)
            .map_err(shown)
            .err(),
        Err(errors) => Some(shown(errors)),
    }
    .unwrap_or_default()
}
