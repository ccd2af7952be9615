//! Values that stand in columns, and how they are read back.

use std::str::FromStr;

use rusqlite::{Connection, Params, Row};
use taskpass_proto::holder::HolderHash;
use taskpass_proto::ids::JobId;

use super::errors::corrupt;
use crate::domain::cause::Cause;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;

/// Runs a prepared query that has one row at most.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    rows.next()?.map(read).transpose()
}

/// Runs a prepared query and reads each row.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_and_then(values, read)?.collect()
}

/// Runs a prepared statement; answers how many rows it changed.
pub(super) fn run(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<usize, StoreError> {
    Ok(connection.prepare_cached(sql)?.execute(values)?)
}

/// A time for a column. SQLite's integers are signed; the year 292,000,000 stands for all that come later.
pub(super) fn millis(at: UnixMillis) -> i64 {
    integer(at.as_millis())
}

/// A number for a column, or the highest that SQLite has.
pub(super) fn integer(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A number that is never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| corrupt("a negative number"))
}

/// A time.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<UnixMillis, StoreError> {
    number(row, column).map(UnixMillis::new)
}

/// A time that may be absent.
pub(super) fn optional_time(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<UnixMillis>, StoreError> {
    let value: Option<i64> = row.get(column)?;
    let value = value.map(|value| u64::try_from(value).map(UnixMillis::new));
    value.transpose().map_err(|_| corrupt("a time before 1970"))
}

/// A job's id.
pub(super) fn job_id(row: &Row<'_>, column: usize) -> Result<JobId, StoreError> {
    JobId::from_bytes(row.get(column)?).map_err(|_| corrupt("a job's id"))
}

/// A holder's hash.
pub(super) fn holder(row: &Row<'_>, column: usize) -> Result<HolderHash, StoreError> {
    Ok(row.get(column).map(HolderHash::from_bytes)?)
}

/// A cause that may be absent.
pub(super) fn optional_cause(row: &Row<'_>, column: usize) -> Result<Option<Cause>, StoreError> {
    let word = optional_text(row, column)?;
    let cause = word.map(|word| Cause::from_word(word).ok_or_else(|| corrupt("a cause")));
    cause.transpose()
}

/// A text that has a type of its own.
pub(super) fn parse<T: FromStr>(row: &Row<'_>, column: usize, what: &str) -> Result<T, StoreError> {
    text(row, column)?.parse().map_err(|_| corrupt(what))
}

/// A text, borrowed from the row.
pub(super) fn text<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row str, StoreError> {
    let value = row.get_ref(column)?;
    value.as_str().map_err(|_| corrupt("a column without text"))
}

/// A text that may be absent, borrowed from the row.
pub(super) fn optional_text<'row>(
    row: &'row Row<'_>,
    column: usize,
) -> Result<Option<&'row str>, StoreError> {
    let value = row.get_ref(column)?;
    value
        .as_str_or_null()
        .map_err(|_| corrupt("a column without text"))
}
