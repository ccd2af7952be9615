//! SVIDs and bundles in files that rotate.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use taskpass_identity::ca::{CertificateAuthority, IssuedSvid};
use taskpass_identity::source::files::{self, FileError, FileSource, Reloader, SvidPaths, WhyFile};
use taskpass_identity::source::fixed::FixedBundles;
use taskpass_identity::svid::InvalidX509Svid;
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_identity::{BundleSet, BundleSource, SvidSource, X509Svid};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::tls::meet;
use crate::support::{Frozen, HOUR, clock, domain, later, now};

const ID: &str = "spiffe://acme.example/ci/docs";
const OFTEN: Duration = Duration::from_millis(5);

/// A directory with the files of an SVID, and who issues it.
struct Place {
    directory: tempfile::TempDir,
    ca: CertificateAuthority,
}

impl Place {
    fn new() -> Self {
        let domain = domain("acme.example");
        Self {
            directory: tempfile::tempdir().unwrap(),
            ca: CertificateAuthority::new(domain, HOUR * 24, now()).unwrap(),
        }
    }

    /// A place whose files hold a good SVID.
    fn with_svid() -> Self {
        let place = Self::new();
        place.write(&place.issue(HOUR, now()));
        place
    }

    fn issue(&self, lifetime: Duration, at: UnixTime) -> IssuedSvid {
        self.ca.issue(&ID.parse().unwrap(), lifetime, at).unwrap()
    }

    fn write(&self, svid: &IssuedSvid) {
        replace(&self.paths().certificate, svid.certificates_pem.as_bytes());
        replace(&self.paths().private_key, svid.private_key_pem.as_bytes());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn paths(&self) -> SvidPaths {
        SvidPaths {
            certificate: self.path("svid.pem"),
            private_key: self.path("svid.key"),
        }
    }

    fn open(&self) -> Result<(FileSource<X509Svid>, Reloader), FileError> {
        files::svid(self.paths(), clock())
    }

    fn bundle_paths(&self) -> BTreeMap<taskpass_identity::TrustDomain, PathBuf> {
        BTreeMap::from([(domain("acme.example"), self.path("roots.pem"))])
    }
}

/// A clock that a test sets, in seconds since 1970.
#[derive(Debug)]
struct Settable(AtomicU64);

impl TimeProvider for Settable {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A reloader at work; it ends with the test.
struct Running {
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    fn start(reloader: Reloader) -> Self {
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(reloader.every(OFTEN).run(shutdown.clone()));
        Self { shutdown, tasks }
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

/// Writes a file the way careful programs do: beside it, then renamed over it.
fn replace(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, path).unwrap();
}

fn leaf(pem: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes());
    der.unwrap().to_vec()
}

/// Waits for what has to come; a test that fails is not to hang.
async fn soon<F: Future>(event: F) -> F::Output {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, event).await.unwrap()
}

/// Waits until the source has a problem that fits.
async fn problem<T>(source: &FileSource<T>, fits: impl Fn(&WhyFile) -> bool) -> Arc<FileError> {
    let mut problems = source.subscribe_problem();
    let has_it = |problem: &Option<Arc<FileError>>| problem.as_ref().is_some_and(|p| fits(&p.why));
    let problem = soon(problems.wait_for(has_it)).await.unwrap();
    problem.clone().unwrap()
}

async fn no_problem<T>(source: &FileSource<T>) {
    let mut problems = source.subscribe_problem();
    soon(problems.wait_for(Option::is_none)).await.unwrap();
}

async fn taken_over(source: &FileSource<X509Svid>, svid: &IssuedSvid) {
    let expected = leaf(&svid.certificates_pem);
    let mut changes = source.subscribe();
    let is_it = |svid: &Arc<X509Svid>| svid.chain()[0].as_ref() == expected;
    soon(changes.wait_for(is_it)).await.unwrap();
}

#[tokio::test]
async fn a_new_pair_is_taken_over() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let running = Running::start(reloader);
    for _ in 0..5 {
        let next = place.issue(HOUR, now());
        place.write(&next);
        taken_over(&source, &next).await;
    }
    no_problem(&source).await;
    running.stop().await;
}

