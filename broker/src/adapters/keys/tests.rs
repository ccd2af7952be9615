//! The key set over virtual time: what it signs is recognised, and by verifiers that cache too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

use super::key_set::{KeySet, KeySetError};
use super::sealing::{Sealer, SealingError, SealingKey};
use crate::domain::audit::Event;
use crate::domain::change::sample;
use crate::domain::key_schedule::change::Patience;
use crate::domain::key_schedule::{KeySchedule, KeyState};
use crate::domain::time::UnixMillis;
use crate::domain::token::{Claims, LONGEST_TOKEN};
use crate::domain::token_form::{Algorithm, ClaimValue, Shape, TokenForm};
use crate::ports::key_desk::{KeyDesk, Order, OrderFailed};
use crate::ports::signer::{Signer, SigningFailed, TokenReader};
use crate::ports::store::StoreError;
use crate::ports::store::keys::KeyStore;
use crate::ports::store::keys::fake::MemoryKeys;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const SCHEDULE: KeySchedule = KeySchedule {
    signing_period: Duration::from_secs(90 * 24 * 3600),
    published_before: Duration::from_secs(2 * 3600),
    published_after: LONGEST_TOKEN,
};
const START: UnixMillis = sample::NOW;

fn sealer(keys: &[&str]) -> Sealer {
    let keys = keys.iter().zip(1..);
    let keys = keys.map(|(id, _)| SealingKey::new((*id).into(), &[id.as_bytes()[0]; 32]).unwrap());
    Sealer::new(keys.collect()).unwrap()
}

async fn open(
    store: &Arc<MemoryKeys>,
    sealing: &[&str],
    at: UnixMillis,
) -> Result<KeySet, KeySetError> {
    let store = Arc::clone(store) as Arc<dyn KeyStore>;
    KeySet::open(store, sealer(sealing), b"epoch", SCHEDULE, at).await
}

async fn first(store: &Arc<MemoryKeys>) -> KeySet {
    let set = open(store, &["old"], START).await.unwrap();
    set.keep_up(&BTreeSet::new(), START).await.unwrap();
    set
}

fn claims(at: UnixMillis, life: Duration) -> Claims {
    let known = sample::open_job();
    let lease = &known.leases[0];
    let mut term = lease.active().unwrap();
    term.issued_at = at;
    term.expires_at = at.plus(life);
    Claims::of("https://taskpass.acme.example", &known.job, lease, term)
}

fn form(algorithm: Algorithm, shape: Shape) -> TokenForm {
    TokenForm {
        algorithm,
        shape,
        claims: BTreeMap::new(),
    }
}

fn order(patience: Patience) -> Order {
    Order {
        by: "uid 0".into(),
        note: "drill".into(),
        patience,
    }
}

/// A verifier as strict as they come: it keeps what it fetched for the whole time, and never asks again before.
struct Verifier {
    fetched_at: UnixMillis,
    key_set: Value,
}

impl Verifier {
    fn fetch(set: &KeySet, at: UnixMillis) -> Self {
        Self {
            fetched_at: at,
            key_set: set.jwks(at),
        }
    }

