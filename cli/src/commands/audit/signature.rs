//! `taskpass audit checkpoint` and `taskpass audit key`: what to keep elsewhere.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use taskpass_broker::adapters::random::SystemSource;
use taskpass_broker::config::audit_key;
use taskpass_proto::v1::{GetAuditCheckpointRequest, GetAuditCheckpointResponse};

use super::export::written;
use crate::admin::{self, failed};
use crate::context::{Context, block_on};
use crate::exit::{CODES, Exit};
use crate::failure::Failure;
use crate::output::{Page, View};

const CHECKPOINT_ABOUT: &str = "\
Prints the last signed checkpoint, as C2SP tlog-checkpoint has it. Keep some of them where whoever \
administers the broker cannot write: `audit verify --checkpoint` shows with them that nothing was cut off \
or written again.";

const CHECKPOINT_EXAMPLES: &str = "\
Examples:
  taskpass audit checkpoint
  taskpass audit checkpoint > /mnt/worm/audit-$(date +%F)";

const KEY_ABOUT: &str = "\
Prints the public key that the audit log is checked with. It is all that an auditor needs.

With --create it makes a new private key in a file that only you can read, and never replaces one. A broker \
makes its own at its first start; this is for a key that lies where the broker cannot write.";

const KEY_EXAMPLES: &str = "\
Examples:
  taskpass audit key > audit.vkey
  taskpass audit key --create /etc/taskpass/audit.key";

/// The command line of `audit checkpoint`.
#[derive(Debug, Args)]
#[command(
    about = "Prints the last signed checkpoint",
    long_about = CHECKPOINT_ABOUT,
    after_long_help = format!("{CHECKPOINT_EXAMPLES}\n\n{CODES}")
)]
pub(crate) struct CheckpointArguments {}

/// The command line of `audit key`.
#[derive(Debug, Args)]
#[command(
    about = "Prints the public key that the log is checked with",
    long_about = KEY_ABOUT,
    after_long_help = format!("{KEY_EXAMPLES}\n\n{CODES}")
)]
pub(crate) struct KeyArguments {
    /// Makes a new private key in this file instead
    #[arg(long, value_name = "FILE")]
    create: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Shown {
    checkpoint: String,
    size: u64,
    unsequenced: u64,
    verifier_key: String,
}

#[derive(Debug, Serialize)]
struct Key {
    verifier_key: String,
}

#[derive(Debug, Serialize)]
struct Created {
    key_file: String,
}

impl CheckpointArguments {
    /// Performs the command.
    pub(super) async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let signed = signed(context).await?;
        context.output.show(&Shown {
            checkpoint: signed.checkpoint,
            size: signed.size,
            unsequenced: signed.unsequenced,
            verifier_key: signed.verifier_key,
        })?;
        Ok(Exit::Fine)
    }
}

impl KeyArguments {
    /// Performs the command.
    pub(super) fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let Some(path) = self.create else {
            let verifier_key = block_on(signed(context))?.verifier_key;
            context.output.show(&Key { verifier_key })?;
            return Ok(Exit::Fine);
        };
        audit_key::create(&path, &SystemSource::default()).map_err(|error| {
            written(&path, &error)
                .remedy("name a file that is not there yet; a key is never replaced")
        })?;
        let key_file = path.display().to_string();
        context.output.show(&Created { key_file })?;
        Ok(Exit::Fine)
    }
}

async fn signed(context: &Context) -> Result<GetAuditCheckpointResponse, Failure> {
    let mut client = admin::connect(&context.admin_socket()).await?;
    let asked = client.get_audit_checkpoint(GetAuditCheckpointRequest::default());
    let answer = asked.await.map_err(failed("there is no checkpoint"))?;
    Ok(answer.into_inner())
}

impl View for Shown {
    fn text(&self, page: &mut Page) {
        self.checkpoint.lines().for_each(|line| page.line(line));
    }
}

impl View for Key {
    fn text(&self, page: &mut Page) {
        page.line(&self.verifier_key);
    }
}

impl View for Created {
    fn text(&self, page: &mut Page) {
        page.line(&format!(
            "made `{}`; name it in `[audit] key_file`",
            self.key_file
        ));
    }
}
