//! What the demo tells: a transcript for people, plain where there is no terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anstyle::{AnsiColor, Style};

const HEADING: Style = Style::new().bold();
const COMMAND: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// Writes the transcript to standard output.
pub(super) struct Transcript {
    coloured: bool,
    scenes: u32,
    began: Instant,
}

impl Transcript {
    #[allow(
        clippy::disallowed_methods,
        reason = "the demo tells how long it really took"
    )]
    pub(super) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let coloured = io::stdout().is_terminal() && !plain;
        Self {
            coloured,
            scenes: 0,
            began: Instant::now(),
        }
    }

    pub(super) fn title(&self, text: &str) {
        self.line(HEADING, "", text);
    }

    pub(super) fn scene(&mut self, text: &str) {
        self.scenes += 1;
        self.line(HEADING, "\n", &format!("{}. {text}", self.scenes));
    }

    pub(super) fn command(&self, text: &str) {
        self.line(COMMAND, "   $ ", text);
    }

    pub(super) fn happened(&self, text: &str) {
        self.line(GOOD, "   ✓ ", text);
    }

    pub(super) fn note(&self, text: &str) {
        self.line(QUIET, "   ", text);
    }

    pub(super) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.line(QUIET, "     | ", line);
        }
    }

    pub(super) fn end(&self) {
        let seconds = self.began.elapsed().as_secs_f32();
        self.line(
            HEADING,
            "\n",
            &format!("Everything above happened for real, in {seconds:.1} s."),
        );
    }

    pub(super) fn failed(&self, error: &dyn Display) {
        self.line(BAD, "   ✗ ", &format!("{error}"));
        self.line(
            BAD,
            "\n",
            "The demo failed. `--verbose` shows what its processes log.",
        );
    }

    /// A closed pipe is the reader's choice and no error of the demo's.
    fn line(&self, style: Style, before: &str, text: &str) {
        let mut out = io::stdout().lock();
        let written = if self.coloured {
            writeln!(out, "{before}{style}{text}{style:#}")
        } else {
            writeln!(out, "{before}{text}")
        };
        let _ = written.and_then(|()| out.flush());
    }
}
