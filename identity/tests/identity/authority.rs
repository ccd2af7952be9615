//! The certificate authority for development.

use taskpass_identity::ca::{CaError, CertificateAuthority};
use taskpass_identity::{BundleSet, SpiffeId, verify};

use crate::support::{HOUR, domain, later, now};

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::new(domain("acme.example"), HOUR * 24, now()).unwrap()
}

#[test]
fn issues_svids_that_its_own_bundle_trusts() {
    let ca = authority();
    let docs = id("spiffe://acme.example/ci/docs");
    let svid = ca.issue(&docs, HOUR, now()).unwrap().parse().unwrap();
    let bundles = BundleSet::from(ca.bundle().unwrap());
    let verified = verify(svid.chain(), &bundles, now()).unwrap();
    assert_eq!(verified.id, docs);
    assert_eq!(verified.validity.not_after, later(3600));
    assert!(verify(svid.chain(), &bundles, later(3601)).is_err());
}

#[test]
fn can_be_kept_and_taken_up_again() {
    let ca = authority();
    let bundles = BundleSet::from(ca.bundle().unwrap());
    let kept = (ca.certificate_pem().to_owned(), ca.private_key_pem());
    let again = CertificateAuthority::from_pem(domain("acme.example"), &kept.0, &kept.1).unwrap();
    assert_eq!(again.certificate_pem(), ca.certificate_pem());
    let docs = id("spiffe://acme.example/ci/docs");
    let svid = again.issue(&docs, HOUR, now()).unwrap().parse().unwrap();
    verify(svid.chain(), &bundles, now()).unwrap();
}

#[test]
fn vouches_for_its_own_trust_domain_only() {
    let ca = authority();
    let foreign = id("spiffe://other.example/ci/docs");
    let Err(error) = ca.issue(&foreign, HOUR, now()) else {
        panic!("issued");
    };
    assert!(matches!(error, CaError::AnotherDomain { .. }), "{error}");
    let kept = CertificateAuthority::from_pem(
        domain("other.example"),
        ca.certificate_pem(),
        &ca.private_key_pem(),
    );
    assert!(matches!(kept, Err(CaError::Root(_))));
}

#[test]
fn is_refused_with_another_key() {
    let (ca, other) = (authority(), authority());
    let kept = CertificateAuthority::from_pem(
        domain("acme.example"),
        ca.certificate_pem(),
        &other.private_key_pem(),
    );
    assert!(matches!(kept, Err(CaError::KeyMismatch)));
}

#[test]
fn a_lifetime_beyond_reason_is_cut() {
    let ca = CertificateAuthority::new(domain("acme.example"), std::time::Duration::MAX, now());
    let ends = ca.unwrap().validity().not_after;
    assert_eq!(ends, later(10 * 365 * 24 * 3600));
}
