//! Intermediates and roots.

use super::{Case, ID, Presented};
use crate::support::mint::{
    ANY_PURPOSE, Authority, BASIC_CONSTRAINTS, CLIENT_AUTH, CRL_SIGN, DIGITAL_SIGNATURE, Extension,
    KEY_CERT_SIGN, KEY_USAGE, SERVER_AUTH, Template,
};

const UNKNOWN: &[u32] = &[1, 3, 6, 1, 4, 1, 99999, 1];

fn root() -> Template {
    Template::authority("root")
}

fn intermediate() -> Template {
    Template::authority("intermediate")
}

/// A good leaf below one intermediate.
fn below(intermediate: Template) -> Presented {
    Presented::authorities(root(), vec![intermediate])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(bad());
    cases.extend(path_lengths());
    cases.extend(dates());
    cases.extend(name_constraints());
    cases
}

fn good() -> Vec<Case> {
    vec![
        Case::good("one intermediate", below(intermediate())),
        Case::good(
            "intermediate with keyCertSign only",
            below(intermediate().with(Extension::key_usage(KEY_CERT_SIGN))),
        ),
        Case::good(
            "intermediate with a key usage that is not critical",
            below(intermediate().with(Extension::key_usage(KEY_CERT_SIGN).critical(false))),
        ),
        Case::good(
            "intermediate that may also sign",
            below(intermediate().with(Extension::key_usage(KEY_CERT_SIGN | DIGITAL_SIGNATURE))),
        ),
        Case::good(
            "intermediate for both directions",
            below(intermediate().with(Extension::purposes(&[SERVER_AUTH, CLIENT_AUTH]))),
        ),
        Case::good(
            "intermediate for any purpose",
            below(intermediate().with(Extension::purposes(&[ANY_PURPOSE]))),
        ),
        Case::good(
            "intermediate with its trust domain's ID",
            below(intermediate().with(Extension::uri("spiffe://acme.example"))),
        ),
        Case::good(
            "intermediate with a URI of the web",
            below(intermediate().with(Extension::uri("https://acme.example/ca"))),
        ),
        Case::good(
            "intermediate with an unknown extension",
            below(intermediate().and(Extension::new(UNKNOWN, false, vec![0x05, 0x00]))),
        ),
        Case::good(
            "root with its trust domain's ID",
            Presented::authorities(root().with(Extension::uri("spiffe://acme.example")), vec![]),
        ),
    ]
}

fn bad() -> Vec<Case> {
    let leaf_as_issuer = {
        let root = Authority::root(root());
        let leaf = root.authority(Template::leaf(ID));
        Presented::below(
            &root,
            &[leaf],
            &Template::leaf("spiffe://acme.example/admin"),
        )
    };
    vec![
        Case::bad("leaf that issued a leaf", "issuer_not_ca", leaf_as_issuer),
        Case::bad(
            "intermediate without basic constraints",
            "issuer_not_ca",
            below(intermediate().without(BASIC_CONSTRAINTS)),
        ),
        Case::bad(
            "intermediate without cA",
            "issuer_not_ca",
            below(intermediate().with(Extension::authority(false))),
        ),
        Case::bad(
            "intermediate without key usage",
            "issuer_may_not_sign",
            below(intermediate().without(KEY_USAGE)),
        ),
        Case::bad(
            "intermediate with cRLSign only",
            "issuer_may_not_sign",
            below(intermediate().with(Extension::key_usage(CRL_SIGN))),
        ),
        Case::bad(
            "intermediate with digitalSignature only",
            "issuer_may_not_sign",
            below(intermediate().with(Extension::key_usage(DIGITAL_SIGNATURE))),
        ),
        Case::bad(
            "intermediate for servers only",
            "issuer_purpose",
            below(intermediate().with(Extension::purposes(&[SERVER_AUTH]))),
        ),
        Case::bad(
            "intermediate for clients only",
            "issuer_purpose",
            below(intermediate().with(Extension::purposes(&[CLIENT_AUTH]))),
        ),
        Case::bad(
            "intermediate of another trust domain",
            "issuer_of_another_domain",
            below(intermediate().with(Extension::uri("spiffe://other.example"))),
        ),
        Case::bad(
            "intermediate with a workload's ID",
            "issuer_of_another_domain",
            below(intermediate().with(Extension::uri("spiffe://acme.example/ca"))),
        ),
        Case::bad(
            "intermediate with its ID in capitals",
            "issuer_of_another_domain",
            below(intermediate().with(Extension::uri("SPIFFE://OTHER.EXAMPLE"))),
        ),
        Case::bad(
            "intermediate with an unknown critical extension",
            "unknown_critical_extension",
            below(intermediate().and(Extension::new(UNKNOWN, true, vec![0x05, 0x00]))),
        ),
        Case::bad(
            "intermediate with basic constraints twice",
            "duplicate_extension",
            below(intermediate().and(Extension::authority(false))),
        ),
        Case::bad(
            "intermediate of version 1",
            "malformed",
            below(Template {
                version: 0,
                ..intermediate()
            }),
        ),
    ]
}

