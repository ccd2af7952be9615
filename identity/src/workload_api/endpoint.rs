//! Where a Workload API is served.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The variable that says where the Workload API is, for programs that nobody told otherwise.
const VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";
/// What a configuration says where it means that variable.
const FROM_VARIABLE: &str = "$SPIFFE_ENDPOINT_SOCKET";
/// Linux takes no longer path for a socket.
const MAX_PATH: usize = 107;

/// Where a Workload API is served
/// ([SPIFFE Workload Endpoint](https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md#4-locating-the-endpoint)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port without TLS: of this machine, or of a network that says who is who.
    Tcp(SocketAddr),
}

/// Why a text names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// Another scheme, or something else than a path or an address behind it.
    #[error(
        "`{0}` names no Workload API; write `unix:///run/spire/agent.sock`, `tcp://127.0.0.1:8000`, \
         or `$SPIFFE_ENDPOINT_SOCKET` to take it from the environment"
    )]
    Form(String),
    /// The configuration points to the environment, which does not say.
    #[error(
        "the environment variable `SPIFFE_ENDPOINT_SOCKET` is not set; set it, or name the socket itself"
    )]
    NotInEnvironment,
    /// Too long for a Unix socket.
    #[error("the path of a Unix socket has at most 107 bytes, and `{0}` has more")]
    TooLong(String),
}

impl Endpoint {
    /// Reads `unix:///path` or `tcp://ip:port`, nothing more and nothing less.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let form = || InvalidEndpoint::Form(text.to_owned());
        if let Some(path) = text.strip_prefix("unix://") {
            let whole = path.starts_with('/') && path.len() > 1;
            if !whole || path.contains(['?', '#', '%', '\0']) {
                return Err(form());
            }
            if path.len() > MAX_PATH {
                return Err(InvalidEndpoint::TooLong(path.to_owned()));
            }
            return Ok(Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tcp://").ok_or_else(form)?;
        let address: SocketAddr = address.parse().map_err(|_| form())?;
        match address.port() {
            0 => Err(form()),
            _ => Ok(Self::Tcp(address)),
        }
    }

    /// Reads what a configuration says: an endpoint, or `$SPIFFE_ENDPOINT_SOCKET` for what the
    /// environment says. The environment is asked only then.
    pub fn configured(
        text: &str,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, InvalidEndpoint> {
        if text != FROM_VARIABLE {
            return Self::parse(text);
        }
        match variable(VARIABLE) {
            Some(value) if !value.is_empty() => Self::parse(&value),
            Some(_) | None => Err(InvalidEndpoint::NotInEnvironment),
        }
    }

    /// The path of a Unix socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_what_the_specification_allows_and_nothing_else() {
        let good = [
            "unix:///run/spire/agent.sock",
            "unix:///a",
            "tcp://127.0.0.1:8000",
            "tcp://[::1]:8000",
        ];
        for text in good {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        let long = format!("unix:///{}", "a".repeat(107));
        let bad = [
            "",
            "/run/spire/agent.sock",
            "unix:/run/spire/agent.sock",
            "unix:run/agent.sock",
            "unix://",
            "unix:///",
            "unix://host/agent.sock",
            "unix:///a?b",
            "unix:///a#b",
            "UNIX:///a",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:0",
            "tcp://localhost:8000",
            "tcp://127.0.0.1:8000/foo",
            "tcp://u@127.0.0.1:8000",
            "https://127.0.0.1:8000",
            &long,
        ];
        for text in bad {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_counts_only_where_the_operator_says_so() {
        let from = |text, value: Option<&str>| {
            Endpoint::configured(text, |name| {
                assert_eq!(name, "SPIFFE_ENDPOINT_SOCKET");
                value.map(str::to_owned)
            })
        };
        let socket = Endpoint::Unix("/a".into());
        assert_eq!(from(FROM_VARIABLE, Some("unix:///a")), Ok(socket.clone()));
        assert_eq!(from("unix:///a", Some("unix:///b")), Ok(socket));
        for unset in [None, Some("")] {
            let error = from(FROM_VARIABLE, unset);
            assert_eq!(error, Err(InvalidEndpoint::NotInEnvironment));
        }
        assert!(from("", Some("unix:///a")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_shows_what_it_read(text in "(unix|tcp)://[a-z0-9/.:\\[\\]?#%-]{0,30}") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                prop_assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
            }
        }
    }
}
