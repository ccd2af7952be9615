//! What can truthfully be said of taking a credential back early.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How soon a credential stops working once its lease has ended. Shown wherever a lease is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocability {
    /// At once, wherever it is checked.
    Immediate,
    /// Within this time.
    Bounded(Duration),
    /// Not before it expires.
    ExpiryOnly,
}
