//! Which signals are passed on to the command.
//!
//! The command stays in the process group of `taskpass run`, so that job control (Ctrl-Z, `fg`, `&`) works
//! as without it. A terminal then sends Ctrl-C and Ctrl-\ to both, and passing those on would deliver
//! them twice.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The signals that are passed on. The others cannot be caught, or act on the whole group by themselves.
const PASSED_ON: [Signal; 6] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
];

/// What to do with a signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    PassOn,
    AlreadyDelivered,
}

/// The signals that arrive.
pub(super) struct Signals {
    streams: Vec<(Signal, Stream)>,
}

impl Signals {
    /// Catches the signals that are passed on from now on.
    ///
    /// One that is ignored stays ignored, for the command too: `nohup` works as without `run`.
    pub(super) fn catch() -> io::Result<Self> {
        let ignored =
            ignored_signals(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let streams = PASSED_ON
            .into_iter()
            .filter(|caught| !is_in(ignored, *caught))
            .map(|caught| {
                let stream = signal(SignalKind::from_raw(caught.as_raw()))?;
                Ok((caught, stream))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { streams })
    }

    /// The next signal. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let ready = self.streams.iter_mut().find_map(|(caught, stream)| {
                matches!(stream.poll_recv(context), Poll::Ready(Some(()))).then_some(*caught)
            });
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Passes a signal on to the command, unless the terminal has done that.
pub(super) fn pass_on(signal: Signal, command: Pid) {
    if delivery(signal, shares_the_foreground()) == Delivery::PassOn {
        send(signal, command);
    }
}

/// Sends a signal to the command.
pub(super) fn send(signal: Signal, command: Pid) {
    // It fails only when the command has just ended, which its exit status tells.
    let _ = kill_process(command, signal);
}

fn delivery(signal: Signal, shares_the_foreground: bool) -> Delivery {
    if shares_the_foreground && matches!(signal, Signal::INT | Signal::QUIT) {
        Delivery::AlreadyDelivered
    } else {
        Delivery::PassOn
    }
}

/// Whether the controlling terminal sends its signals to our process group, and so to the command.
fn shares_the_foreground() -> bool {
    File::open("/dev/tty")
        .ok()
        .and_then(|terminal| tcgetpgrp(&terminal).ok())
        .is_some_and(|foreground| foreground == getpgrp())
}

/// The set of ignored signals of a `/proc/PID/status`, bit n-1 for signal n (proc(5)).
fn ignored_signals(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(set: u64, signal: Signal) -> bool {
    let bit = u32::try_from(signal.as_raw() - 1).unwrap_or(u32::MAX);
    set.checked_shr(bit).is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_terminal_has_delivered_is_not_delivered_again() {
        let table = [
            (Signal::INT, true, Delivery::AlreadyDelivered),
            (Signal::QUIT, true, Delivery::AlreadyDelivered),
            (Signal::TERM, true, Delivery::PassOn),
            (Signal::HUP, true, Delivery::PassOn),
            (Signal::USR1, true, Delivery::PassOn),
            (Signal::INT, false, Delivery::PassOn),
            (Signal::QUIT, false, Delivery::PassOn),
        ];
        for (signal, foreground, expected) in table {
            assert_eq!(
                delivery(signal, foreground),
                expected,
                "{signal:?} {foreground}"
            );
        }
    }

    #[test]
    fn ignored_signals_are_read_from_proc() {
        let nohup =
            ignored_signals("Name:\tsh\nSigBlk:\t00000000000000ff\nSigIgn:\t0000000000000001\n");
        assert!(is_in(nohup, Signal::HUP) && !is_in(nohup, Signal::INT));
        let background = ignored_signals("SigIgn:\t0000000000001006\n");
        assert!(is_in(background, Signal::INT) && is_in(background, Signal::QUIT));
        for nonsense in ["", "SigIgn:", "SigIgn:\tzz", "SigIgn"] {
            assert_eq!(ignored_signals(nonsense), 0);
        }
    }
}
