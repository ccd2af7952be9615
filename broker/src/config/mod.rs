//! The only reader of files and environment.
//!
//! - [`broker`]: the file `broker.toml`
//! - [`sealing_keys`], [`audit_key`]: the key files that it names
//! - [`policy_files`]: the policy directory

pub mod audit_key;
pub mod broker;
mod key_file;
pub mod policy_files;
pub mod sealing_keys;

pub use broker::BrokerConfig;

use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of another kind; the message has line, column and text.
    #[error("`{}`: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A value that cannot be.
    #[error("`{key}`: {message}")]
    Invalid {
        /// Its place in the file.
        key: String,
        /// What is wrong and what to write instead.
        message: String,
    },
}

/// A value that cannot be.
pub(crate) fn invalid(key: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        key: key.into(),
        message: message.into(),
    }
}

/// A variable of the environment, where a configuration points to it.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the broker reads its environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