    fn accepts(&mut self, set: &KeySet, token: &str, at: UnixMillis) -> bool {
        if at.since(self.fetched_at) >= HOUR {
            *self = Self::fetch(set, at);
        }
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let header: Value =
            serde_json::from_slice(&decode(signed.split_once('.').unwrap().0)).unwrap();
        let keys = self.key_set["keys"].as_array().unwrap();
        let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else {
            return false;
        };
        let member = |name: &str| decode(key[name].as_str().unwrap());
        let (signed, signature) = (signed.as_bytes(), decode(signature));
        match key["kty"].as_str().unwrap() {
            "EC" => {
                let point = [vec![4], member("x"), member("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, &signature)
                    .is_ok()
            }
            _ => RsaPublicKeyComponents {
                n: member("n"),
                e: member("e"),
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed, &signature)
            .is_ok(),
        }
    }
}

#[tokio::test]
async fn no_verifier_that_caches_refuses_a_token_while_keys_rotate_over_months() {
    let store = Arc::new(MemoryKeys::default());
    let mut set = first(&store).await;
    let mut now = START;
    let mut verifiers: Vec<Verifier> = (0..4).map(|_| Verifier::fetch(&set, now)).collect();
    let mut alive: Vec<(UnixMillis, String)> = Vec::new();
    let mut kids = BTreeSet::new();
    for step in 0..3000_u32 {
        // Steps that fall in and out of step with the hour; half a year altogether.
        now = now.plus(MINUTE * (1 + step * 7919 % 173));
        set.keep_up(&BTreeSet::new(), now).await.unwrap();
        if step % 97 == 0 {
            set.rotate(Algorithm::Es256, &order(Patience::Wait), now)
                .await
                .unwrap();
        }
        if step % 400 == 0 {
            set = open(&store, &["old"], now).await.unwrap();
        }
        let life = MINUTE * (1 + step * 31 % (24 * 60));
        let token = set
            .sign(&claims(now, life), &TokenForm::default(), now)
            .unwrap();
        let header = token.split_once('.').unwrap().0.to_owned();
        kids.insert(header);
        alive.push((now.plus(life), token.to_string()));
        alive.retain(|(expires, _)| now < *expires);
        let verifier = &mut verifiers[step as usize % 4];
        for (expires, token) in alive.iter().rev().take(20).chain(alive.iter().take(20)) {
            assert!(
                verifier.accepts(&set, token, now),
                "at {now}, expires {expires}"
            );
            assert!(set.read(token, now).is_some());
        }
    }
    assert!(kids.len() > 25, "{} keys signed", kids.len());
    assert!(set.list(now).len() < 12, "old keys are forgotten");
    assert!(set.jwks(now)["keys"].as_array().unwrap().len() <= 5);
}

#[tokio::test]
async fn a_retired_key_is_recognised_no_more_and_the_next_signs_at_once() {
    let store = Arc::new(MemoryKeys::default());
    let set = first(&store).await;
    let kid = set.list(START)[0].kid.clone();
    let token = set.sign(&claims(START, HOUR), &TokenForm::default(), START);
    let token = token.unwrap();
    assert!(set.trusts(&token, START));
    let refused = set.retire(&kid, &order(Patience::Wait), START).await;
    assert!(matches!(refused, Err(OrderFailed::NextNotKnown { .. })));
    let retired = set
        .retire(&kid, &order(Patience::Now), START)
        .await
        .unwrap();
    assert!(retired.was_signing);
    assert_eq!(retired.key.state, KeyState::Retired);
    assert!(!set.trusts(&token, START));
    assert_eq!(set.read(&token, START), None);
    assert!(!set.jwks(START).to_string().contains(&kid));
    let next = set.sign(&claims(START, HOUR), &TokenForm::default(), START);
    assert!(set.read(&next.unwrap(), START).is_some());
    let last = store.records.lock().last().cloned().unwrap();
    assert_eq!(
        (last.event, &last.details["by"]),
        (Event::KeyRetired, &"uid 0".into())
    );
    // After a restart too.
    let again = open(&store, &["old"], START).await.unwrap();
    assert_eq!(again.read(&token, START), None);
}

#[tokio::test]
async fn a_change_that_is_not_durable_does_not_count() {
    let store = Arc::new(MemoryKeys::default());
    let set = first(&store).await;
    let before = set.list(START);
    *store.trouble.lock() = Some(StoreError {
        kind: crate::ports::store::StoreErrorKind::Full,
        message: "disk full".into(),
    });
    for patience in [Patience::Wait, Patience::Now] {
        assert!(
            set.rotate(Algorithm::Es256, &order(patience), START)
                .await
                .is_err()
        );
        let order = order(patience);
        let retired = set.retire(&before[1].kid, &order, START);
        assert!(retired.await.is_err());
    }
    assert_eq!(set.list(START), before);
}

#[tokio::test]
async fn rs256_has_a_schedule_of_its_own_that_begins_when_it_is_wanted() {
    let rs256 = BTreeSet::from([Algorithm::Rs256]);
    let form = form(Algorithm::Rs256, Shape::JwtSvid);
    // Wanted from the first start: signs at once.
    let store = Arc::new(MemoryKeys::default());
    let set = open(&store, &["old"], START).await.unwrap();
    set.keep_up(&rs256, START).await.unwrap();
    let mut verifier = Verifier::fetch(&set, START);
    let token = set.sign(&claims(START, HOUR), &form, START).unwrap();
    assert!(verifier.accepts(&set, &token, START));
    assert!(set.read(&token, START).is_some());
    // Wanted later: verifiers may hold a key set without it.
    let store = Arc::new(MemoryKeys::default());
    let set = first(&store).await;
    let mut verifier = Verifier::fetch(&set, START);
    set.keep_up(&rs256, START).await.unwrap();
    let not_yet = set.ready(Algorithm::Rs256, START).unwrap_err();
    let SigningFailed::NotYet {
        signs_from: Some(from),
        ..
    } = not_yet
    else {
        panic!("{not_yet}")
    };
    // Counted from when the key was there: that it took a while is not at the verifiers' cost.
    assert!(from >= START.plus(HOUR * 2));
    assert_eq!(set.sign(&claims(START, HOUR), &form, START), Err(not_yet));
    let token = set.sign(&claims(from, HOUR), &form, from).unwrap();
    assert!(verifier.accepts(&set, &token, from));
    // Nobody asks for it any more: what was signed with it is still good.
    set.keep_up(&BTreeSet::new(), from).await.unwrap();
    assert!(set.read(&token, from).is_some());
}

#[tokio::test]
async fn no_token_outlives_the_key_that_signed_it() {
    let store = Arc::new(MemoryKeys::default());
    let set = first(&store).await;
    let too_long = claims(START, LONGEST_TOKEN + Duration::from_secs(1));
    let signed = set.sign(&too_long, &TokenForm::default(), START);
    assert_eq!(signed, Err(SigningFailed::TooLong));
    let longest = claims(START, LONGEST_TOKEN);
    let token = set.sign(&longest, &TokenForm::default(), START).unwrap();
    set.rotate(Algorithm::Es256, &order(Patience::Now), START)
        .await
        .unwrap();
    let last = START.plus(DAY).minus(Duration::from_secs(1));
    assert!(set.read(&token, last).is_some());
}

#[tokio::test]
async fn private_parts_are_sealed_anew_so_that_an_old_sealing_key_can_go() {
    let store = Arc::new(MemoryKeys::default());
    let set = first(&store).await;
    let token = set.sign(&claims(START, HOUR), &TokenForm::default(), START);
    let token = token.unwrap();
    let alone = open(&store, &["new"], START).await.err();
    let unknown = SealingError::UnknownKey("old".into());
    assert_eq!(alone, Some(KeySetError::Sealing(unknown)));
    open(&store, &["new", "old"], START).await.unwrap();
    let resealed = |record: &&crate::domain::audit::Record| record.event == Event::KeyResealed;
    assert_eq!(store.records.lock().iter().filter(resealed).count(), 2);
    let set = open(&store, &["new"], START).await.unwrap();
    assert!(set.read(&token, START).is_some());
}

#[tokio::test]
async fn declared_claims_come_back_as_they_were_signed() {
    let store = Arc::new(MemoryKeys::default());
    let set = first(&store).await;
    let mut claims = claims(START, HOUR);
    claims.declared = BTreeMap::from([
        ("team".to_owned(), ClaimValue::Text("docs".into())),
        ("level".to_owned(), ClaimValue::Integer(3)),
        ("canary".to_owned(), ClaimValue::Boolean(true)),
        (
            "regions".to_owned(),
            ClaimValue::List(vec!["eu".into(), "us".into()]),
        ),
    ]);
    let token = set.sign(&claims, &TokenForm::default(), START).unwrap();
    assert_eq!(set.read(&token, START), Some(claims));
}
