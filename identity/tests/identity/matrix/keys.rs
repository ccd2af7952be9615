//! Keys and signature algorithms.

use super::{Case, ID, Presented};
use crate::support::der::{bit_string, oid, sequence};
use crate::support::mint::{Authority, Key, Template, p521_public_key, rsa_public_key};

pub(super) fn cases() -> Vec<Case> {
    let leaf = || Template::leaf(ID);
    let with_public_key = |public_key| {
        Presented::leaf(&Template {
            public_key: Some(public_key),
            ..leaf()
        })
    };
    let with_key = |algorithm| {
        let root = Authority::root(Template::authority("root"));
        let mut presented = Presented::leaf_of(&root, &leaf());
        presented.key = Key::of(algorithm);
        presented.chain = vec![root.sign(&leaf(), &presented.key)];
        presented
    };
    let with_root_key = |algorithm| {
        let root = Authority::root_with(Template::authority("root"), Key::of(algorithm));
        Presented::leaf_of(&root, &leaf())
    };
    let large_intermediate = |bits| {
        let large = Template {
            public_key: Some(rsa_public_key(bits)),
            ..Template::authority("large")
        };
        Presented::authorities(Template::authority("root"), vec![large])
    };
    vec![
        Case::good(
            "leaf with a P-384 key",
            with_key(&rcgen::PKCS_ECDSA_P384_SHA384),
        ),
        Case::good("leaf with an Ed25519 key", with_key(&rcgen::PKCS_ED25519)),
        Case::good(
            "root with a P-384 key",
            with_root_key(&rcgen::PKCS_ECDSA_P384_SHA384),
        ),
        Case::good(
            "root with an Ed25519 key",
            with_root_key(&rcgen::PKCS_ED25519),
        ),
        Case::bad(
            "RSA leaf of 1024 bits",
            "key_not_allowed",
            with_public_key(rsa_public_key(1024)),
        ),
        Case::bad(
            "RSA leaf of 2040 bits",
            "key_not_allowed",
            with_public_key(rsa_public_key(2040)),
        ),
        Case::bad(
            "RSA leaf of 4104 bits",
            "key_not_allowed",
            with_public_key(rsa_public_key(4104)),
        ),
        Case::bad(
            "RSA leaf of 8192 bits",
            "key_not_allowed",
            with_public_key(rsa_public_key(8192)),
        ),
        Case::bad(
            "RSA leaf of 16384 bits",
            "key_not_allowed",
            with_public_key(rsa_public_key(16384)),
        ),
        Case::bad(
            "leaf with a P-521 key",
            "key_not_allowed",
            with_public_key(p521_public_key()),
        ),
        Case::bad(
            "leaf with a key of an unknown kind",
            "key_not_allowed",
            with_public_key(sequence(&[
                &sequence(&[&oid(&[1, 3, 101, 113])]),
                &bit_string(&[7; 57]),
            ])),
        ),
        Case::bad(
            "leaf with an RSA key that is none",
            "key_not_allowed",
            with_public_key(sequence(&[
                &sequence(&[&oid(&[1, 2, 840, 113_549, 1, 1, 1])]),
                &bit_string(&[7; 270]),
            ])),
        ),
        Case::bad(
            "RSA intermediate of 1024 bits",
            "key_not_allowed",
            large_intermediate(1024),
        ),
        Case::bad(
            "RSA intermediate of 16384 bits",
            "key_not_allowed",
            large_intermediate(16384),
        ),
        Case::bad(
            "leaf signed with ECDSA and SHA-1",
            "signature_algorithm",
            Presented::leaf(&Template {
                algorithm: Some(sequence(&[&oid(&[1, 2, 840, 10045, 4, 1])])),
                ..leaf()
            }),
        ),
        Case::bad(
            "leaf that says it is signed with RSA",
            "signature_algorithm",
            Presented::leaf(&Template {
                algorithm: Some(sequence(&[
                    &oid(&[1, 2, 840, 113_549, 1, 1, 11]),
                    &[0x05, 0x00],
                ])),
                ..leaf()
            }),
        ),
    ]
}
