//! `taskpass policy schema`: JSON Schema for editors.

use clap::{Args, ValueEnum};
use taskpass_broker::domain::policy::tools::schema::{Kind, schema};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy schema > policy.schema.json
  taskpass policy schema test > test.schema.json

An editor with a TOML language server (Taplo, Even Better TOML) completes and checks a file whose
first line names its schema:
  #:schema ./policy.schema.json";

/// The command line of `policy schema`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which files the schema is for
    #[arg(value_name = "KIND", value_enum, default_value_t)]
    kind: Files,
}

/// Which files a schema is for.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Files {
    /// Policy files
    #[default]
    Policy,
    /// The installation file
    Installation,
    /// Tests beside a policy
    Test,
}

/// Performs the command.
pub(super) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let kind = match arguments.kind {
        Files::Policy => Kind::Policy,
        Files::Installation => Kind::Installation,
        Files::Test => Kind::Test,
    };
    let mut text = serde_json::to_string_pretty(&schema(kind)).unwrap_or_default();
    text.push('\n');
    context.output.write(&text)?;
    Ok(Exit::Fine)
}
