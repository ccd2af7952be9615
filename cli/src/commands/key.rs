//! `taskpass key`: the broker's signing keys.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use taskpass_proto::v1::{
    ExportKeysRequest, ListKeysRequest, RetireKeyRequest, RotateKeyRequest, export_keys_response,
};

use crate::admin::key::{Exported, Key, Keys, Retired, Rotated};
use crate::admin::{self, failed};
use crate::context::{Context, block_on};
use crate::exit::{self, Exit};
use crate::failure::Failure;

const LIST_EXAMPLES: &str = "\
Examples:
  taskpass key list
  taskpass key list --output json";

const ROTATE_EXAMPLES: &str = "\
Examples:
  taskpass key rotate --note 'yearly drill'
  taskpass key rotate --algorithm RS256 --now --note 'no verifier holds an older key set'";

const RETIRE_EXAMPLES: &str = "\
Examples:
  taskpass key retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --note 'seen in a core dump'
  taskpass key retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --now --note 'stolen'";

const EXPORT_EXAMPLES: &str = "\
Examples:
  taskpass key export --directory /srv/taskpass.acme.example";

/// Lists, rotates, retires and exports the broker's signing keys
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the signing keys with their states
    #[command(after_long_help = format!("{LIST_EXAMPLES}\n\n{}", exit::CODES))]
    List,
    /// Publishes a new key that signs as soon as every verifier knows it
    #[command(after_long_help = format!("{ROTATE_EXAMPLES}\n\n{}", exit::CODES))]
    Rotate(Rotate),
    /// Takes a key out of use at once: its tokens are inactive from then on
    #[command(after_long_help = format!("{RETIRE_EXAMPLES}\n\n{}", exit::CODES))]
    Retire(Retire),
    /// Writes discovery documents and key set as files, for a static web server
    #[command(after_long_help = format!("{EXPORT_EXAMPLES}\n\n{}", exit::CODES))]
    Export(Export),
}

/// A JWS algorithm.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithm {
    /// ECDSA with P-256.
    #[value(name = "ES256")]
    Es256,
    /// RSA with 2048 bits.
    #[value(name = "RS256")]
    Rs256,
}

/// The command line of `key rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which keys to rotate
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "ES256",
        ignore_case = true
    )]
    algorithm: Algorithm,

    /// Let the next key sign at once, although verifiers may not know it yet
    #[arg(long)]
    now: bool,

    /// Why; recorded in the audit log
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// The command line of `key retire`.
#[derive(Debug, Args)]
pub(crate) struct Retire {
    /// The key, as `taskpass key list` names it
    #[arg(value_name = "KEY")]
    kid: String,

    /// Retire the signing key even where verifiers may not know the key that follows
    #[arg(long)]
    now: bool,

    /// Why; recorded in the audit log
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// The command line of `key export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The web server's folder for the issuer's URL; `.well-known` is made in it
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        match command {
            Command::List => list(context).await,
            Command::Rotate(rotate) => rotate.perform(context).await,
            Command::Retire(retire) => retire.perform(context).await,
            Command::Export(export) => export.perform(context).await,
        }
    })
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let mut client = admin::connect(&context.admin_socket()).await?;
    let found = client
        .list_keys(ListKeysRequest {})
        .await
        .map_err(failed("cannot list the keys"))?;
    let keys = found.into_inner().keys.into_iter().map(Key::from).collect();
    context.output.show(&Keys { keys })?;
    Ok(Exit::Fine)
}

impl Rotate {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let algorithm = match self.algorithm {
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
        };
        let request = RotateKeyRequest {
            algorithm: algorithm.to_owned(),
            now: self.now,
            note: self.note,
        };
        let rotated = client
            .rotate_key(request)
            .await
            .map_err(failed("the keys were not rotated"))?;
        context.output.show(&Rotated::from(rotated.into_inner()))?;
        Ok(Exit::Fine)
    }
}

impl Retire {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let request = RetireKeyRequest {
            kid: self.kid,
            now: self.now,
            note: self.note,
        };
        let retired = client
            .retire_key(request)
            .await
            .map_err(failed("the key was not retired"))?;
        context.output.show(&Retired::from(retired.into_inner()))?;
        Ok(Exit::Fine)
    }
}

impl Export {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let exported = client
            .export_keys(ExportKeysRequest {})
            .await
            .map_err(failed("nothing was exported"))?
            .into_inner();
        let mut files = Vec::with_capacity(exported.documents.len());
        // The key set last: whoever reads meanwhile finds every key that the documents before it promise.
        for document in &exported.documents {
            let path = write(&self.directory, document).map_err(|error| {
                Failure::new(format!(
                    "cannot write `{}` in `{}`",
                    document.path,
                    self.directory.display()
                ))
                .why(error)
            })?;
            files.push(path.display().to_string());
        }
        let max_age = exported.max_age.unwrap_or_default();
        context.output.show(&Exported {
            files,
            max_age_seconds: u64::try_from(max_age.seconds).unwrap_or_default(),
        })?;
        Ok(Exit::Fine)
    }
}

/// Writes a document beside its place and moves it there, so that nobody ever reads half of it.
fn write(directory: &Path, document: &export_keys_response::Document) -> io::Result<PathBuf> {
    let relative = Path::new(&document.path);
    let stays_inside = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !stays_inside {
        return Err(io::Error::other(
            "the broker named a path outside the folder",
        ));
    }
    let path = directory.join(relative);
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent)?;
    let draft = path.with_extension("new");
    let mut file = fs::File::create(&draft)?;
    file.write_all(&document.content)?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    Ok(path)
}
