//! The upgrade: a new agent takes over from the one that runs, while jobs go on.
//!
//! Both talk over a Unix socket in the state directory, which is the agent's own:
//!
//! 1. The new agent reads its configuration and SVIDs, and asks to take over. If it cannot, nothing has
//!    happened.
//! 2. The old one stands still: requests under way are answered, no further one is read, its jobs rest. It
//!    sends its [`package`], the listening socket, the lock of the state directory, and every connection.
//! 3. The new one raises the holder's incarnation, opens the journal, and says that it takes over.
//! 4. That word decides. The old one says `go` and exits without closing anything. Without that word, or
//!    when the new one is gone, the old one goes on as if nothing had been.
//!
//! Whichever of them is killed, the other one has everything: [`wire`] says how that is told apart.
//!
//! - [`package`]: what is handed over
//! - [`predecessor`]: the old agent's side
//! - [`successor`]: the new agent's side
//! - [`upgrade`]: the old agent starts the new one itself, because somebody asked it to
//! - [`wire`]: how the two talk

pub mod package;
pub mod predecessor;
pub mod successor;
pub mod upgrade;
mod wire;

#[cfg(test)]
mod tests;

pub use self::successor::ask_to_upgrade;
pub use self::upgrade::{Relaunch, Upgraded};
