//! SVIDs that `openssl` minted: another implementation of every format.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use taskpass_identity::source::fixed::{FixedBundles, FixedSvid};
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_identity::{Bundle, BundleSet, PeerSvid, X509Svid};

use crate::support::domain;
use crate::support::tls::meet;

const ID: &str = "spiffe://acme.example/ci/docs";

const LEAF: &str = "\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = URI:spiffe://acme.example/ci/docs
";

const AUTHORITY: &str = "\
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectAltName = URI:spiffe://acme.example
subjectKeyIdentifier = hash
";

/// How `openssl` is told to make a key.
const KEYS: [(&str, &[&str]); 5] = [
    (
        "P-256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "P-384",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    ("Ed25519", &["-algorithm", "ED25519"]),
    (
        "RSA 2048",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
    (
        "RSA 3072",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    ),
];

#[tokio::test]
async fn svids_of_openssl_are_trusted() {
    if !is_installed() {
        return;
    }
    for (name, arguments) in KEYS {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        mint(directory, arguments);
        let identity = identity(directory, "leaf.key");
        let server = Arc::new(identity.server_config().unwrap());
        let client = identity
            .client_config(ID.parse().unwrap(), Alpn::H2)
            .unwrap();
        let (server_saw, client_saw) = meet(server, Arc::new(client)).await;
        client_saw.unwrap_or_else(|error| panic!("{name}: {error}"));
        let chain = server_saw
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .peer;
        let now = DefaultTimeProvider.current_time().unwrap();
        let peer = PeerSvid::verify(&chain, &identity.bundles.current(), now).unwrap();
        assert_eq!(peer.id().as_str(), ID);
    }
}

#[test]
fn keys_in_the_older_formats_are_read() {
    if !is_installed() {
        return;
    }
    for (_, arguments) in [KEYS[0], KEYS[3]] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        mint(directory, arguments);
        openssl(
            directory,
            &["pkey", "-in", "leaf.key", "-traditional", "-out", "old.key"],
        );
        let svid = identity(directory, "old.key").svids.current();
        assert_eq!(svid.id().as_str(), ID);
    }
}

/// Mints a root, an intermediate and a leaf with its chain.
fn mint(directory: &Path, key: &[&str]) {
    std::fs::write(directory.join("leaf.ext"), LEAF).unwrap();
    std::fs::write(directory.join("authority.ext"), AUTHORITY).unwrap();
    for name in ["root", "intermediate", "leaf"] {
        let file = format!("{name}.key");
        openssl(directory, &[&["genpkey", "-out", &file], key].concat());
        let (request, subject) = (format!("{name}.csr"), format!("/O=Acme/CN={name}"));
        openssl(
            directory,
            &[
                "req", "-new", "-key", &file, "-subj", &subject, "-out", &request,
            ],
        );
    }
    let sign = |name: &str, extensions: &str, signer: &[&str]| {
        let (request, certificate) = (format!("{name}.csr"), format!("{name}.crt"));
        let arguments = [
            "x509",
            "-req",
            "-days",
            "1",
            "-in",
            &request,
            "-out",
            &certificate,
        ];
        openssl(
            directory,
            &[&arguments[..], &["-extfile", extensions], signer].concat(),
        );
    };
    let by = |issuer: &'static str| {
        let [certificate, key] = match issuer {
            "root" => ["root.crt", "root.key"],
            _ => ["intermediate.crt", "intermediate.key"],
        };
        ["-CA", certificate, "-CAkey", key, "-CAcreateserial"]
    };
    sign("root", "authority.ext", &["-signkey", "root.key"]);
    sign("intermediate", "authority.ext", &by("root"));
    sign("leaf", "leaf.ext", &by("intermediate"));
}

fn identity(directory: &Path, key: &str) -> TlsIdentity {
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
    let chain = [read("leaf.crt"), read("intermediate.crt")].concat();
    let bundle = Bundle::from_pem(domain("acme.example"), &read("root.crt")).unwrap();
    TlsIdentity {
        svids: Arc::new(FixedSvid::new(
            X509Svid::from_pem(&chain, &read(key)).unwrap(),
        )),
        bundles: Arc::new(FixedBundles::new(BundleSet::from(bundle))),
        time: Arc::new(DefaultTimeProvider),
    }
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {error}");
}

#[allow(
    clippy::print_stderr,
    reason = "a test that was left out has to be seen"
)]
fn is_installed() -> bool {
    let mut version = Command::new("openssl");
    let status = version.arg("version").stdout(Stdio::null()).status();
    let is_installed = status.is_ok_and(|status| status.success());
    if !is_installed {
        eprintln!("SKIPPED: there is no `openssl`, so nothing is known about what it mints");
    }
    is_installed
}
