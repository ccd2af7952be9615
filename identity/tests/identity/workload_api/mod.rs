//! SVIDs and bundles from a Workload API, good and bad.

mod fake;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use taskpass_identity::source::workload_api::{
    self, ApiError, ApiSource, Selection, Settings, Watcher,
};
use taskpass_identity::workload_api::{X509svid, X509svidResponse};
use taskpass_identity::{BundleSet, BundleSource, SvidSource, X509Svid};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use self::fake::{Fake, authority, der, message, of_issued};
use crate::support::{HOUR, domain, now};

const ID: &str = "spiffe://acme.example/ci/docs";
const OTHER: &str = "spiffe://acme.example/ci/other";

/// A source with its watcher at work, which ends with the test.
struct Watched<T> {
    source: ApiSource<T>,
    _tasks: JoinSet<()>,
}

impl<T> Watched<T> {
    fn start((source, watcher): (ApiSource<T>, Watcher)) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(watcher.run(CancellationToken::new()));
        Self {
            source,
            _tasks: tasks,
        }
    }

    /// Waits until it reports this, or nothing.
    async fn reports(&self, code: Option<&str>) -> Option<Arc<ApiError>> {
        let mut problems = self.source.subscribe_problem();
        let fits = |problem: &Option<Arc<ApiError>>| problem.as_ref().map(|p| p.why.code()) == code;
        let patience = Duration::from_secs(20);
        let reported = tokio::time::timeout(patience, problems.wait_for(fits)).await;
        let found = || format!("{code:?} was not reported: {:?}", self.source.problem());
        reported
            .unwrap_or_else(|_| panic!("{}", found()))
            .unwrap()
            .clone()
    }
}

async fn svid(fake: &Fake, selection: Selection) -> Watched<X509Svid> {
    let opened = workload_api::svid(fake.settings(), selection).await;
    Watched::start(opened.unwrap())
}

async fn bundles(fake: &Fake, domains: &[&str]) -> Watched<BundleSet> {
    let domains: BTreeSet<_> = domains.iter().map(|name| domain(name)).collect();
    let opened = workload_api::bundles(fake.settings(), domains).await;
    Watched::start(opened.unwrap())
}

async fn refused(settings: Settings, selection: Selection) -> ApiError {
    workload_api::svid(settings, selection).await.unwrap_err()
}

fn by_id(id: &str) -> Selection {
    Selection::SpiffeId(id.parse().unwrap())
}

fn chain(svid: &X509Svid) -> Vec<u8> {
    svid.chain().iter().flat_map(|der| der.to_vec()).collect()
}

/// Waits for an SVID with this chain.
async fn taken_over(source: &ApiSource<X509Svid>, message: &X509svid) {
    let mut svids = SvidSource::subscribe(source);
    let fits = |svid: &Arc<X509Svid>| chain(svid) == message.x509_svid;
    let waited = tokio::time::timeout(Duration::from_secs(20), svids.wait_for(fits)).await;
    assert!(waited.is_ok(), "not taken over: {:?}", source.problem());
}

