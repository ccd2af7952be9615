//! A peer is judged again on every call, by today's time and today's bundles.

use rustls_pki_types::CertificateDer;
use taskpass_identity::{Bundle, BundleSet, PeerSvid, SvidError};

use crate::support::mint::{Authority, Key, Template};
use crate::support::{domain, later, now};

const ID: &str = "spiffe://acme.example/ci/docs";
/// The first second after what these tests let end at 13:00.
const AN_HOUR: u64 = 3601;

fn root() -> Authority {
    Authority::root(Template::authority("root"))
}

fn trusting(roots: &[&Authority]) -> BundleSet {
    let roots = roots.iter().map(|root| root.certificate.clone());
    Bundle::from_der(domain("acme.example"), roots)
        .unwrap()
        .into()
}

fn peer(chain: &[CertificateDer<'_>], bundles: &BundleSet) -> PeerSvid {
    PeerSvid::verify(chain, bundles, now()).unwrap()
}

fn leaf(issuer: &Authority) -> CertificateDer<'static> {
    issuer.sign(&Template::leaf(ID), &Key::new())
}

#[test]
fn a_peer_stays_while_nothing_changes() {
    let root = root();
    let bundles = trusting(&[&root]);
    let peer = peer(&[leaf(&root)], &bundles);
    for seconds in 0..100 {
        assert_eq!(peer.recheck(&bundles, later(seconds)), Ok(()));
    }
}

#[test]
fn a_peer_is_refused_from_the_second_its_leaf_has_expired() {
    let root = root();
    let bundles = trusting(&[&root]);
    let short = Template::leaf(ID).valid("260101000000Z", "260601130000Z");
    let peer = peer(&[root.sign(&short, &Key::new())], &bundles);
    assert_eq!(peer.recheck(&bundles, later(3600)), Ok(()));
    assert_eq!(
        peer.recheck(&bundles, later(AN_HOUR)),
        Err(SvidError::Expired)
    );
}

#[test]
fn a_peer_is_refused_when_the_clock_is_set_back_before_its_leaf() {
    let root = root();
    let bundles = trusting(&[&root]);
    let fresh = Template::leaf(ID).valid("260601120000Z", "260601130000Z");
    let peer = peer(&[root.sign(&fresh, &Key::new())], &bundles);
    let before = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        now().as_secs() - 1,
    ));
    assert_eq!(peer.recheck(&bundles, before), Err(SvidError::NotYetValid));
}

#[test]
fn a_peer_is_refused_from_the_second_an_intermediate_has_expired() {
    let root = root();
    let bundles = trusting(&[&root]);
    let short = Template::authority("intermediate").valid("260101000000Z", "260601130000Z");
    let intermediate = root.authority(short);
    let peer = peer(&[leaf(&intermediate), intermediate.certificate], &bundles);
    assert_eq!(peer.recheck(&bundles, later(3600)), Ok(()));
    assert_eq!(
        peer.recheck(&bundles, later(AN_HOUR)),
        Err(SvidError::IssuerExpired)
    );
}

#[test]
fn a_peer_is_refused_from_the_second_its_root_has_expired() {
    let short = Template::authority("root").valid("260101000000Z", "260601130000Z");
    let root = Authority::root(short);
    let bundles = trusting(&[&root]);
    let peer = peer(&[leaf(&root)], &bundles);
    assert_eq!(peer.recheck(&bundles, later(3600)), Ok(()));
    assert_eq!(
        peer.recheck(&bundles, later(AN_HOUR)),
        Err(SvidError::IssuerExpired)
    );
}

#[test]
fn a_peer_is_refused_from_the_second_the_root_above_its_intermediate_has_expired() {
    let short = Template::authority("root").valid("260101000000Z", "260601130000Z");
    let root = Authority::root(short);
    let intermediate = root.authority(Template::authority("intermediate"));
    let bundles = trusting(&[&root]);
    let peer = peer(&[leaf(&intermediate), intermediate.certificate], &bundles);
    assert_eq!(peer.recheck(&bundles, later(3600)), Ok(()));
    assert_eq!(
        peer.recheck(&bundles, later(AN_HOUR)),
        Err(SvidError::IssuerExpired)
    );
}

#[test]
fn a_peer_is_refused_on_the_next_call_after_its_root_was_taken_out() {
    let (old, new) = (root(), Authority::root(Template::authority("new root")));
    let both = trusting(&[&old, &new]);
    let peer = peer(&[leaf(&old)], &both);
    assert_eq!(peer.recheck(&both, now()), Ok(()));
    let refused = Err(SvidError::UnknownIssuer(domain("acme.example")));
    let only_new = trusting(&[&new]);
    assert_eq!(peer.recheck(&only_new, now()), refused);
    assert_eq!(peer.recheck(&only_new, now()), refused);
    // What was refused once is not refused for ever: the root may come back.
    assert_eq!(peer.recheck(&both, now()), Ok(()));
    assert_eq!(peer.recheck(&trusting(&[&old]), now()), Ok(()));
}

#[test]
fn a_peer_is_refused_when_its_bundle_is_gone_or_empty() {
    let root = root();
    let bundles = trusting(&[&root]);
    let peer = peer(&[leaf(&root)], &bundles);
    let acme = || domain("acme.example");
    let none = peer.recheck(&BundleSet::default(), now());
    assert_eq!(none, Err(SvidError::UntrustedDomain(acme())));
    let empty = peer.recheck(&trusting(&[]), now());
    assert_eq!(empty, Err(SvidError::EmptyBundle(acme())));
}

#[test]
fn a_peer_whose_intermediate_expired_stays_if_another_path_is_still_valid() {
    let root = root();
    let bundles = trusting(&[&root]);
    let short = Template::authority("intermediate").valid("260101000000Z", "260601130000Z");
    let intermediate = root.authority(short);
    let renewed = {
        let key = Key(rcgen::KeyPair::try_from(intermediate.key.0.serialize_der()).unwrap());
        root.sign(&Template::authority("intermediate"), &key)
    };
    let chain = [leaf(&intermediate), intermediate.certificate, renewed];
    let peer = peer(&chain, &bundles);
    assert_eq!(peer.recheck(&bundles, later(AN_HOUR)), Ok(()));
    assert_eq!(peer.recheck(&bundles, later(AN_HOUR + 1)), Ok(()));
}

#[test]
fn a_peer_shows_who_it_is() {
    let root = root();
    let chain = [leaf(&root)];
    let peer = peer(&chain, &trusting(&[&root]));
    assert_eq!(peer.id().as_str(), ID);
    assert_eq!(peer.chain(), chain);
    assert_eq!(peer.expires_at().as_secs(), 1_798_761_600);
    let expected = ring::digest::digest(&ring::digest::SHA256, &chain[0]);
    assert_eq!(peer.thumbprint(), expected.as_ref());
}
