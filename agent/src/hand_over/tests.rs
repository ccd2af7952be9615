//! Whichever of two agents dies at whatever point, one has everything and the other has nothing.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use super::package::{HandedConnection, HandedJobs, Package};
use super::predecessor::{Ask, Asks, Descriptors, Offer, Question, SOCKET, Successor};
use super::successor::{Inheritance, NotHandedOver};
use super::wire::{self, Word};
use crate::watch::process::Started;

/// What is said in a hand-over, in this order, by turns.
const STEPS: usize = 5;

fn package() -> Package {
    Package {
        socket: "/run/taskpass/agent.sock".into(),
        jobs: HandedJobs::default(),
        connections: vec![HandedConnection {
            uid: 1000,
            gid: 1000,
            process: Started {
                pid: 7,
                at_ticks: 9,
            },
            executable: "/usr/bin/deploy".into(),
            tied: vec![],
            unread: b"GET".to_vec(),
        }],
    }
}

fn descriptors(folder: &Path) -> Descriptors {
    let (stream, _) = UnixStream::pair().unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    let process: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    Descriptors {
        listener: UnixListener::bind(folder.join("agent.sock"))
            .unwrap()
            .into(),
        lock: lock.into(),
        connections: vec![[stream.into(), process]],
    }
}

/// An agent that hands over, up to a step, and then is dead.
fn hand_over(listener: &UnixListener, descriptors: &Descriptors, steps: usize) {
    let (stream, _) = listener.accept().unwrap();
    let asked: Question = wire::receive(&stream).unwrap();
    assert!(matches!(asked, Question::TakeOver { .. }));
    for step in 0..steps {
        match step {
            0 => wire::send(&stream, &Offer::Package(Box::new(package()))).unwrap(),
            1 => wire::send_descriptors(&stream, &[descriptors.listener.as_fd()]).unwrap(),
            2 => wire::send_descriptors(&stream, &[descriptors.lock.as_fd()]).unwrap(),
            3 => {
                let both = descriptors.connections[0].each_ref().map(AsFd::as_fd);
                wire::send_descriptors(&stream, &both).unwrap();
            }
            _ => assert_eq!(wire::hear(&stream).unwrap(), Word::Taken),
        }
    }
}

#[test]
fn an_old_agent_that_dies_hands_over_everything_or_nothing() {
    for steps in 0..=STEPS {
        let folder = tempfile::tempdir().unwrap();
        let descriptors = descriptors(folder.path());
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let dying = thread::spawn(move || hand_over(&listener, &descriptors, steps));
        let inheritance = Inheritance::ask(folder.path()).unwrap();
        // With all descriptors here it is the new agent's, whether or not anybody says `go`.
        assert_eq!(inheritance.is_some(), steps >= 4, "{steps}");
        if let Some(inheritance) = inheritance {
            assert_eq!(inheritance.package.connections[0].unread, b"GET");
            assert_eq!(inheritance.connections.len(), 1);
            inheritance.claim.take().unwrap();
        }
        dying.join().unwrap();
    }
}

#[test]
fn an_old_agent_that_goes_on_says_so_and_the_new_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let descriptors = descriptors(folder.path());
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let going_on = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let _: Question = wire::receive(&stream).unwrap();
        wire::send(&stream, &Offer::Package(Box::new(package()))).unwrap();
        wire::send_descriptors(&stream, &[descriptors.listener.as_fd()]).unwrap();
        wire::send_descriptors(&stream, &[descriptors.lock.as_fd()]).unwrap();
        let both = descriptors.connections[0].each_ref().map(AsFd::as_fd);
        wire::send_descriptors(&stream, &both).unwrap();
        wire::say(&stream, Word::No).unwrap();
    });
    let inheritance = Inheritance::ask(folder.path()).unwrap().unwrap();
    going_on.join().unwrap();
    let late = inheritance.claim.take().unwrap_err();
    assert!(matches!(late, NotHandedOver::Late), "{late}");
}

/// An agent that takes over, up to a step, and then is dead.
fn take_over(state: &Path, steps: usize) {
    let stream = UnixStream::connect(state.join(SOCKET)).unwrap();
    let version = "0.2.0".to_owned();
    wire::send(&stream, &Question::TakeOver { version }).unwrap();
    for step in 0..steps {
        match step {
            0 => drop(wire::receive::<Offer>(&stream).unwrap()),
            1 | 2 => drop(wire::receive_descriptors::<1>(&stream).unwrap()),
            3 => drop(wire::receive_descriptors::<2>(&stream).unwrap()),
            _ => wire::say(&stream, Word::Taken).unwrap(),
        }
    }
}

async fn successor(state: &Path, steps: usize) -> (Successor, thread::JoinHandle<()>) {
    let (asked_by, mut asked) = tokio::sync::mpsc::channel(1);
    let mut serving = tokio::task::JoinSet::new();
    let asks = Asks::bind(state).unwrap();
    asks.publish();
    serving.spawn(asks.serve(asked_by));
    let state = state.to_owned();
    let dying = thread::spawn(move || take_over(&state, steps));
    match asked.recv().await.unwrap() {
        Ask::TakeOver(successor) => (successor, dying),
        Ask::Upgrade(_) => panic!("nobody asked for that"),
    }
}

#[tokio::test]
async fn a_new_agent_that_dies_has_nothing_unless_it_said_its_word() {
    for steps in 0..=STEPS {
        let folder = tempfile::tempdir().unwrap();
        let (successor, dying) = successor(folder.path(), steps).await;
        let descriptors = descriptors(folder.path());
        let offered = successor.offer(package(), &descriptors);
        assert_eq!(offered.is_ok(), steps == STEPS, "{steps}: {offered:?}");
        assert_eq!(successor.version, "0.2.0");
        dying.join().unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (asked_by, mut asked) = tokio::sync::mpsc::channel(1);
    let mut serving = tokio::task::JoinSet::new();
    let asks = Asks::bind(folder.path()).unwrap();
    asks.publish();
    serving.spawn(asks.serve(asked_by));
    let state = folder.path().to_owned();
    let asking = thread::spawn(move || super::ask_to_upgrade(&state).unwrap_err().to_string());
    match asked.recv().await.unwrap() {
        Ask::Upgrade(operator) => operator.answer(&Err("an upgrade is under way".to_owned())),
        Ask::TakeOver(_) => panic!("nobody asked for that"),
    }
    assert_eq!(asking.join().unwrap(), "an upgrade is under way");
}

#[test]
fn where_no_agent_runs_there_is_nothing_to_take() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Inheritance::ask(folder.path()).unwrap().is_none());
    drop(UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    assert!(
        Inheritance::ask(folder.path()).unwrap().is_none(),
        "a socket that was left behind"
    );
    assert_eq!(super::ask_to_upgrade(folder.path()).unwrap(), None);
}
