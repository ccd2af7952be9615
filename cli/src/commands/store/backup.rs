//! `taskpass store backup`: a copy while the broker runs.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use taskpass_proto::v1::BackUpStoreRequest;
use taskpass_proto::v1::back_up_store_response::Message;

use crate::admin::{self, failed};
use crate::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Page, View};

const NOT_MADE: &str = "there is no backup";
/// Between two words about how far it is, in hundredths.
const TELL_EVERY: u64 = 10;

/// The command line of `store backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A file on the broker's machine that is not there yet; the broker writes it as its own user
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

#[derive(Debug, Serialize)]
struct Made {
    file: PathBuf,
    bytes: u64,
    last_record: u64,
}

impl Backup {
    pub(super) fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let destination = std::path::absolute(&self.destination)
            .map_err(|error| Failure::usage("the destination is no path").why(error))?;
        let made = block_on(ask(context, destination))?;
        context.output.show(&made)?;
        Ok(Exit::Fine)
    }
}

async fn ask(context: &Context, file: PathBuf) -> Result<Made, Failure> {
    let Some(destination) = file.to_str().map(str::to_owned) else {
        return Err(Failure::usage("the destination is not UTF-8").remedy("name another file"));
    };
    let mut client = admin::connect(&context.admin_socket()).await?;
    let mut news = client
        .back_up_store(BackUpStoreRequest { destination })
        .await
        .map_err(failed(NOT_MADE))?
        .into_inner();
    let mut told = 0;
    while let Some(news) = news.message().await.map_err(failed(NOT_MADE))? {
        match news.message {
            Some(Message::Copying(copying)) => {
                let parts = copying.copied_pages * 100 / copying.pages.max(1);
                if parts >= told + TELL_EVERY && parts < 100 {
                    told = parts;
                    context.output.note(&format!("{parts} % copied"));
                }
            }
            Some(Message::Done(done)) => {
                return Ok(Made {
                    file,
                    bytes: done.bytes,
                    last_record: done.last_record,
                });
            }
            None => {}
        }
    }
    Err(Failure::new(NOT_MADE)
        .why("the broker stopped in the middle of it")
        .remedy("look into the broker's log, and try again"))
}

impl View for Made {
    fn text(&self, page: &mut Page) {
        page.line("the backup is whole, sound, and synced");
        page.gap();
        page.facts([
            ("file", self.file.display().to_string()),
            ("bytes", self.bytes.to_string()),
            ("last audit record", self.last_record.to_string()),
        ]);
    }
}
