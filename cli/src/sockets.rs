//! Where the sockets of the agent and of the broker's administration are, and what to say when they are not.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::Failure;

/// Which of the two local sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The agent's local interface.
    Agent,
    /// The broker's administration.
    Admin,
}

/// A socket's path, and whether somebody named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Which socket it is.
    pub(crate) kind: Kind,
    /// Where to connect.
    pub(crate) path: PathBuf,
    /// Named by flag or environment, and not only one of the usual places.
    pub(crate) named: bool,
}

impl Socket {
    /// Takes the path that was named, else the first of the usual places that exists, else the last.
    pub(crate) fn resolve(
        kind: Kind,
        named: Option<PathBuf>,
        environment: &Environment,
        exists: impl Fn(&Path) -> bool,
    ) -> Self {
        if let Some(path) = named {
            return Self {
                kind,
                path,
                named: true,
            };
        }
        let system = Path::new("/run/taskpass").join(kind.file_name());
        let session = environment
            .directory("XDG_RUNTIME_DIR")
            .map(|directory| directory.join("taskpass").join(kind.file_name()));
        let path = session.filter(|path| exists(path)).unwrap_or(system);
        Self {
            kind,
            path,
            named: false,
        }
    }

    /// Its absolute path, where somebody named it.
    pub(crate) fn named_path(&self) -> Option<PathBuf> {
        let path = Some(&self.path).filter(|_| self.named)?;
        std::path::absolute(path).ok()
    }

    /// What to tell somebody whom something else answers there.
    pub(crate) fn not_understood(&self) -> Failure {
        let (kind, other) = (self.kind, self.kind.other());
        self.unreached()
            .why(format!("what listens there does not answer as {kind} does"))
            .remedy(format!(
                "{} names the socket of {kind}, {} that of {other}",
                kind.flag(),
                other.flag()
            ))
    }

    fn unreached(&self) -> Failure {
        let (kind, path) = (self.kind, self.path.display());
        Failure::new(format!("cannot reach {kind} at `{path}`"))
    }

    /// Whether it is a socket, or cannot be looked at.
    fn is_socket(&self) -> bool {
        let found = fs::metadata(&self.path);
        found.map_or(true, |found| found.file_type().is_socket())
    }

    /// What to tell somebody who could not connect.
    pub(crate) fn unreachable(&self, error: &io::Error) -> Failure {
        let kind = self.kind;
        let failure = self.unreached();
        match error.kind() {
            io::ErrorKind::NotFound => failure.why("there is no such socket").remedy(format!(
                "start it with `{}`, or name its socket with {} or {}",
                kind.start(),
                kind.flag(),
                kind.variable(),
            )),
            // connect(2) says the same of a file that is no socket.
            io::ErrorKind::ConnectionRefused if !self.is_socket() => failure
                .why("it is no socket")
                .remedy(format!("name the socket of {kind} with {}", kind.flag())),
            io::ErrorKind::PermissionDenied => failure
                .why("you may not connect to this socket")
                .remedy(kind.permission()),
            io::ErrorKind::ConnectionRefused => failure
                .why("the socket is there and nobody listens on it: its process has ended")
                .remedy(format!(
                    "start it again with `{}`, and look into its log",
                    kind.start()
                )),
            _ => failure.why(error).remedy(format!(
                "check that {} names a socket of {kind}",
                kind.flag()
            )),
        }
    }
}

impl Kind {
    fn variable(self) -> &'static str {
        match self {
            Self::Agent => "TASKPASS_AGENT_SOCKET",
            Self::Admin => "TASKPASS_ADMIN_SOCKET",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Agent => "agent.sock",
            Self::Admin => "admin.sock",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Agent => Self::Admin,
            Self::Admin => Self::Agent,
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Agent => "--agent-socket",
            Self::Admin => "--admin-socket",
        }
    }

    fn start(self) -> &'static str {
        match self {
            Self::Agent => "taskpass agent",
            Self::Admin => "taskpass broker",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Self::Agent => "ask whoever runs the agent to let your user or group use its socket",
            Self::Admin => {
                "run it as the broker's user, or ask for your uid in `listen.admin_uids` of broker.toml"
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "the agent",
            Self::Admin => "the broker's administration",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "/run/user/7/taskpass/agent.sock";

    #[test]
    fn a_socket_is_looked_for_in_the_documented_order() {
        let with: Environment = [("XDG_RUNTIME_DIR", "/run/user/7")].into_iter().collect();
        let without = Environment::default();
        let table = [
            (Some("/named"), &with, true, "/named", true),
            (Some("/named"), &without, false, "/named", true),
            (None, &with, true, SESSION, false),
            (None, &with, false, "/run/taskpass/agent.sock", false),
            (None, &without, true, "/run/taskpass/agent.sock", false),
        ];
        for (flag, environment, there, path, named) in table {
            let socket =
                Socket::resolve(Kind::Agent, flag.map(PathBuf::from), environment, |_| there);
            assert_eq!(
                (socket.path.to_str(), socket.named),
                (Some(path), named),
                "{flag:?} {there}"
            );
        }
        let admin = Socket::resolve(Kind::Admin, None, &without, |_| false);
        assert_eq!(admin.path, Path::new("/run/taskpass/admin.sock"));
    }

    #[test]
    fn a_socket_that_cannot_be_reached_says_why_and_what_to_try() {
        let socket = Socket::resolve(Kind::Agent, None, &Environment::default(), |_| false);
        let say = |kind: io::ErrorKind| socket.unreachable(&kind.into()).to_string();
        insta::assert_snapshot!(say(io::ErrorKind::NotFound), @r"
        cannot reach the agent at `/run/taskpass/agent.sock`
          why: there is no such socket
          try: start it with `taskpass agent`, or name its socket with --agent-socket or TASKPASS_AGENT_SOCKET
        ");
        insta::assert_snapshot!(say(io::ErrorKind::PermissionDenied), @r"
        cannot reach the agent at `/run/taskpass/agent.sock`
          why: you may not connect to this socket
          try: ask whoever runs the agent to let your user or group use its socket
        ");
        insta::assert_snapshot!(say(io::ErrorKind::ConnectionRefused), @r"
        cannot reach the agent at `/run/taskpass/agent.sock`
          why: the socket is there and nobody listens on it: its process has ended
          try: start it again with `taskpass agent`, and look into its log
        ");
        let file = tempfile::NamedTempFile::new().unwrap();
        let named = Some(file.path().to_owned());
        let socket = Socket::resolve(Kind::Admin, named, &Environment::default(), |_| true);
        let said = socket.unreachable(&io::ErrorKind::ConnectionRefused.into());
        assert!(said.to_string().contains("it is no socket"), "{said}");
        insta::assert_snapshot!(said.advice().unwrap(), @"name the socket of the broker's administration with --admin-socket");
    }
}
