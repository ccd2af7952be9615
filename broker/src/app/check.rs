//! Looks at everything that a configuration names, and changes nothing: `taskpass broker --check-config`.

use std::sync::Arc;

use rustls::time_provider::DefaultTimeProvider;
use taskpass_identity::SvidSource;
use taskpass_identity::source::files::{self, SvidPaths};

use crate::config::{BrokerConfig, audit_key, policy_files, sealing_keys};
use crate::domain::policy::{Installation, Policy};

/// What is wrong with a configuration, each finding a line or more for people. Empty when it is good.
pub fn check(config: &BrokerConfig) -> Vec<String> {
    [
        identity(config),
        sealing(config),
        store(config),
        audit(config),
        policy(config),
    ]
    .concat()
}

fn identity(config: &BrokerConfig) -> Vec<String> {
    let paths = SvidPaths {
        certificate: config.certificate.clone(),
        private_key: config.key.clone(),
    };
    let mut found = Vec::new();
    match files::svid(paths, Arc::new(DefaultTimeProvider)) {
        Ok((svid, _)) if *svid.current().id() != config.spiffe_id => found.push(format!(
            "`{}` is the SVID of `{}`, and `spiffe_id` says `{}`",
            config.certificate.display(),
            svid.current().id(),
            config.spiffe_id
        )),
        Ok(_) => {}
        Err(error) => found.push(error.to_string()),
    }
    if let Err(error) = files::bundles(config.trust_domains.clone()) {
        found.push(error.to_string());
    }
    found
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
    let installation = match policy_files::read_one(&config.installation) {
        Ok(file) => Installation::parse(&file),
        Err(error) => return vec![error.to_string()],
    };
    let files = match policy_files::read(&config.policy) {
        Ok(files) => files,
        Err(error) => return vec![error.to_string()],
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