fn path_lengths() -> Vec<Case> {
    let limited =
        |name: &str, length| Template::authority(name).with(Extension::path_length(length));
    let free = Template::authority;
    vec![
        Case::good(
            "root that allows no intermediate, and none",
            Presented::authorities(limited("root", 0), vec![]),
        ),
        Case::good(
            "root that allows one intermediate, and one",
            Presented::authorities(limited("root", 1), vec![free("a")]),
        ),
        Case::good(
            "intermediate that allows one below, and one",
            Presented::authorities(root(), vec![limited("a", 1), limited("b", 0)]),
        ),
        Case::bad(
            "root that allows no intermediate, and one",
            "path_length",
            Presented::authorities(limited("root", 0), vec![free("a")]),
        ),
        Case::bad(
            "root that allows one intermediate, and two",
            "path_length",
            Presented::authorities(limited("root", 1), vec![free("a"), free("b")]),
        ),
        Case::bad(
            "intermediate that allows none below, and one",
            "path_length",
            Presented::authorities(root(), vec![limited("a", 0), free("b")]),
        ),
    ]
}

fn dates() -> Vec<Case> {
    let past = ("250101000000Z", "260101000000Z");
    let future = ("260701000000Z", "270101000000Z");
    let dated = |template: Template, (from, to)| template.valid(from, to);
    let reissued = {
        let old = Authority::root(dated(root(), past));
        let key =
            crate::support::mint::Key(rcgen::KeyPair::try_from(old.key.0.serialize_der()).unwrap());
        let new = Authority::root_with(root(), key);
        Presented::leaf_of(&new, &Template::leaf(ID)).trusting(vec![(
            "acme.example",
            vec![old.certificate, new.certificate],
        )])
    };
    vec![
        Case::good("root that expired and was issued again", reissued),
        Case::bad(
            "expired intermediate",
            "issuer_expired",
            below(dated(intermediate(), past)),
        ),
        Case::bad(
            "intermediate that is not valid yet",
            "issuer_not_yet_valid",
            below(dated(intermediate(), future)),
        ),
        Case::bad(
            "expired root",
            "issuer_expired",
            Presented::authorities(dated(root(), past), vec![]),
        ),
        Case::bad(
            "root that is not valid yet",
            "issuer_not_yet_valid",
            Presented::authorities(dated(root(), future), vec![]),
        ),
        Case::bad(
            "expired root above an intermediate",
            "issuer_expired",
            Presented::authorities(dated(root(), past), vec![intermediate()]),
        ),
    ]
}

fn name_constraints() -> Vec<Case> {
    let dns = Extension::permits_dns("acme.example");
    let uri = Extension::permits_uri("acme.example");
    let leaf_with_dns = |dns| {
        let root = Authority::root(root().with(Extension::permits_dns("acme.example")));
        let names = Extension::names(&[
            (crate::support::mint::URI, ID),
            (crate::support::mint::DNS, dns),
        ]);
        Presented::leaf_of(&root, &Template::leaf(ID).with(names))
    };
    vec![
        Case::good(
            "root that constrains names of a kind that the leaf has not",
            Presented::authorities(root().with(dns.clone()), vec![]),
        ),
        Case::good(
            "leaf with a DNS name that its root permits",
            leaf_with_dns("a.acme.example"),
        ),
        Case::bad(
            "leaf with a DNS name that its root does not permit",
            "name_constraints",
            leaf_with_dns("a.other.example"),
        ),
        // Not evaluated, so refused: better than letting pass what an issuer forbids.
        Case::bad(
            "intermediate that constrains URIs",
            "name_constraints",
            below(intermediate().with(uri.clone())),
        ),
        Case::bad(
            "root that constrains URIs",
            "name_constraints",
            Presented::authorities(root().with(uri), vec![]),
        ),
    ]
}
