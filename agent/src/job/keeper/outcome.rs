//! What came of something under way.

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use super::opening::NotOpened;
use crate::broker::CallError;
use crate::clock::Instant;
use crate::job::messages::Reply;
use crate::job::view::JobView;

/// A call or a watch that has ended.
pub(super) enum Outcome {
    Opened {
        id: JobId,
        asked_at: Instant,
        result: Result<v1::OpenJobResponse, NotOpened>,
    },
    Issued {
        id: JobId,
        asked_at: Instant,
        result: Result<v1::IssueResponse, CallError>,
        reply: Reply<JobView>,
    },
    Renewed {
        id: JobId,
        lease: String,
        asked_at: Instant,
        result: Result<v1::RenewResponse, CallError>,
    },
    Exited {
        id: JobId,
    },
    Closed {
        id: JobId,
        cause: v1::Cause,
    },
}
