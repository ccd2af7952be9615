//! What is wrong with the files that a configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use taskpass_identity::source::SvidSource;
use taskpass_identity::source::files::{self, SvidPaths};

use super::AgentConfig;
use crate::callers::peer;

/// Reads everything that the configuration names, and says what is wrong with it, one sentence each,
/// with what to do about it. Nothing is written, and the broker is not asked.
pub fn check(config: &AgentConfig) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = config.mapping() {
        problems.push(error.to_string());
    }
    if let Err(error) = peer::check_kernel() {
        problems.push(error.to_string());
    }
    let trust_domain = config.broker.spiffe_id.trust_domain().clone();
    let bundle = BTreeMap::from([(trust_domain, config.broker.bundle.clone())]);
    if let Err(error) = files::bundles(bundle) {
        problems.push(error.to_string());
    }
    problems.extend(check_svids(config));
    problems
}

fn check_svids(config: &AgentConfig) -> Vec<String> {
    let time: Arc<dyn TimeProvider> = Arc::new(DefaultTimeProvider);
    let mut problems = Vec::new();
    let mut seen = BTreeMap::new();
    for (number, identity) in (1..).zip(&config.identities) {
        let paths = SvidPaths {
            certificate: identity.certificate.clone(),
            private_key: identity.key.clone(),
        };
        match files::svid(paths, Arc::clone(&time)) {
            Err(error) => problems.push(format!("identity {number}: {error}")),
            Ok((svid, _)) => {
                let id = svid.current().id().clone();
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
