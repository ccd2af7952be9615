//! Chains, and the bundles that they lead to.

use super::{Case, ID, Presented};
use crate::support::mint::{Authority, Key, Template, name};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(orders());
    cases.extend(signatures());
    cases.extend(bundles());
    cases
}

fn root(name: &str) -> Authority {
    Authority::root(Template::authority(name))
}

/// A leaf below as many intermediates.
fn deep(intermediates: usize) -> Presented {
    let templates = (0..intermediates).map(|n| Template::authority(&format!("intermediate {n}")));
    Presented::authorities(Template::authority("root"), templates.collect())
}

fn lengths() -> Vec<Case> {
    let with_root = |presented: Presented| {
        let root = presented.trusted[0].1[0].clone();
        presented.sending(|chain| chain.push(root))
    };
    let hundred = deep(1).sending(|chain| {
        let intermediate = chain[1].clone();
        chain.resize(100, intermediate);
    });
    vec![
        Case::good("chain of three", deep(2)),
        Case::good("chain of seven", deep(6)),
        Case::good("chain of eight with its root", with_root(deep(6))),
        Case::good("leaf with its root", with_root(deep(0))),
        Case::bad("seven authorities below a root", "chain_too_long", deep(7)),
        Case::bad("chain of nine", "chain_too_long", deep(8)),
        Case::bad(
            "chain of nine with its root",
            "chain_too_long",
            with_root(deep(7)),
        ),
        Case::bad("chain of a hundred", "chain_too_long", hundred),
    ]
}

fn orders() -> Vec<Case> {
    let namesakes = |count| {
        let templates = vec![Template::authority("same"); count];
        Presented::authorities(Template::authority("same"), templates)
    };
    let unrelated = root("unrelated").certificate;
    vec![
        Case::good(
            "chain out of order",
            deep(3).sending(|chain| chain[1..].reverse()),
        ),
        Case::good("root and three authorities of one name", namesakes(3)),
        Case::bad(
            "root and four authorities of one name",
            "ambiguous_issuers",
            namesakes(4),
        ),
        Case::good(
            "chain with an authority too many",
            deep(1).sending(|chain| chain.push(unrelated.clone())),
        ),
        // What the path does not need keeps the rules too.
        Case::bad(
            "chain with an authority too many that has a byte after its end",
            "malformed",
            deep(1).sending(|chain| chain.push([unrelated.as_ref(), &[0]].concat().into())),
        ),
        Case::bad(
            "chain with an authority too many of version 1",
            "malformed",
            deep(1).sending(|chain| {
                let old = Template {
                    version: 0,
                    ..Template::authority("old")
                };
                chain.push(Authority::root(old).certificate);
            }),
        ),
        Case::bad(
            "chain with a leaf too many",
            "issuer_not_ca",
            deep(1).sending(|chain| chain.push(chain[0].clone())),
        ),
        Case::bad(
            "chain that begins with the intermediate",
            "leaf_is_ca",
            deep(1)
                .sending(|chain| chain.reverse())
                .sending(|chain| chain.truncate(1)),
        ),
        Case::bad(
            "chain without its intermediate",
            "unknown_issuer",
            deep(1).sending(|chain| chain.truncate(1)),
        ),
        Case::bad(
            "chain with a hole",
            "unknown_issuer",
            deep(3).sending(|chain| drop(chain.remove(2))),
        ),
        Case::bad(
            "chain with a truncated intermediate",
            "malformed",
            deep(1).sending(|chain| {
                let half = chain[1].len() / 2;
                chain[1] = chain[1][..half].to_vec().into();
            }),
        ),
    ]
}

