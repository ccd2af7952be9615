//! What may be a root, and how bundles stand side by side.

use taskpass_identity::bundle::InvalidBundle;
use taskpass_identity::{Bundle, BundleSet};

use crate::support::der::{boolean, tlv};
use crate::support::domain;
use crate::support::mint::{
    Authority, BASIC_CONSTRAINTS, CLIENT_AUTH, CRL_SIGN, DIGITAL_SIGNATURE, Extension, KEY_USAGE,
    SERVER_AUTH, Template, rsa_public_key,
};

fn bundle(root: Template) -> Result<Bundle, InvalidBundle> {
    let root = Authority::root(root);
    Bundle::from_der(domain("acme.example"), [root.certificate])
}

#[test]
fn only_authorities_are_roots() {
    let root = || Template::authority("root");
    let explicit_false = tlv(0x30, &boolean(false));
    let unknown = Extension::new(&[1, 3, 6, 1, 4, 1, 99999, 1], true, vec![0x05, 0x00]);
    let version_1 = Template {
        version: 0,
        ..root()
    };
    let large = Template {
        public_key: Some(rsa_public_key(16384)),
        ..root()
    };
    let table: [(&str, Template, Option<&str>); 15] = [
        ("good", root(), None),
        (
            "of the domain",
            root().with(Extension::uri("spiffe://acme.example")),
            None,
        ),
        ("path length", root().with(Extension::path_length(0)), None),
        (
            "no basic constraints",
            root().without(BASIC_CONSTRAINTS),
            Some("issuer_not_ca"),
        ),
        (
            "no cA",
            root().with(Extension::authority(false)),
            Some("issuer_not_ca"),
        ),
        (
            "cA false",
            root().with(Extension::new(BASIC_CONSTRAINTS, true, explicit_false)),
            Some("issuer_not_ca"),
        ),
        (
            "a leaf",
            Template::leaf("spiffe://acme.example/a"),
            Some("issuer_not_ca"),
        ),
        (
            "no key usage",
            root().without(KEY_USAGE),
            Some("issuer_may_not_sign"),
        ),
        (
            "no keyCertSign",
            root().with(Extension::key_usage(CRL_SIGN | DIGITAL_SIGNATURE)),
            Some("issuer_may_not_sign"),
        ),
        (
            "servers only",
            root().with(Extension::purposes(&[SERVER_AUTH])),
            Some("issuer_purpose"),
        ),
        (
            "clients only",
            root().with(Extension::purposes(&[CLIENT_AUTH])),
            Some("issuer_purpose"),
        ),
        (
            "of another domain",
            root().with(Extension::uri("spiffe://other.example")),
            Some("issuer_of_another_domain"),
        ),
        (
            "unknown",
            root().and(unknown),
            Some("unknown_critical_extension"),
        ),
        ("version 1", version_1, Some("malformed")),
        ("large key", large, Some("key_not_allowed")),
    ];
    for (name, root, expected) in table {
        let code = bundle(root).err().map(|error| match error {
            InvalidBundle::Root { number: 1, why } => why.code(),
            other => panic!("{name}: {other}"),
        });
        assert_eq!(code, expected, "{name}");
    }
}

#[test]
fn a_bundle_says_which_root_is_wrong_and_what_to_do() {
    let good = Authority::root(Template::authority("good")).certificate;
    let bad = Authority::root(Template::authority("bad").without(KEY_USAGE)).certificate;
    let error = Bundle::from_der(domain("acme.example"), [good, bad]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "certificate 2 is not a root: an issuer's key usage lacks `keyCertSign`; roots need \
         `basicConstraints` with `cA` and `keyUsage` with `keyCertSign`"
    );
}

#[test]
fn pem_without_a_certificate_is_no_bundle() {
    let acme = || domain("acme.example");
    for pem in ["", "hello", "-----BEGIN X-----\nAAAA\n-----END X-----\n"] {
        let error = Bundle::from_pem(acme(), pem.as_bytes()).unwrap_err();
        assert_eq!(error, InvalidBundle::Empty, "{pem}");
    }
    let half = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    let error = Bundle::from_pem(acme(), half.as_bytes()).unwrap_err();
    assert!(matches!(error, InvalidBundle::Pem(_)), "{error}");
}

#[test]
fn two_bundles_of_one_trust_domain_are_refused_and_not_merged() {
    let acme = || bundle(Template::authority("root")).unwrap();
    let error = BundleSet::new([acme(), acme()]).unwrap_err();
    assert_eq!(error.0, domain("acme.example"));
}
