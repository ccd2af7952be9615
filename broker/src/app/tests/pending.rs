//! Ends that are in effect and not durable yet.

use serde_json::json;
use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;

use super::{Bench, holder, holder_of, reason};
use crate::domain::cause::Cause;
use crate::domain::change::end::{Authority, Ending};
use crate::domain::job::End;

/// As when the store could not take it.
fn end(bench: &Bench, job: JobId) {
    let ending = Ending {
        id: job,
        authority: Authority::Broker,
        end: End {
            cause: Cause::Operator,
            at: bench.operations.now(),
        },
        details: json!({}),
    };
    bench.operations.pending_ends.insert(ending, vec![]);
}

#[tokio::test]
async fn a_job_whose_end_waits_gets_nothing_more_and_its_tokens_are_inactive() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let (job, over) = (opened.job, Some(Reason::JobEnded));
    end(&bench, job);
    assert!(!bench.is_active(&opened.credentials[0].token));
    assert_eq!(reason(bench.open().await), over);
    assert_eq!(reason(bench.renew(job, 1).await), over);
    assert_eq!(reason(bench.issue(job, holder()).await), over);
    // Also when it was announced before the job was there.
    let other = JobId::new(bench.operations.now().as_millis(), [5; 10]);
    end(&bench, other);
    assert_eq!(reason(bench.open_with_id(other).await), over);
}

#[tokio::test]
async fn ends_that_wait_are_repeated_until_they_are_durable() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    end(&bench, job);
    // A stranger's word leaves it where it is.
    bench.close(job, holder_of(4, 1)).await.unwrap();
    assert_eq!(bench.operations.pending_ends(), 1);
    assert_eq!(bench.cause(job), None);
    bench.operations.repeat_pending_ends().await;
    assert_eq!(bench.operations.pending_ends(), 0);
    assert_eq!(bench.cause(job), Some(Cause::Operator));
}