/// Everything that a bad message can be, by the reason that is told.
fn bad_messages() -> Vec<(&'static str, Vec<X509svid>)> {
    let ca = authority("acme.example");
    let foreign = authority("other.example");
    let good = || message(&ca, ID);
    let with = |change: &dyn Fn(&mut X509svid)| {
        let mut svid = good();
        change(&mut svid);
        vec![svid]
    };
    let earlier = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - 7200));
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + 7200));
    let of_time = |at| {
        let issued = ca.issue(&ID.parse().unwrap(), HOUR, at).unwrap();
        vec![of_issued(&ca, ID, &issued)]
    };
    let foreign_id = "spiffe://other.example/ci/docs";
    vec![
        ("empty", vec![]),
        ("expired", of_time(earlier)),
        ("not_yet_valid", of_time(later)),
        (
            "key_mismatch",
            with(&|svid| svid.x509_svid_key = good().x509_svid_key),
        ),
        ("key", with(&|svid| svid.x509_svid_key = vec![1, 2, 3])),
        ("key", with(&|svid| svid.x509_svid_key = vec![])),
        (
            "not_der",
            with(&|svid| svid.x509_svid = b"garbage".to_vec()),
        ),
        ("not_der", with(&|svid| svid.x509_svid.push(0))),
        ("malformed", with(&|svid| svid.x509_svid = vec![0x30, 0])),
        ("no_certificate", with(&|svid| svid.x509_svid = vec![])),
        ("empty_bundle", with(&|svid| svid.bundle = vec![])),
        ("not_der", with(&|svid| svid.bundle = b"garbage".to_vec())),
        ("bundle", with(&|svid| svid.bundle = svid.x509_svid.clone())),
        (
            "bad_signature",
            with(&|svid| svid.bundle = der(authority("acme.example").certificate_pem())),
        ),
        // The declared name picks ours; the certificate has the last word.
        (
            "another_than_declared",
            with(&|svid| {
                *svid = X509svid {
                    spiffe_id: ID.to_owned(),
                    ..message(&ca, OTHER)
                }
            }),
        ),
        (
            "another_than_declared",
            with(&|svid| {
                *svid = X509svid {
                    spiffe_id: ID.to_owned(),
                    ..message(&foreign, foreign_id)
                }
            }),
        ),
        // Ours is missing, in messages that cannot be believed.
        ("foreign_domain", vec![message(&foreign, foreign_id)]),
        (
            "declared",
            with(&|svid| "spiffe://ACME.example/ci/docs".clone_into(&mut svid.spiffe_id)),
        ),
        (
            "key_mismatch",
            vec![X509svid {
                x509_svid_key: good().x509_svid_key,
                ..message(&ca, OTHER)
            }],
        ),
    ]
}

#[tokio::test]
async fn a_bad_message_changes_nothing_and_its_reason_is_told() {
    let ca = authority("acme.example");
    let first = message(&ca, ID);
    let fake = Fake::with_svids(vec![first.clone()]);
    let watched = svid(&fake, by_id(ID)).await;
    for (code, svids) in bad_messages() {
        fake.say(svids);
        let problem = watched.reports(Some(code)).await.unwrap();
        assert!(problem.to_string().contains("unix:///"), "{problem}");
        let svid = SvidSource::current(&watched.source);
        assert_eq!(chain(&svid), first.x509_svid, "{code}");
        assert!(svid.is_valid_at(now()), "{code}");
        fake.say(vec![first.clone()]);
        watched.reports(None).await;
    }
    let next = message(&ca, ID);
    fake.say(vec![next.clone()]);
    taken_over(&watched.source, &next).await;
}

#[tokio::test]
async fn a_start_with_a_bad_message_fails_with_its_reason() {
    for (code, svids) in bad_messages() {
        let fake = Fake::with_svids(svids);
        let settings = Settings {
            patience: Duration::from_millis(600),
            ..fake.settings()
        };
        let error = refused(settings, by_id(ID)).await;
        // Where nothing is in force yet, what is not ours is just not offered.
        let code = match code {
            "foreign_domain" | "declared" => "not_offered",
            code => code,
        };
        let found = error.why.code();
        assert!(found == code || found == "not_offered", "{code}: {error}");
    }
}

#[tokio::test]
async fn the_start_waits_until_there_is_an_api_and_an_identity() {
    let fake = Fake::silent();
    let _ = fake.svids.send_replace(Err(Code::PermissionDenied));
    let opening = workload_api::svid(fake.settings(), Selection::Default);
    let mut opening = Box::pin(opening);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut opening).await;
    assert!(early.is_err(), "there is no socket yet");
    let fake = fake.start();
    let early = tokio::time::timeout(Duration::from_millis(500), &mut opening).await;
    assert!(early.is_err(), "there is no identity yet");
    let svid = message(&authority("acme.example"), ID);
    fake.say(vec![svid.clone()]);
    let (source, _watcher) = opening.await.unwrap();
    taken_over(&source, &svid).await;
}

