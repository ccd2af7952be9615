//! Good and bad leaves, issuers and chains by name, each held against the pure verifier and sent
//! through real handshakes in both directions and both versions of TLS.

mod chains;
mod issuers;
mod keys;
mod leaves;
mod names;

use std::collections::BTreeSet;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::CertificateDer;
use taskpass_identity::source::fixed::{FixedBundles, FixedSvid};
use taskpass_identity::tls::{Alpn, TlsIdentity, failure_code};
use taskpass_identity::{Bundle, BundleSet, SpiffeId, SvidError, X509Svid, verify};

use crate::support::mint::{Authority, Key, Template};
use crate::support::tls::{careless_client, careless_server, meet};
use crate::support::{clock, domain, now};

const ID: &str = "spiffe://acme.example/ci/docs";

/// What a peer presents, and what is to come of it.
struct Case {
    name: &'static str,
    chain: Vec<CertificateDer<'static>>,
    key: Key,
    /// The roots that are trusted, by trust domain.
    trusted: Vec<(&'static str, Vec<CertificateDer<'static>>)>,
    /// The label of the refusal, if it is to be refused.
    refused: Option<&'static str>,
}

impl Case {
    fn good(name: &'static str, presented: Presented) -> Self {
        Self::new(name, presented, None)
    }

    fn bad(name: &'static str, code: &'static str, presented: Presented) -> Self {
        Self::new(name, presented, Some(code))
    }

    fn new(name: &'static str, presented: Presented, refused: Option<&'static str>) -> Self {
        Self {
            name,
            chain: presented.chain,
            key: presented.key,
            trusted: presented.trusted,
            refused,
        }
    }

    fn bundles(&self) -> Arc<BundleSet> {
        let bundles = self
            .trusted
            .iter()
            .map(|(name, roots)| Bundle::from_der(domain(name), roots.clone()).unwrap());
        Arc::new(BundleSet::new(bundles).unwrap())
    }
}

/// A chain with the leaf's key, and who is trusted.
struct Presented {
    chain: Vec<CertificateDer<'static>>,
    key: Key,
    trusted: Vec<(&'static str, Vec<CertificateDer<'static>>)>,
}

impl Presented {
    /// A leaf right below a good root.
    fn leaf(leaf: &Template) -> Self {
        Self::leaf_of(&Authority::root(Template::authority("root")), leaf)
    }

    /// A leaf right below a root.
    fn leaf_of(root: &Authority, leaf: &Template) -> Self {
        Self::below(root, &[], leaf)
    }

    /// A good leaf below authorities that issue for one another; the first is the root.
    fn authorities(root: Template, intermediates: Vec<Template>) -> Self {
        let root = Authority::root(root);
        let mut issued: Vec<Authority> = Vec::new();
        for template in intermediates {
            issued.push(issued.last().unwrap_or(&root).authority(template));
        }
        Self::below(&root, &issued, &Template::leaf(ID))
    }

    fn below(root: &Authority, intermediates: &[Authority], leaf: &Template) -> Self {
        let key = Key::new();
        let issuer = intermediates.last().unwrap_or(root);
        let mut chain = vec![issuer.sign(leaf, &key)];
        chain.extend(intermediates.iter().rev().map(|i| i.certificate.clone()));
        Self {
            chain,
            key,
            trusted: vec![("acme.example", vec![root.certificate.clone()])],
        }
    }

    fn trusting(mut self, trusted: Vec<(&'static str, Vec<CertificateDer<'static>>)>) -> Self {
        self.trusted = trusted;
        self
    }

    fn sending(mut self, change: impl FnOnce(&mut Vec<CertificateDer<'static>>)) -> Self {
        change(&mut self.chain);
        self
    }
}

fn all() -> Vec<Case> {
    let mut cases = leaves::cases();
    cases.extend(names::cases());
    cases.extend(keys::cases());
    cases.extend(issuers::cases());
    cases.extend(chains::cases());
    cases
}

#[test]
fn the_matrix_is_large_and_every_case_has_its_own_name() {
    let cases = all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.iter().filter(|c| c.refused.is_some()).count() >= 80);
    assert!(cases.iter().filter(|c| c.refused.is_none()).count() >= 30);
}

#[test]
fn every_refusal_has_a_case() {
    // The first needs no certificate, the second a client that expects somebody, and the third
    // stands for what `webpki` may find some day.
    let elsewhere = ["no_certificate", "unexpected_id", "path"];
    let text = include_str!("../../../src/svid_error.rs");
    let codes = text.split("pub fn code").nth(1).unwrap();
    let codes: BTreeSet<_> = codes.split('"').skip(1).step_by(2).collect();
    let refused: BTreeSet<_> = all().into_iter().filter_map(|case| case.refused).collect();
    let missing: Vec<_> = codes.difference(&refused).collect();
    assert_eq!(
        missing,
        elsewhere
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn the_verifier_decides_as_the_matrix_says() {
    let mut wrong = Vec::new();
    for case in all() {
        let found = verify(&case.chain, &case.bundles(), now());
        let code = found.as_ref().err().map(SvidError::code);
        if code != case.refused {
            wrong.push(format!(
                "{}: {found:?} instead of {:?}",
                case.name, case.refused
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_server_decides_on_clients_as_the_matrix_says() {
    let mut wrong = Vec::new();
    for case in all() {
        let server = Arc::new(us(&case).server_config().unwrap());
        for version in [&TLS13, &TLS12] {
            let client = careless_client(&case.chain, &case.key, version);
            let (server_saw, client_saw) = meet(Arc::clone(&server), client).await;
            let code = server_saw.as_ref().err().map(|e| failure_code(e));
            let client_failed = client_saw.is_err();
            if code != case.refused || client_failed != case.refused.is_some() {
                wrong.push(describe(&case, version, code));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_client_decides_on_servers_as_the_matrix_says() {
    let mut wrong = Vec::new();
    for case in all() {
        let expected = verify(&case.chain, &case.bundles(), now()).map(|svid| svid.id);
        let expected = expected.unwrap_or_else(|_| ID.parse().unwrap());
        let client = us(&case).client_config(expected, Alpn::H2).unwrap();
        let client = Arc::new(client);
        for version in [&TLS13, &TLS12] {
            let server = careless_server(&case.chain, &case.key, version);
            let (_, client_saw) = meet(server, Arc::clone(&client)).await;
            let code = client_saw.as_ref().err().map(|e| failure_code(e));
            if code != case.refused {
                wrong.push(describe(&case, version, code));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A good workload that trusts whom the case says.
fn us(case: &Case) -> TlsIdentity {
    let key = Key::new();
    let id: SpiffeId = "spiffe://acme.example/broker".parse().unwrap();
    let root = Authority::root(Template::authority("ours"));
    let chain = vec![root.sign(&Template::leaf(id.as_str()), &key)];
    let private_key = rustls_pki_types::PrivateKeyDer::Pkcs8(key.0.serialize_der().into());
    let svid = X509Svid::from_der(chain, private_key).unwrap();
    TlsIdentity {
        svids: Arc::new(FixedSvid::new(svid)),
        bundles: Arc::new(FixedBundles::new(case.bundles())),
        time: clock(),
    }
}

fn describe(case: &Case, version: &SupportedProtocolVersion, code: Option<&str>) -> String {
    let Case { name, refused, .. } = case;
    format!("{name} ({version:?}): {code:?} instead of {refused:?}")
}
