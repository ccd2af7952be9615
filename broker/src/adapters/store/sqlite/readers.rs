//! Connections that only read. Each read sees everything that was committed before it began.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::connection;
use super::errors::stopped;
use crate::ports::store::StoreError;

/// More than the cores of a usual broker, each of which reads one thing at a time.
const CONNECTIONS: usize = 4;

/// A few connections; a read takes a free one, or waits its turn.
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connections = (0..CONNECTIONS).map(|_| connection::reading(path).map(Mutex::new));
        Ok(Self {
            connections: connections.collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
        })
    }

    /// Runs a short read.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(connection) = self.connections.iter().find_map(Mutex::try_lock) {
            return query(&connection);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let connection = self.connections.get(turn).ok_or_else(stopped)?;
        query(&connection.lock())
    }
}
