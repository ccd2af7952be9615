//! What a request may hold. Beyond these a call is refused, and the refusal says which limit it was.

/// Parameters of one job.
pub const MAX_PARAMETERS: usize = 32;
/// Bytes of one parameter's value.
pub const MAX_PARAMETER_BYTES: usize = 1024;
/// Bytes of one request.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Leases of one job.
pub const MAX_LEASES_PER_JOB: usize = 32;
/// Scopes asked for with one credential.
pub const MAX_SCOPES: usize = 64;
/// Bytes of a task's name.
pub const MAX_TASK_NAME_BYTES: usize = 128;
/// Bytes of any other name, of a scope, and of a reported text.
pub const MAX_NAME_BYTES: usize = 256;
/// Streams of one connection.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 128;
/// Job ids in one Heartbeat message.
pub const MAX_JOBS_PER_HEARTBEAT: usize = 20_000;
/// Bytes of one Heartbeat message: a Hello lists every live job.
pub const MAX_HEARTBEAT_BYTES: usize = 1024 * 1024;