#[tokio::test]
async fn files_written_in_place_are_taken_over() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let running = Running::start(reloader);
    let next = place.issue(HOUR, now());
    fs::write(place.paths().certificate, &next.certificates_pem).unwrap();
    fs::write(place.paths().private_key, next.private_key_pem.as_bytes()).unwrap();
    taken_over(&source, &next).await;
    running.stop().await;
}

#[tokio::test]
async fn a_swapped_directory_is_taken_over() {
    // As Kubernetes does it: the files are links over `..data`, which is a link that is replaced.
    let place = Place::new();
    let version = |name: &str| {
        let svid = place.issue(HOUR, now());
        let directory = place.path(name);
        fs::create_dir(&directory).unwrap();
        replace(
            &directory.join("svid.pem"),
            svid.certificates_pem.as_bytes(),
        );
        replace(&directory.join("svid.key"), svid.private_key_pem.as_bytes());
        svid
    };
    version("..1");
    symlink("..1", place.path("..data")).unwrap();
    symlink("..data/svid.pem", place.path("svid.pem")).unwrap();
    symlink("..data/svid.key", place.path("svid.key")).unwrap();
    let (source, reloader) = place.open().unwrap();
    let running = Running::start(reloader);
    let next = version("..2");
    symlink("..2", place.path("..new")).unwrap();
    fs::rename(place.path("..new"), place.path("..data")).unwrap();
    taken_over(&source, &next).await;
    running.stop().await;
}

#[tokio::test]
async fn the_old_pair_stays_while_the_new_one_is_broken() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let old = source.current();
    let running = Running::start(reloader);
    let SvidPaths {
        certificate,
        private_key,
    } = place.paths();
    let good = place.issue(HOUR, now());
    let pem = good.certificates_pem.as_bytes();
    let is_svid = |why: &WhyFile, expected: fn(&InvalidX509Svid) -> bool| matches!(why, WhyFile::Svid(why) if expected(why));

    replace(&certificate, pem);
    let found = problem(&source, |why| {
        is_svid(why, |w| *w == InvalidX509Svid::KeyMismatch)
    })
    .await;
    assert_eq!(found.path, certificate);

    replace(&certificate, &pem[..pem.len() / 2]);
    let is_half = |why: &InvalidX509Svid| matches!(why, InvalidX509Svid::CertificatePem(_));
    problem(&source, |why| is_svid(why, is_half)).await;

    replace(&certificate, b"");
    let is_empty = |why: &InvalidX509Svid| matches!(why, InvalidX509Svid::Certificate(_));
    problem(&source, |why| is_svid(why, is_empty)).await;

    fs::remove_file(&certificate).unwrap();
    problem(&source, |why| *why == WhyFile::Missing).await;

    fs::create_dir(&certificate).unwrap();
    problem(&source, |why| *why == WhyFile::NotAFile).await;
    fs::remove_dir(&certificate).unwrap();

    replace(&certificate, pem);
    replace(&private_key, b"hello");
    let found = problem(&source, |why| {
        is_svid(why, |w| *w == InvalidX509Svid::NoKey)
    })
    .await;
    assert_eq!(found.path, private_key);

    replace(&private_key, good.private_key_pem.as_bytes());
    fs::set_permissions(&private_key, fs::Permissions::from_mode(0o604)).unwrap();
    problem(&source, |why| *why == WhyFile::OpenToOthers(0o604)).await;

    assert_eq!(source.current().chain(), old.chain());
    fs::set_permissions(&private_key, fs::Permissions::from_mode(0o640)).unwrap();
    taken_over(&source, &good).await;
    no_problem(&source).await;
    running.stop().await;
}

#[tokio::test]
async fn a_pair_of_another_time_does_not_replace_a_good_one() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let old = source.current();
    let running = Running::start(reloader);
    place.write(&place.issue(HOUR, later(7200)));
    problem(&source, |why| *why == WhyFile::NotYetValid).await;
    let past = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - 7200));
    place.write(&place.issue(HOUR, past));
    problem(&source, |why| *why == WhyFile::Expired).await;
    assert_eq!(source.current().chain(), old.chain());
    running.stop().await;
}