#[tokio::test]
async fn the_start_does_not_wait_for_ever_and_says_what_it_waited_for() {
    let fake = Fake::silent();
    let soon = |fake: &Fake| Settings {
        patience: Duration::from_millis(300),
        ..fake.settings()
    };
    let error = refused(soon(&fake), Selection::Default).await;
    assert_eq!(error.why.code(), "no_socket", "{error}");
    let fake = fake.start();
    let _ = fake.svids.send_replace(Err(Code::PermissionDenied));
    let error = refused(soon(&fake), Selection::Default).await;
    assert_eq!(error.why.code(), "no_identity", "{error}");
    fake.say(vec![message(&authority("acme.example"), OTHER)]);
    let error = refused(soon(&fake), by_id(ID)).await;
    assert!(
        error.to_string().contains(OTHER),
        "it says what is offered: {error}"
    );
    // Final: these are not waited for at all.
    for (code, why) in [
        (Code::InvalidArgument, "invalid_argument"),
        (Code::Unimplemented, "unimplemented"),
    ] {
        let _ = fake.svids.send_replace(Err(code));
        let error = refused(fake.settings(), Selection::Default).await;
        assert_eq!(error.why.code(), why, "{error}");
    }
}

#[tokio::test]
async fn what_is_taken_back_is_not_used_any_more_and_comes_back() {
    let ca = authority("acme.example");
    let ours = message(&ca, ID);
    let fake = Fake::with_svids(vec![ours.clone()]);
    let watched = svid(&fake, by_id(ID)).await;
    let withdrawn = || SvidSource::current(&watched.source).is_withdrawn();
    // A good message without ours.
    fake.say(vec![message(&ca, OTHER)]);
    watched.reports(Some("withdrawn")).await;
    assert!(withdrawn());
    assert!(!SvidSource::current(&watched.source).is_valid_at(now()));
    fake.say(vec![ours.clone()]);
    watched.reports(None).await;
    assert!(!withdrawn());
    // No identity at all.
    let _ = fake.svids.send_replace(Err(Code::PermissionDenied));
    watched.reports(Some("no_identity")).await;
    assert!(withdrawn());
    fake.say(vec![ours]);
    watched.reports(None).await;
    assert!(!withdrawn());
}

#[tokio::test]
async fn an_api_that_goes_and_comes_back_is_found_again() {
    let ca = authority("acme.example");
    let first = message(&ca, ID);
    let mut fake = Fake::with_svids(vec![first.clone()]);
    let watched = svid(&fake, Selection::Default).await;
    for _ in 0..3 {
        fake.stop().await;
        let mut problems = watched.source.subscribe_problem();
        problems.wait_for(Option::is_some).await.unwrap();
        assert!(SvidSource::current(&watched.source).is_valid_at(now()));
        let next = message(&ca, ID);
        fake.say(vec![next.clone()]);
        fake = fake.start();
        taken_over(&watched.source, &next).await;
        watched.reports(None).await;
    }
}

#[tokio::test]
async fn a_huge_message_is_refused_and_a_flood_is_survived() {
    let ca = authority("acme.example");
    let first = message(&ca, ID);
    let fake = Fake::with_svids(vec![first.clone()]);
    let watched = svid(&fake, by_id(ID)).await;
    let _ = fake.svids.send_replace(Ok(X509svidResponse {
        svids: vec![first.clone()],
        crl: vec![vec![0; 5 << 20]],
        ..X509svidResponse::default()
    }));
    watched.reports(Some("too_large")).await;
    assert!(SvidSource::current(&watched.source).is_valid_at(now()));
    for _ in 0..1000 {
        fake.say(vec![message(&ca, OTHER), X509svid::default()]);
        tokio::task::yield_now().await;
    }
    let next = message(&ca, ID);
    fake.say(vec![next.clone()]);
    taken_over(&watched.source, &next).await;
    watched.reports(None).await;
}

