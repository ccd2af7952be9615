//! Bans, sessions, keys and policies.

use super::*;
use crate::domain::audit::{Event, Record};
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::key_schedule::KeyTimes;
use crate::domain::token_form::Algorithm;
use crate::ports::store::bans::BanStore;
use crate::ports::store::keys::{KeyStore, SavedKeys, Sealed, StoredKey};
use crate::ports::store::policies::{KeptPolicy, PolicyStore};
use crate::ports::store::sessions::{Session, SessionStore};

#[tokio::test]
async fn keeps_bans_sessions_keys_and_policies() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let record = || Record::new(Event::WorkloadBanned, NOW);
    for target in [
        BanTarget::Workload(sample::owner(1).subject),
        BanTarget::Holder(sample::owner(1).holder),
    ] {
        let ban = Ban {
            target: target.clone(),
            since: NOW,
            until: Some(NOW.plus(DAY)),
            note: "leaked".into(),
            by: "uid 0".into(),
        };
        store.ban(ban.clone(), record()).await.unwrap();
        let again = Ban { until: None, ..ban };
        store.ban(again.clone(), record()).await.unwrap();
        assert_eq!(
            store.bans().unwrap(),
            [again],
            "a ban replaces the one on the same target"
        );
        assert!(store.unban(target.clone(), record()).await.unwrap());
        assert!(!store.unban(target, record()).await.unwrap());
    }

    let owner = sample::owner(7);
    assert_eq!(store.session(&owner).unwrap(), None);
    let session = |incarnation| Session {
        owner: owner.clone(),
        incarnation,
        last_seen: NOW,
        host: "node".into(),
    };
    store.touch(session(3)).await.unwrap();
    store.touch(session(2)).await.unwrap();
    assert_eq!(
        store.session(&owner).unwrap(),
        Some(session(3)),
        "it never goes back"
    );

    let key = StoredKey {
        kid: "kid".into(),
        algorithm: Algorithm::Es256,
        public_key: vec![4],
        sealed: Sealed {
            kek_id: "k".into(),
            algorithm: "A256GCM".into(),
            nonce: vec![1],
            ciphertext: vec![2],
        },
        times: KeyTimes {
            published_at: NOW,
            signs_from: NOW.plus(DAY),
            retired_at: None,
        },
    };
    let other = StoredKey {
        kid: "other".into(),
        algorithm: Algorithm::Rs256,
        ..key.clone()
    };
    let added = SavedKeys {
        added: vec![key.clone(), other.clone()],
        ..SavedKeys::default()
    };
    store.save_keys(added, vec![]).await.unwrap();
    assert_eq!(store.keys().unwrap(), [key.clone(), other.clone()]);
    let mut retired = other;
    retired.times.retired_at = Some(NOW);
    retired.sealed.kek_id = "l".into();
    let changed = SavedKeys {
        changed: vec![retired.clone()],
        forgotten: vec![key.kid],
        ..SavedKeys::default()
    };
    store.save_keys(changed, vec![]).await.unwrap();
    assert_eq!(store.keys().unwrap(), [retired]);

    let files = vec![("a.toml".to_owned(), b"x".to_vec())];
    let policy = KeptPolicy {
        hash: "h".into(),
        files,
        installation: Some(("installation.toml".to_owned(), b"y".to_vec())),
        since: NOW,
    };
    store.keep_policy(policy.clone(), record()).await.unwrap();
    let later = KeptPolicy {
        since: NOW.plus(DAY),
        ..policy.clone()
    };
    store.keep_policy(later, record()).await.unwrap();
    assert_eq!(store.policy("h").unwrap(), Some(policy));
    assert_eq!(store.policy("other").unwrap(), None);
}

#[tokio::test]
async fn holders_that_were_silent_for_long_are_forgotten_unless_a_job_of_theirs_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let of = |holder: u8, last_seen| Session {
        owner: sample::owner(holder),
        incarnation: 1,
        last_seen,
        host: "node-1".into(),
    };
    for holder in 1..=9 {
        store.touch(of(holder, NOW)).await.unwrap();
    }
    store.touch(of(10, NOW.plus(DAY))).await.unwrap();
    // The sample's jobs are the first holder's, and so on.
    open_one(&store, 3).await.unwrap();
    let (mut after, mut forgotten, mut pages) = (None, 0, 0);
    loop {
        let page = store.forget_silent(NOW.plus(DAY), after, 4).await.unwrap();
        forgotten += page.holders;
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let left = (1..=10)
        .filter(|holder| store.session(&sample::owner(*holder)).unwrap().is_some())
        .collect::<Vec<u8>>();
    assert_eq!((left.contains(&10), left.len()), (true, 2), "{left:?}");
    assert_eq!((forgotten, pages), (8, 3));
}
