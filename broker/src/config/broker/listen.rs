//! `[listen]`: nothing that is meant for this machine is offered to others by mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::file::ListenTable;
use crate::config::{ConfigError, invalid};

/// Where the broker listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Workloads: mutual TLS.
    pub workload: SocketAddr,
    /// Everybody: discovery and the key set. Plain HTTP, so loopback unless a proxy is declared.
    pub public: Option<SocketAddr>,
    /// Health and metrics.
    pub operations: Option<SocketAddr>,
    /// Operators: a Unix socket.
    pub admin: PathBuf,
    /// User ids that may administer; root's and the broker's own are always among them.
    pub admin_uids: Vec<u32>,
}

impl Listen {
    pub(super) fn check(table: ListenTable, base: &Path) -> Result<Self, ConfigError> {
        let public = table.public;
        if public.is_some_and(|address| !address.ip().is_loopback()) && !table.public_behind_proxy {
            let message = "plain HTTP on an address that others reach; put a TLS proxy in front and say \
                           `public_behind_proxy = true`, or listen on loopback";
            return Err(invalid("listen.public", message));
        }
        let operations = table
            .operations
            .or(Some(SocketAddr::from(([127, 0, 0, 1], 9440))));
        if operations.is_some_and(|address| !address.ip().is_loopback())
            && !table.operations_from_anywhere
        {
            let message =
                "metrics for everybody; say `operations_from_anywhere = true` if that is meant";
            return Err(invalid("listen.operations", message));
        }
        let mut admin_uids = table.admin_uids;
        admin_uids.extend([0, rustix::process::geteuid().as_raw()]);
        Ok(Self {
            workload: table
                .workload
                .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8440))),
            public,
            operations,
            admin: base.join(
                table
                    .admin
                    .unwrap_or(PathBuf::from("/run/taskpass/admin.sock")),
            ),
            admin_uids,
        })
    }
}
