//! The broker dies, its disk fails, its store is old: nothing that was said is lost, nothing lives that should
//! be dead.
//!
//! - [`ledger`]: what clients saw, and the comparison with what the broker recorded
//! - [`kills`]: `kill -9` at named points, in the middle of system calls, and at random
//! - [`disk`]: full, slow, failing, read-only
//! - [`copies`]: backups, and old copies that are put in place
//! - [`restart`]: how long a start takes with many leases
//! - [`clock`]: a wall clock that steps by hours

mod clock;
mod copies;
mod disk;
mod kills;
mod ledger;
mod restart;
mod shipped;