#[tokio::test]
async fn each_identity_is_found_by_its_hint_and_the_first_of_two_counts() {
    let ca = authority("acme.example");
    let hinted = |id: &str, hint: &str| X509svid {
        hint: hint.to_owned(),
        ..message(&ca, id)
    };
    let (a, b) = (hinted(ID, "internal"), hinted(OTHER, "external"));
    let fake = Fake::with_svids(vec![a.clone(), b.clone()]);
    let external = svid(&fake, Selection::Hint("external".to_owned())).await;
    let default = svid(&fake, Selection::Default).await;
    assert_eq!(SvidSource::current(&external.source).id().as_str(), OTHER);
    assert_eq!(SvidSource::current(&default.source).id().as_str(), ID);
    // The hint moves to another identity: who we are does not change under way.
    fake.say(vec![hinted(ID, "external"), hinted(OTHER, "")]);
    external.reports(Some("another_workload")).await;
    assert_eq!(SvidSource::current(&external.source).id().as_str(), OTHER);
    fake.say(vec![a, hinted(OTHER, "external"), hinted(ID, "external")]);
    external.reports(Some("same_hint")).await;
    assert_eq!(SvidSource::current(&external.source).id().as_str(), OTHER);
    assert!(SvidSource::current(&external.source).is_valid_at(now()));
}

#[tokio::test]
async fn only_bundles_of_named_domains_are_taken_and_each_for_itself() {
    let root = |name: &str| der(authority(name).certificate_pem());
    let (acme, partner, third) = (
        root("acme.example"),
        root("partner.example"),
        root("third.example"),
    );
    let fake = Fake::with_bundles(&[
        ("acme.example", acme.clone()),
        ("partner.example", partner.clone()),
        ("third.example", third.clone()),
    ]);
    let watched = bundles(&fake, &["acme.example", "partner.example"]).await;
    let trusted = || {
        let set = BundleSource::current(&watched.source);
        set.iter()
            .map(|bundle| bundle.trust_domain().to_string())
            .collect::<Vec<_>>()
    };
    let both = ["acme.example", "partner.example"];
    assert_eq!(trusted(), both, "the third one was never asked for");
    let before = BundleSource::current(&watched.source);

    // One is broken: it stays as it was, and so does the other, at its very address.
    fake.say_bundles(&[
        ("acme.example", acme.clone()),
        ("partner.example", vec![0x30, 0]),
    ]);
    watched.reports(Some("bundle")).await;
    assert_eq!(trusted(), both);
    let now = BundleSource::current(&watched.source);
    for name in both {
        let of = |set: &BundleSet| set.get(&domain(name)).cloned().unwrap();
        assert!(Arc::ptr_eq(&of(&before), &of(&now)), "{name}");
    }
    // A domain that is not named any more is not trusted any more.
    fake.say_bundles(&[("acme.example", acme.clone())]);
    watched.reports(Some("no_bundle")).await;
    assert_eq!(trusted(), ["acme.example"]);
    // An empty message, and one of quite another server, change nothing.
    fake.say_bundles(&[]);
    watched.reports(Some("empty")).await;
    fake.say_bundles(&[("third.example", third)]);
    watched.reports(Some("foreign_bundles")).await;
    assert_eq!(trusted(), ["acme.example"]);
    // New roots are taken over.
    fake.say_bundles(&[
        ("acme.example", root("acme.example")),
        ("partner.example", partner),
    ]);
    watched.reports(None).await;
    assert_eq!(trusted(), both);
    // Everything is taken back.
    let _ = fake.bundles.send_replace(Err(Code::PermissionDenied));
    watched.reports(Some("no_identity")).await;
    assert!(trusted().is_empty());
}