#[tokio::test]
async fn an_svid_that_nobody_renewed_is_a_problem_once_it_has_expired() {
    let place = Place::with_svid();
    let clock = Arc::new(Settable(AtomicU64::new(now().as_secs())));
    let (source, reloader) = files::svid(place.paths(), clock.clone()).unwrap();
    let running = Running::start(reloader);
    clock.0.store(later(3601).as_secs(), Ordering::Relaxed);
    problem(&source, |why| *why == WhyFile::Expired).await;
    let next = place.issue(HOUR, later(3601));
    place.write(&next);
    taken_over(&source, &next).await;
    no_problem(&source).await;
    running.stop().await;
}

#[tokio::test]
async fn a_pair_of_another_workload_does_not_replace_a_good_one() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let running = Running::start(reloader);
    let other = "spiffe://acme.example/ci/other".parse().unwrap();
    place.write(&place.ca.issue(&other, HOUR, now()).unwrap());
    let found = problem(&source, |why| {
        matches!(why, WhyFile::AnotherWorkload { .. })
    })
    .await;
    let expected = "it is now the SVID of `spiffe://acme.example/ci/other` and was that of \
                    `spiffe://acme.example/ci/docs`; restart to change who this is";
    assert_eq!(found.why.to_string(), expected);
    assert_eq!(SvidSource::current(&source).id().as_str(), ID);
    running.stop().await;
}

#[tokio::test]
async fn a_problem_is_gone_when_the_old_pair_is_put_back() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let running = Running::start(reloader);
    let certificate = fs::read(place.paths().certificate).unwrap();
    replace(&place.paths().certificate, b"");
    problem(&source, |_| true).await;
    replace(&place.paths().certificate, &certificate);
    no_problem(&source).await;
    running.stop().await;
}

