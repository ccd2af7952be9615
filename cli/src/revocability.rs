//! What can truthfully be said of taking a credential back early. Shown wherever a lease is shown.

use std::fmt;

use serde::{Deserialize, Serialize};
use taskpass_proto::v1;
use taskpass_proto::v1::revocability::Kind;

use crate::output::moment;

/// What can be said of taking a credential back early.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Revocability {
    /// It stops working at once.
    Immediate,
    /// It stops working within this time.
    Bounded {
        /// Seconds.
        seconds: f64,
    },
    /// It works until it expires.
    ExpiryOnly,
}

impl Revocability {
    /// Reads it from the wire. Nothing said is the least that can be said.
    pub(crate) fn from_wire(wire: Option<v1::Revocability>) -> Self {
        match wire.and_then(|wire| wire.kind) {
            Some(Kind::Immediate(_)) => Self::Immediate,
            Some(Kind::Bounded(bound)) => {
                taskpass_proto::time::from_wire(&bound).map_or(Self::ExpiryOnly, |bound| {
                    Self::Bounded {
                        seconds: bound.as_secs_f64(),
                    }
                })
            }
            Some(Kind::ExpiryOnly(_)) | None => Self::ExpiryOnly,
        }
    }
}

impl fmt::Display for Revocability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate => f.write_str("at once"),
            Self::Bounded { seconds } => {
                let whole = crate::local::wire::seconds(seconds.ceil()).as_secs();
                write!(f, "within {}", moment::span(whole))
            }
            Self::ExpiryOnly => f.write_str("at expiry only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use taskpass_proto::time::to_wire;

    use super::*;

    #[test]
    fn says_no_more_than_what_is_true() {
        let wire = |kind| Some(v1::Revocability { kind });
        let table = [
            (
                wire(Some(Kind::Immediate(v1::revocability::Immediate {}))),
                "at once",
            ),
            (
                wire(Some(Kind::Bounded(to_wire(Duration::from_millis(29_500))))),
                "within 30s",
            ),
            (
                wire(Some(Kind::ExpiryOnly(v1::revocability::ExpiryOnly {}))),
                "at expiry only",
            ),
            (wire(None), "at expiry only"),
            (None, "at expiry only"),
        ];
        for (wire, text) in table {
            assert_eq!(Revocability::from_wire(wire).to_string(), text);
        }
    }

    #[test]
    fn reads_the_agents_spelling() {
        for (json, expected) in [
            (r#"{"kind":"immediate"}"#, Revocability::Immediate),
            (
                r#"{"kind":"bounded","seconds":30}"#,
                Revocability::Bounded { seconds: 30.0 },
            ),
            (r#"{"kind":"expiry-only"}"#, Revocability::ExpiryOnly),
        ] {
            assert_eq!(
                serde_json::from_str::<Revocability>(json).unwrap(),
                expected
            );
        }
    }
}
