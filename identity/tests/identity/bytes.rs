//! No bytes make anything panic, and no changed certificate is trusted.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use rustls_pki_types::CertificateDer;
use taskpass_identity::{Bundle, BundleSet, X509Svid, verify};

use crate::support::mint::{Authority, Extension, Key, Template};
use crate::support::{domain, now, pem};

/// A good chain of two below a root, and the leaf's key in PEM.
struct Good {
    authority: Authority,
    root: CertificateDer<'static>,
    leaf_key: Key,
    chain: Vec<CertificateDer<'static>>,
    key: String,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let root = Authority::root(Template::authority("root"));
    let intermediate = Template::authority("intermediate").with(Extension::path_length(0));
    let intermediate = root.authority(intermediate);
    let key = Key::new();
    let leaf = intermediate.sign(&Template::leaf("spiffe://acme.example/ci/docs"), &key);
    Good {
        root: root.certificate.clone(),
        authority: root,
        chain: vec![leaf, intermediate.certificate],
        key: key.0.serialize_pem(),
        leaf_key: key,
    }
});

fn bundles() -> BundleSet {
    let root = GOOD.root.clone();
    Bundle::from_der(domain("acme.example"), [root])
        .unwrap()
        .into()
}

/// One change to some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Repeat(Index, Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Remove(at) => drop(bytes.splice(at.index(length)..=at.index(length), [])),
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(part);
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        8 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ];
    prop::collection::vec(change, 1..6)
}

#[test]
fn what_is_changed_below_is_good_unchanged() {
    verify(&GOOD.chain, &bundles(), now()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_refused(
        chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10)
    ) {
        let chain: Vec<CertificateDer<'_>> = chain.into_iter().map(CertificateDer::from).collect();
        prop_assert!(verify(&chain, &bundles(), now()).is_err());
    }

    #[test]
    fn a_changed_certificate_is_refused(which in 0_usize..2, changes in changes()) {
        let mut chain = GOOD.chain.clone();
        let mut der = chain[which].to_vec();
        for change in &changes {
            change.apply(&mut der);
        }
        prop_assume!(der != chain[which].as_ref());
        chain[which] = der.into();
        prop_assert!(verify(&chain, &bundles(), now()).is_err());
    }

    #[test]
    fn a_changed_root_makes_no_panic(changes in changes()) {
        let mut der = GOOD.root.to_vec();
        for change in &changes {
            change.apply(&mut der);
        }
        if let Ok(bundle) = Bundle::from_der(domain("acme.example"), [der.into()]) {
            let _ = verify(&GOOD.chain, &bundle.into(), now());
        }
    }

    #[test]
    fn a_changed_extension_that_an_authority_signed_makes_no_panic(
        which in 0_usize..4,
        changes in changes(),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let mut leaf = Template::leaf("spiffe://acme.example/ci/docs");
        let extension = &mut leaf.extensions[which];
        match value {
            Some(value) => extension.value = value,
            None => changes.iter().for_each(|change| change.apply(&mut extension.value)),
        }
        let chain = [GOOD.authority.sign(&leaf, &GOOD.leaf_key)];
        if let Ok(verified) = verify(&chain, &bundles(), now()) {
            prop_assert_eq!(verified.id.trust_domain().as_str(), "acme.example");
        }
    }

    #[test]
    fn changed_text_makes_no_panic(
        changes in changes(),
        of_key in any::<bool>(),
    ) {
        let mut certificates = pem(&GOOD.chain).into_bytes();
        let mut key = GOOD.key.clone().into_bytes();
        let text = if of_key { &mut key } else { &mut certificates };
        for change in &changes {
            change.apply(text);
        }
        let _ = X509Svid::from_pem(&certificates, &key);
        let _ = Bundle::from_pem(domain("acme.example"), &certificates);
    }

    #[test]
    fn random_text_makes_no_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(X509Svid::from_pem(&text, &text).is_err());
        prop_assert!(Bundle::from_pem(domain("acme.example"), &text).is_err());
    }
}
