//! How jobs end.

use std::process::{Child, Command, Stdio};

use super::fake_broker::{Kind, Say};
use super::fake_disk::State;
use super::*;
use crate::journal::Entry;

fn child() -> (Child, Arc<Process>) {
    let child = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let uid = rustix::process::getuid().as_raw();
    let process = Arc::new(Process::of_user(child.id(), uid).unwrap());
    (child, process)
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_is_repeated_until_the_broker_confirms_it() {
    let node = Node::start();
    let (id, view) = node.opened().await;
    let no = [
        lost(),
        away(),
        refused(Reason::StoreUnavailable),
        refused(Reason::Superseded),
    ];
    let no = no
        .into_iter()
        .map(Say::No)
        .chain([Say::Pending, Say::Pending]);
    node.broker.next(Kind::Close, no);
    let closed = node.close(id, Duration::ZERO).await.unwrap();
    assert!(!closed.confirmed);
    assert!(
        view.borrow().credentials.is_empty(),
        "it is over here at once"
    );
    let closed = node.close(id, seconds(60)).await.unwrap();
    assert_eq!(
        closed,
        Closed {
            confirmed: true,
            cause: v1::Cause::JobClosed
        }
    );
    let asked = node.broker.closes();
    assert_eq!(asked.len(), 7);
    assert!(
        asked
            .iter()
            .all(|(_, request)| request.job_id == id.to_string())
    );
    let waits: Vec<_> = asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(waits.iter().all(|wait| *wait <= seconds(5)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_close_is_repeated_for_hours_and_never_given_up() {
    let node = Node::start();
    let (id, _) = node.opened().await;
    node.broker.always(Kind::Close, Say::No(away()));
    node.close(id, Duration::ZERO).await.unwrap();
    pass(seconds(5 * 3600)).await;
    let tried = node.broker.closes().len();
    assert!(tried > 5 * 3600 / 6, "{tried}");
    node.broker.always(Kind::Close, Say::Yes);
    assert!(node.close(id, seconds(10)).await.unwrap().confirmed);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_in_the_journal_before_it_is_answered() {
    let node = Node::start();
    let (id, _) = node.opened().await;
    node.disk.set(State::Hangs);
    let mut closing = std::pin::pin!(node.close(id, Duration::ZERO));
    let answered = tokio::time::timeout(seconds(60), closing.as_mut()).await;
    assert!(answered.is_err(), "nobody is told what a crash would undo");
    assert_eq!(node.broker.closes().len(), 1, "but the broker is, at once");
    node.disk.set(State::Works);
    closing.await.unwrap();
    let written = node.disk.written();
    assert!(
        written
            .iter()
            .any(|entry| matches!(entry, Entry::Closing { .. })),
        "{written:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_journalled_is_an_end_all_the_same() {
    let node = Node::start();
    let (id, _) = node.opened().await;
    node.disk.set(State::Fails);
    assert!(node.close(id, seconds(1)).await.unwrap().confirmed);
    assert_eq!(node.broker.closes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_asked_again_is_answered_as_the_first_time() {
    let node = Node::start();
    let (id, _) = node.opened().await;
    let first = node.close(id, seconds(1)).await.unwrap();
    assert_eq!(node.close(id, seconds(1)).await.unwrap(), first);
    let stranger = node.jobs.close(close(id, OTHER), seconds(1)).await;
    assert_eq!(stranger.unwrap_err(), JobError::Unknown);
    assert_eq!(node.broker.closes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_closes_the_job_of_another_user() {
    let node = Node::start();
    let (id, view) = node.opened().await;
    let stranger = node.jobs.close(close(id, OTHER), seconds(1)).await;
    assert_eq!(stranger.unwrap_err(), JobError::Unknown);
    assert_eq!(view.borrow().stage, Stage::Open);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_broker_tells_of_takes_everything_away_at_once() {
    let causes = [
        v1::Cause::Operator,
        v1::Cause::WorkloadBanned,
        v1::Cause::PolicyChanged,
        v1::Cause::HeartbeatLost,
        v1::Cause::StoreRestored,
    ];
    for cause in causes {
        let node = Node::start();
        let (id, view) = node.opened().await;
        node.tell(id, Some(cause)).await;
        assert_eq!(view.borrow().stage, Stage::Ended(Some(cause)));
        assert!(view.borrow().credentials.is_empty());
        assert!(node.live.greeting().is_empty(), "it is announced no more");
        assert!(node.broker.closes().is_empty(), "the broker knows");
        let closed = node.close(id, seconds(1)).await.unwrap();
        assert_eq!(
            closed,
            Closed {
                confirmed: true,
                cause
            }
        );
        let written = node.disk.written();
        assert!(
            written
                .iter()
                .any(|entry| matches!(entry, Entry::Gone { .. })),
            "{written:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_know_a_job_is_believed_only_if_it_could() {
    let node = Node::start();
    let before = tokio::time::Instant::now();
    pass(seconds(1)).await;
    let (id, view) = node.opened().await;
    let told = Told {
        job: id,
        cause: None,
        as_of: before,
    };
    node.told.send(told).await.unwrap();
    pass(seconds(1)).await;
    assert_eq!(
        view.borrow().stage,
        Stage::Open,
        "it spoke of a time before the job"
    );
    node.tell(id, None).await;
    assert_eq!(view.borrow().stage, Stage::Ended(None));
}

#[tokio::test(start_paused = true)]
async fn the_first_exit_of_any_of_its_processes_ends_a_job() {
    let node = Node::start();
    let ((first, one), (second, other)) = (child(), child());
    let id = node.open(Anchor::Process(one)).await.unwrap().id;
    node.jobs.add_process(id, UID, other).await.unwrap();
    let mut view = node.jobs.watch(id, UID).await.unwrap();
    end(second);
    view.wait_for(|view| matches!(view.stage, Stage::Ended(_)))
        .await
        .unwrap();
    let (_, request) = node.broker.closes().remove(0);
    assert_eq!(request.cause(), v1::Cause::ProcessExited);
    end(first);
}

#[tokio::test(start_paused = true)]
async fn a_job_closed_while_it_is_being_opened_never_opens() {
    let node = Node::start();
    let (process, anchor) = child();
    node.broker.next(Kind::Open, [Say::Nothing]);
    let opening = node.open(Anchor::Process(anchor));
    let killing = async {
        while node.broker.opens().is_empty() {
            pass(Duration::from_millis(10)).await;
        }
        end(process);
    };
    let (opened, ()) = tokio::join!(opening, killing);
    assert_eq!(opened.unwrap_err(), JobError::Unknown);
    assert_eq!(node.broker.closes().len(), 1, "it may exist at the broker");
}
