//! Tells the service manager how this process stands, as systemd's `sd_notify(3)` describes it.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use crate::environment::Environment;

/// Whoever started this process and wants to know; nobody, where nothing was asked for.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Finds it by `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub(crate) fn of(environment: &Environment) -> Self {
        let socket = environment.variable("NOTIFY_SOCKET").map(connect);
        let socket = socket.and_then(|connected| match connected {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be reached at `$NOTIFY_SOCKET`");
                None
            }
        });
        Self {
            socket,
            watchdog: watchdog(environment, std::process::id()),
        }
    }

    /// Says something; nobody hears it where nobody asked.
    pub(crate) fn say(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::warn!(%error, "the service manager was not told `{state}`");
        }
    }

    /// How often to say `WATCHDOG=1`: twice as often as is asked for.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(Path::new(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn watchdog(environment: &Environment, pid: u32) -> Option<Duration> {
    let number = |name| environment.variable(name)?.to_str()?.parse::<u64>().ok();
    let is_ours = match environment.variable("WATCHDOG_PID") {
        Some(_) => number("WATCHDOG_PID") == Some(u64::from(pid)),
        None => true,
    };
    let every = number("WATCHDOG_USEC").filter(|every| *every >= 2 && is_ours)?;
    Some(Duration::from_micros(every / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_so_at_a_path_and_at_an_abstract_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let abstract_name = format!("taskpass-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let table = [
            (
                UnixDatagram::bind(&path).unwrap(),
                path.to_str().unwrap().to_owned(),
            ),
            (
                UnixDatagram::bind_addr(&address).unwrap(),
                format!("@{abstract_name}"),
            ),
        ];
        for (socket, name) in table {
            let environment = [("NOTIFY_SOCKET", name)].into_iter().collect();
            ServiceManager::of(&environment).say("READY=1");
            let mut heard = [0; 64];
            let length = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1");
        }
    }

    #[test]
    fn nobody_is_told_where_nobody_asks_or_answers() {
        ServiceManager::of(&Environment::default()).say("READY=1");
        let environment = [("NOTIFY_SOCKET", "/no/such/socket")].into_iter().collect();
        ServiceManager::of(&environment).say("READY=1");
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_asked_for_and_only_by_whom_it_is_asked() {
        let table = [
            ("", "", None),
            ("30000000", "", Some(15_000_000)),
            ("30000000", "7", Some(15_000_000)),
            ("30000000", "8", None),
            ("soon", "", None),
            ("0", "", None),
        ];
        for (every, pid, expected) in table {
            let variables = [("WATCHDOG_USEC", every), ("WATCHDOG_PID", pid)];
            let environment = variables.into_iter().collect();
            let found = watchdog(&environment, 7);
            assert_eq!(found, expected.map(Duration::from_micros), "{variables:?}");
        }
    }
}