#[tokio::test]
async fn a_start_with_bad_files_says_which_and_what_to_do() {
    let place = Place::new();
    let SvidPaths {
        certificate,
        private_key,
    } = place.paths();
    let refused = || place.open().unwrap_err().to_string();
    let shown = |path: &Path| format!("cannot use `{}`: ", path.display());

    let missing = "there is no such file; check the path in the configuration";
    assert_eq!(refused(), shown(&certificate) + missing);

    place.write(&place.issue(HOUR, now()));
    fs::set_permissions(&private_key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = "others may access this private key (mode 0644); run `chmod o= ` on it";
    assert_eq!(
        refused(),
        shown(&private_key) + &open.replace("o= `", "o=`")
    );

    place.write(&place.issue(HOUR, now()));
    replace(&certificate, &vec![b'\n'; (1 << 20) + 1]);
    let large = "it is larger than 1 MiB; is the path right?";
    assert_eq!(refused(), shown(&certificate) + large);

    place.write(&place.issue(HOUR, now()));
    let late = Arc::new(Frozen(later(3601)));
    let expired = "the SVID in it has expired; is whatever renews it still running?";
    let error = files::svid(place.paths(), late).unwrap_err();
    assert_eq!(error.to_string(), shown(&certificate) + expired);
}

#[tokio::test]
async fn bundles_follow_their_files_and_are_never_lost() {
    let place = Place::new();
    let roots = place.path("roots.pem");
    let other = Place::new();
    let (ours, theirs) = (place.ca.certificate_pem(), other.ca.certificate_pem());
    replace(&roots, ours.as_bytes());
    let (source, reloader) = files::bundles(place.bundle_paths()).unwrap();
    let running = Running::start(reloader);
    let roots_now = || source.current().get(&domain("acme.example")).unwrap().len();
    assert_eq!(roots_now(), 1);
    let mut changes = source.subscribe();

    replace(&roots, format!("{ours}{theirs}").as_bytes());
    soon(changes.changed()).await.unwrap();
    assert_eq!(roots_now(), 2);

    replace(&roots, &ours.as_bytes()[..100]);
    problem(&source, |why| matches!(why, WhyFile::Bundle(_))).await;
    replace(&roots, b"");
    problem(&source, |why| {
        why.to_string().starts_with("there is no certificate in it")
    })
    .await;
    fs::remove_file(&roots).unwrap();
    problem(&source, |why| *why == WhyFile::Missing).await;
    assert_eq!(roots_now(), 2);

    replace(&roots, theirs.as_bytes());
    soon(changes.changed()).await.unwrap();
    assert_eq!(roots_now(), 1);
    running.stop().await;
}

#[tokio::test]
async fn one_broken_bundle_does_not_hold_up_the_others() {
    let (place, other) = (Place::new(), Place::new());
    let (ours, theirs) = (place.path("roots.pem"), place.path("theirs.pem"));
    let (first, second) = (place.ca.certificate_pem(), other.ca.certificate_pem());
    let foreign = CertificateAuthority::new(domain("other.example"), HOUR, now()).unwrap();
    replace(&ours, format!("{first}{second}").as_bytes());
    replace(&theirs, foreign.certificate_pem().as_bytes());
    let mut paths = place.bundle_paths();
    paths.insert(domain("other.example"), theirs.clone());
    let (source, reloader) = files::bundles(paths).unwrap();
    let running = Running::start(reloader);
    let kept = source.current().get(&domain("other.example")).cloned();

    replace(&theirs, b"");
    let found = problem(&source, |_| true).await;
    assert_eq!(found.path, theirs);
    let mut changes = source.subscribe();
    replace(&ours, second.as_bytes());
    soon(changes.changed()).await.unwrap();

    let bundles = source.current();
    assert_eq!(bundles.get(&domain("acme.example")).unwrap().len(), 1);
    let still = bundles.get(&domain("other.example")).unwrap();
    assert!(Arc::ptr_eq(still, &kept.unwrap()));
    assert_eq!(source.problem().unwrap().path, theirs);
    running.stop().await;
}

#[tokio::test]
async fn no_handshake_is_refused_while_both_sides_rotate() {
    const ROTATIONS: usize = 50;
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    let running = Running::start(reloader);
    let bundle = BundleSet::from(place.ca.bundle().unwrap());
    let identity = TlsIdentity {
        svids: Arc::new(source.clone()),
        bundles: Arc::new(FixedBundles::new(bundle)),
        time: clock(),
    };
    let server = Arc::new(identity.server_config().unwrap());
    let client = identity
        .client_config(ID.parse().unwrap(), Alpn::H2)
        .unwrap();
    let client = Arc::new(client);

    let done = CancellationToken::new();
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (server, client, done) = (Arc::clone(&server), Arc::clone(&client), done.clone());
        callers.spawn(async move {
            let mut handshakes = 0;
            while !done.is_cancelled() {
                let (server_saw, client_saw) = meet(Arc::clone(&server), Arc::clone(&client)).await;
                server_saw.unwrap();
                client_saw.unwrap();
                handshakes += 1;
                tokio::task::yield_now().await;
            }
            handshakes
        });
    }
    for _ in 0..ROTATIONS {
        let next = place.issue(HOUR, now());
        // Not at once, so that readers come between the two.
        fs::write(place.paths().certificate, &next.certificates_pem).unwrap();
        tokio::task::yield_now().await;
        fs::write(place.paths().private_key, next.private_key_pem.as_bytes()).unwrap();
        taken_over(&source, &next).await;
        let (server_saw, _) = meet(Arc::clone(&server), Arc::clone(&client)).await;
        assert_eq!(
            server_saw.unwrap().peer[0].as_ref(),
            leaf(&next.certificates_pem)
        );
    }
    done.cancel();
    while let Some(handshakes) = callers.join_next().await {
        assert!(handshakes.unwrap() > 0);
    }
    running.stop().await;
}

#[tokio::test]
async fn reading_ends_with_the_shutdown() {
    let place = Place::with_svid();
    let (source, reloader) = place.open().unwrap();
    Running::start(reloader).stop().await;
    assert_eq!(SvidSource::current(&source).id().as_str(), ID);
}
