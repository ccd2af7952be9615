//! SVIDs of our own.

use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use taskpass_identity::svid::InvalidX509Svid;
use taskpass_identity::{SvidError, X509Svid};

use crate::support::mint::{Authority, Key, Template};
use crate::support::pem;

const ID: &str = "spiffe://acme.example/ci/docs";

/// A good chain of two, and its key.
fn minted() -> (Vec<CertificateDer<'static>>, Key) {
    let root = Authority::root(Template::authority("root"));
    let intermediate = root.authority(Template::authority("intermediate"));
    let key = Key::new();
    let leaf = intermediate.sign(&Template::leaf(ID), &key);
    (vec![leaf, intermediate.certificate], key)
}

#[test]
fn reads_certificates_and_key() {
    let (chain, key) = minted();
    let svid = X509Svid::from_pem(pem(&chain).as_bytes(), key.0.serialize_pem().as_bytes());
    let svid = svid.unwrap();
    assert_eq!(svid.id().as_str(), ID);
    assert_eq!(svid.chain(), chain);
    assert_eq!(svid.expires_at().as_secs(), 1_798_761_600);
}

#[test]
fn never_prints_its_key() {
    let (chain, key) = minted();
    let secret = key.0.serialize_der();
    let svid = X509Svid::from_der(chain, PrivateKeyDer::Pkcs8(secret.clone().into())).unwrap();
    let printed = format!("{svid:?}");
    assert!(
        printed.contains(ID) && printed.contains("[redacted]"),
        "{printed}"
    );
    assert!(!printed.contains(&format!("{:?}", &secret[40..50]).replace(['[', ']'], "")));
}

#[test]
fn says_what_is_wrong_and_what_to_do() {
    let (chain, key) = minted();
    let certificates = pem(&chain);
    let key = key.0.serialize_pem();
    let other = KeyPair::generate().unwrap().serialize_pem();
    let large = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let table = [
        ("", key.as_str(), "no certificate was presented"),
        ("hello", &key, "no certificate was presented"),
        (&certificates[..300], &key, "the file may be half written"),
        (&certificates, "", "give a PEM block `PRIVATE KEY`"),
        (&certificates, &key[..60], "the file may be half written"),
        (&certificates, large, "give an unencrypted P-256"),
        (&certificates, &other, "one of the two may be older"),
        (
            &certificates,
            &certificates,
            "give a PEM block `PRIVATE KEY`",
        ),
    ];
    for (certificates, key, expected) in table {
        let error = X509Svid::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn errors_never_repeat_what_stands_in_a_key_file() {
    let (chain, _) = minted();
    for key in [
        "s3cr3t",
        "-----BEGIN s3cr3t-----\ns3cr3t",
        "-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n",
    ] {
        let error = X509Svid::from_pem(pem(&chain).as_bytes(), key.as_bytes()).unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("s3cr3t"), "{printed}");
    }
}

#[test]
fn holds_itself_to_the_rules_of_peers() {
    let root = Authority::root(Template::authority("root"));
    let key = Key::new();
    let leaf = root.sign(
        &Template::leaf(ID).without(crate::support::mint::KEY_USAGE),
        &key,
    );
    let private_key = PrivateKeyDer::Pkcs8(key.0.serialize_der().into());
    let error = X509Svid::from_der(vec![leaf], private_key).unwrap_err();
    assert_eq!(
        error,
        InvalidX509Svid::Certificate(SvidError::LeafWithoutKeyUsage)
    );
}