fn signatures() -> Vec<Case> {
    let flipped = |certificate: usize| {
        deep(1).sending(|chain| {
            let mut der = chain[certificate].to_vec();
            // In the middle of the second half of the signature.
            let place = der.len() - 10;
            der[place] ^= 1;
            chain[certificate] = der.into();
        })
    };
    let forged = {
        let real = root("root");
        let namesake = root("root");
        Presented::leaf_of(&namesake, &Template::leaf(ID))
            .trusting(vec![("acme.example", vec![real.certificate])])
    };
    let self_signed = |common_name: &str| {
        let real = root("root");
        let leaf = Template {
            subject: name(common_name),
            ..Template::leaf(ID)
        };
        let own = Authority::root(leaf);
        let presented = Presented::leaf_of(&real, &Template::leaf(ID));
        presented.sending(|chain| *chain = vec![own.certificate])
    };
    let wrong_name = Template {
        issuer: Some(name("somebody else")),
        ..Template::leaf(ID)
    };
    vec![
        Case::bad("leaf with a wrong signature", "bad_signature", flipped(0)),
        Case::bad(
            "intermediate with a wrong signature",
            "bad_signature",
            flipped(1),
        ),
        Case::bad(
            "leaf of an authority with the root's name",
            "bad_signature",
            forged,
        ),
        Case::bad("self-signed leaf", "unknown_issuer", self_signed("leaf")),
        Case::bad(
            "self-signed leaf with the root's name",
            "bad_signature",
            self_signed("root"),
        ),
        Case::bad(
            "leaf that names another issuer",
            "unknown_issuer",
            Presented::leaf(&wrong_name),
        ),
        Case::bad(
            "leaf of an unknown authority",
            "unknown_issuer",
            Presented::leaf_of(&root("unknown"), &Template::leaf(ID))
                .trusting(vec![("acme.example", vec![root("root").certificate])]),
        ),
        Case::bad(
            "chain of an unknown authority with its root",
            "unknown_issuer",
            {
                let unknown = root("unknown");
                Presented::leaf_of(&unknown, &Template::leaf(ID))
                    .sending(|chain| chain.push(unknown.certificate.clone()))
                    .trusting(vec![("acme.example", vec![root("root").certificate])])
            },
        ),
    ]
}

fn bundles() -> Vec<Case> {
    const FOREIGN: &str = "spiffe://other.example/ci/docs";
    let (ours, theirs) = (root("ours"), root("theirs"));
    let leaf_of = |root: &Authority, id| Presented::leaf_of(root, &Template::leaf(id));
    let our_root = || vec![ours.certificate.clone()];
    let their_root = || vec![theirs.certificate.clone()];
    let both = || {
        vec![
            ("acme.example", our_root()),
            ("other.example", their_root()),
        ]
    };
    let rotated = || vec![("acme.example", [our_root(), their_root()].concat())];
    let below_both = {
        // Their root vouches for an authority that claims to be of ours.
        let intermediate = theirs.authority(Template::authority("intermediate"));
        Presented::below(&theirs, &[intermediate], &Template::leaf(ID))
    };
    let key = Key::new();
    let direct = Presented {
        chain: vec![theirs.sign(&Template::leaf(FOREIGN), &key)],
        key,
        trusted: both(),
    };
    vec![
        Case::good("leaf of a second trust domain", direct),
        Case::good(
            "leaf of the old root",
            leaf_of(&ours, ID).trusting(rotated()),
        ),
        Case::good(
            "leaf of the new root",
            leaf_of(&theirs, ID).trusting(rotated()),
        ),
        Case::bad(
            "leaf of our trust domain from their root",
            "unknown_issuer",
            leaf_of(&theirs, ID).trusting(both()),
        ),
        Case::bad(
            "leaf of their trust domain from our root",
            "unknown_issuer",
            leaf_of(&ours, FOREIGN).trusting(both()),
        ),
        Case::bad(
            "leaf of our trust domain over their intermediate",
            "unknown_issuer",
            below_both.trusting(both()),
        ),
        Case::bad(
            "leaf of an unknown trust domain",
            "untrusted_domain",
            leaf_of(&ours, FOREIGN).trusting(vec![("acme.example", our_root())]),
        ),
        Case::bad(
            "leaf of a trust domain that ends like ours",
            "untrusted_domain",
            leaf_of(&ours, "spiffe://evil.acme.example/ci/docs")
                .trusting(vec![("acme.example", our_root())]),
        ),
        Case::bad(
            "leaf of a trust domain with an empty bundle",
            "empty_bundle",
            leaf_of(&ours, ID).trusting(vec![("acme.example", vec![])]),
        ),
        Case::bad(
            "leaf of a trust domain with an empty bundle beside a full one",
            "empty_bundle",
            leaf_of(&ours, FOREIGN).trusting(vec![
                ("acme.example", our_root()),
                ("other.example", vec![]),
            ]),
        ),
        Case::bad(
            "leaf when nobody is trusted",
            "untrusted_domain",
            leaf_of(&ours, ID).trusting(vec![]),
        ),
    ]
}
