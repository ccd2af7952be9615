//! For resource servers: checks Taskpass tokens, and refuses those whose job has ended within milliseconds.
//!
//! [`open`] gives a [`Verifier`], to be asked about each token, and a [`Keeper`], to be run beside the server:
//! it holds a connection to the broker, over mutual TLS with the server's own X.509-SVID, on which it hears of
//! every end ([`RevocationSet`]) and fetches the key set. Policy must name the server as a verifier of its
//! audience.
//!
//! ```no_run
//! # async fn example(identity: taskpass_identity::tls::TlsIdentity) -> Result<(), Box<dyn std::error::Error>> {
//! use taskpass_verifier::{Settings, open};
//! use tokio_util::sync::CancellationToken;
//!
//! let settings = Settings::new(
//!     "broker.acme.example:8440",
//!     "spiffe://acme.example/taskpass/broker".parse()?,
//!     "https://taskpass.acme.example",
//!     "https://docs.acme.example",
//! );
//! let (verifier, keeper) = open(settings, &identity)?;
//! let shutdown = CancellationToken::new();
//! let mut tasks = tokio::task::JoinSet::new();
//! tasks.spawn(keeper.run(shutdown.clone()));
//! verifier.ready().await;
//!
//! let token = "eyJ…";
//! match verifier.check(token) {
//!     Ok(claims) if claims.has_scope("docs:write") => println!("{} may write", claims.sub),
//!     Ok(claims) => println!("{} may not write", claims.sub),
//!     Err(refused) => println!("401: {refused}"),
//! }
//! # shutdown.cancel(); Ok(()) }
//! ```
//!
//! Everything fails closed: when nothing was heard from the broker for [`Settings::max_silence`], every token
//! is refused as [`Refused::Stale`] until something is.
//!
//! - [`verifier`]: what a server calls
//! - [`claims`], [`refused`]: what it is told
//! - [`revocation_set`]: what no longer counts, without I/O; [`update`]: what changes it
//! - `token`, `keys`: what a token says, and whose signature it bears
//! - [`keeper`]: keeps both current; `link`, `keys_fetch`: over which connection
//! - [`clock`]: time, as a parameter

pub mod claims;
pub mod clock;
pub mod keeper;
mod keys;
mod keys_fetch;
mod link;
mod random;
pub mod refused;
pub mod revocation_set;
mod shared;
mod token;
pub mod update;
pub mod verifier;

pub use claims::Claims;
pub use keeper::Keeper;
pub use refused::Refused;
pub use revocation_set::RevocationSet;
pub use verifier::{OpenError, Settings, Verifier, open};
