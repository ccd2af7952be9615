//! What a command writes: tables for people, one JSON document for programs.
//!
//! - [`Output`]: the format, the colours, and the only writer of standard output and standard error
//! - [`page`]: text for people
//! - [`moment`]: times for people
//! - [`mod@printable`]: text of others, made safe for a terminal

pub(crate) mod moment;
pub(crate) mod page;
mod printable;

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

pub(crate) use page::Page;
pub(crate) use printable::printable;

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// People.
    #[default]
    Table,
    /// Programs: one JSON document; errors too, on standard error.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Something that a command shows: itself as JSON, or as text for people.
pub(crate) trait View: Serialize {
    /// Writes it for people.
    fn text(&self, page: &mut Page);
}

/// Where and how a command writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    colour: Colour,
    now: Timestamp,
}

impl Output {
    /// An output that takes `now` for the present time.
    pub(crate) fn new(format: Format, colour: Colour, now: Timestamp) -> Self {
        Self {
            format,
            colour,
            now,
        }
    }

    /// The present time.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Shows a command's result.
    pub(crate) fn show(&self, view: &impl View) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                let mut page = Page::new(self.now);
                view.text(&mut page);
                self.write(page.as_str())
            }
            Format::Json => self.write(&json(view)),
        }
    }

    /// Writes text to standard output as it is.
    ///
    /// A reader that has gone (`| head -1`) has seen enough: that is no error.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = AutoStream::new(io::stdout(), self.choice());
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Tells a person what is going on, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.tell(&format!("taskpass: {text}\n"));
    }

    /// Warns a person, on standard error.
    pub(crate) fn warn(&self, text: &str) {
        self.tell(&format!(
            "taskpass: {}warning:{} {text}\n",
            page::WARNING,
            page::WARNING.render_reset()
        ));
    }

    /// Reports a failure on standard error, as JSON where JSON was asked for.
    pub(crate) fn fail(&self, failure: &Failure) {
        match self.format {
            Format::Table => {
                self.tell(&format!(
                    "{}error:{} {failure}\n",
                    page::ERROR,
                    page::ERROR.render_reset()
                ));
            }
            Format::Json => self.tell(&json(&failure.document())),
        }
    }

    /// Writes to standard error; nobody is left to tell when that fails.
    pub(crate) fn tell(&self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr(), self.choice());
        let _ = stderr.write_all(text.as_bytes());
    }

    fn choice(&self) -> ColorChoice {
        match self.colour {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        }
    }
}

fn json(value: &impl Serialize) -> String {
    // Our own views have string keys and finite numbers only, so this does not fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    text.push('\n');
    text
}
