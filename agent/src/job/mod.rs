//! Jobs on this node.
//!
//! - [`held`]: a credential in the agent's hands
//! - [`secret`]: the secret of a token
//! - [`view`]: what others may see of a job
//! - [`messages`]: what the one task that owns all jobs is asked
//! - [`keeper`]: that task

pub mod held;
pub mod keeper;
pub mod messages;
pub mod secret;
pub mod view;
