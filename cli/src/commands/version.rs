//! `taskpass version`: which version, and what it was built with.

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::{Page, View};

const EXAMPLES: &str = "\
Examples:
  taskpass version
  taskpass version --output json";

/// The command line of `version`.
#[derive(Debug, Args)]
#[command(about = "Prints the version", after_long_help = format!("{EXAMPLES}\n\n{}", exit::CODES))]
pub(crate) struct Arguments {}

/// Performs the command.
pub(crate) fn perform(_: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let parts = [
        ("broker", cfg!(feature = "broker")),
        ("agent", cfg!(feature = "agent")),
    ];
    context.output.show(&Version {
        version: env!("CARGO_PKG_VERSION"),
        parts: parts
            .into_iter()
            .filter_map(|(name, built)| built.then_some(name))
            .collect(),
    })?;
    Ok(Exit::Fine)
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    parts: Vec<&'static str>,
}

impl View for Version {
    fn text(&self, page: &mut Page) {
        let parts = if self.parts.is_empty() {
            "client commands only".to_owned()
        } else {
            format!("with {}", self.parts.join(" and "))
        };
        page.line(&format!("taskpass {} ({parts})", self.version));
    }
}
