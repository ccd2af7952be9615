//! What the tests of the whole product stand on: real processes, real TLS, real files.
//!
//! - [`installation`]: a broker in a folder of its own, with its certificate authority
//! - [`client`]: a workload that calls the broker directly
//! - [`fault`]: system calls of a broker that fail, are slow, or kill it
//! - [`process`]: children that are killed when a test ends
//! - [`http`]: plain HTTP against loopback ports

pub(crate) mod client;
pub(crate) mod fault;
pub(crate) mod http;
pub(crate) mod installation;
pub(crate) mod local;
pub(crate) mod operator;
pub(crate) mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long anything may take before a test gives up. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is there; panics when it never is.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl FnMut() -> F,
) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// The same for what has deadlines of its own.
pub(crate) async fn eventually_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(patience, wait)
        .await
        .unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// Says that something was not tested, and why.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn skipped(what: &str, why: &str) {
    eprintln!("NOT TESTED: {what}: {why}");
}

/// The Python with the packages of `tests/requirements.txt`, which `./check --setup` installs.
#[allow(
    clippy::disallowed_methods,
    reason = "`./check` says which Python has the packages"
)]
pub(crate) fn python() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/bin/python");
    let named = std::env::var_os("TASKPASS_TEST_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or(installed);
    assert!(
        python.exists(),
        "no {}: type ./check --setup",
        python.display()
    );
    python
}

/// The client of the official SPIFFE library for Go.
pub(crate) fn go_client() -> PathBuf {
    tool("workload-api-client")
}

/// A program that `./check --setup` builds.
pub(crate) fn tool(name: &str) -> PathBuf {
    let tools = python().ancestors().nth(3).unwrap().to_owned();
    let built = tools.join("bin").join(name);
    assert!(
        built.exists(),
        "no {}: type ./check --setup",
        built.display()
    );
    built
}
