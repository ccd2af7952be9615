//! What runs as the demo's job: it brings its token to the resource server, and each renewed one, until
//! the server says that it is done.

use std::path::Path;
use std::time::Duration;

use tokio::io::{self, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::interval;

/// How often the job looks whether its credential file has changed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs until the resource server says that it is done.
pub(crate) async fn run(server: &str, credential: &Path) -> io::Result<()> {
    let stream = TcpStream::connect(server).await?;
    let (reader, mut writer) = stream.into_split();
    let mut said = BufReader::new(reader).lines();
    writer
        .write_all(format!("{}\n", std::process::id()).as_bytes())
        .await?;
    let mut brought = String::new();
    let mut ticks = interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let token = tokio::fs::read_to_string(credential).await?;
                if token != brought {
                    writer.write_all(format!("{}\n", token.trim()).as_bytes()).await?;
                    brought = token;
                }
            }
            line = said.next_line() => {
                line?;
                return Ok(());
            }
        }
    }
}
