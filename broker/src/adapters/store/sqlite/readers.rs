//! Connections that only read. Each read sees everything that was committed before it began.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::errors::store_error;
use super::open::{self, OpenError};
use crate::ports::store::StoreError;

/// More than the cores of a usual broker.
const CONNECTIONS: usize = 4;

/// A few connections; a read takes a free one, or waits its turn.
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let connections = (0..CONNECTIONS).map(|_| open::reader(path).map(Mutex::new));
        Ok(Self {
            connections: connections.collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
        })
    }

    /// Runs a short read.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut order = (0..CONNECTIONS)
            .filter_map(|step| self.connections.get(turn.wrapping_add(step) % CONNECTIONS));
        let free = order.clone().find_map(Mutex::try_lock);
        let Some(connection) = free.or_else(|| order.next().map(Mutex::lock)) else {
            return Err(super::errors::stopped());
        };
        query(&connection).map_err(|error| store_error(&error))
    }
}
