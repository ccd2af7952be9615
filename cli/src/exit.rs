//! The exit codes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

/// What `taskpass help exit-codes` says.
pub(crate) const EXPLANATION: &str = "\
Every command:
  0    fine
  1    failed, or a negative answer (denied, not found, not confirmed in time)
  2    a wrong command line, or an input file with errors

`taskpass run` passes on the exit code of the command that it ran, and besides:
  2    a wrong command line: nothing was opened or started
  125  Taskpass itself failed, or was denied: the command was not started
  126  the command was found and could not be executed
  127  the command was not found
  128+n  a signal ended the command, or ended `taskpass run` before the command was started;
         n is the signal's number (130 for Ctrl-C, 137 for SIGKILL, 143 for SIGTERM)";

/// The line that every command's long help ends with.
pub(crate) const CODES: &str = "\
Exit codes:
  0 fine, 1 failed or a negative answer, 2 a wrong command line or input file
  More: `taskpass help exit-codes`";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Fine,
    /// It failed, or the answer is no.
    Negative,
    /// The command line or an input file is wrong.
    Usage,
    /// `run` could not do its part.
    Taskpass,
    /// The command of `run` could not be executed.
    NotExecutable,
    /// The command of `run` was not found.
    NotFound,
    /// The command of `run` ended with this code.
    Command(u8),
    /// A signal ended the command of `run`, or `run` before it.
    Signal(i32),
}

impl Exit {
    /// The code as a process reports it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Taskpass => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Command(code) => code,
            Self::Signal(number) => u8::try_from(number.saturating_add(128)).unwrap_or(u8::MAX),
        }
    }

    /// How a command that was started has ended.
    pub(crate) fn of_command(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Command(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Taskpass,
        }
    }

    /// Why a command could not be started, told apart as `env(1)` does.
    pub(crate) fn of_failed_start(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::NotExecutable,
        }
    }

    /// The same for `run`, where 1 would be the command's own.
    pub(crate) fn for_run(self) -> Self {
        match self {
            Self::Negative => Self::Taskpass,
            other => other,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_documentation() {
        let table = [
            (Exit::Fine, 0),
            (Exit::Negative, 1),
            (Exit::Usage, 2),
            (Exit::Taskpass, 125),
            (Exit::NotExecutable, 126),
            (Exit::NotFound, 127),
            (Exit::Command(7), 7),
            (Exit::Signal(2), 130),
            (Exit::Signal(9), 137),
            (Exit::Signal(15), 143),
            (Exit::Signal(i32::MAX), 255),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn a_commands_end_is_passed_on() {
        // The raw value of wait(2): the code in the second byte, the signal in the first.
        let table = [
            (0, Exit::Command(0)),
            (3 << 8, Exit::Command(3)),
            (255 << 8, Exit::Command(255)),
            (9, Exit::Signal(9)),
            (15, Exit::Signal(15)),
            (0x80 + 11, Exit::Signal(11)),
        ];
        for (raw, exit) in table {
            assert_eq!(Exit::of_command(ExitStatus::from_raw(raw)), exit, "{raw}");
        }
    }

    #[test]
    fn a_failed_start_is_told_apart_as_env_does() {
        let table = [
            (io::ErrorKind::NotFound, 127),
            (io::ErrorKind::PermissionDenied, 126),
            (io::ErrorKind::IsADirectory, 126),
            (io::ErrorKind::Other, 126),
        ];
        for (kind, code) in table {
            assert_eq!(Exit::of_failed_start(&kind.into()).code(), code, "{kind}");
        }
    }
}
