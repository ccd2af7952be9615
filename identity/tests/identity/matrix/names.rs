//! Leaves: the SPIFFE ID among the alternative names.

use super::{Case, ID, Presented};
use crate::support::der::tlv;
use crate::support::mint::{ALTERNATIVE_NAMES, DNS, EMAIL, Extension, Template, URI};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = kinds();
    cases.extend(ids());
    cases
}

fn kinds() -> Vec<Case> {
    let names =
        |names: &[(u8, &str)]| Presented::leaf(&Template::leaf(ID).with(Extension::names(names)));
    let nameless = Template {
        subject: vec![0x30, 0x00],
        ..Template::leaf(ID)
    };
    let raw = |value| {
        let extension = Extension::new(ALTERNATIVE_NAMES, false, value);
        Presented::leaf(&Template::leaf(ID).with(extension))
    };
    vec![
        Case::good(
            "leaf with DNS and e-mail names too",
            names(&[
                (DNS, "docs.acme.example"),
                (URI, ID),
                (EMAIL, "docs@acme.example"),
            ]),
        ),
        Case::good(
            "leaf with a wildcard DNS name too",
            names(&[(DNS, "*.acme.example"), (URI, ID)]),
        ),
        Case::good(
            "leaf with critical alternative names",
            Presented::leaf(&Template::leaf(ID).with(Extension::uri(ID).critical(true))),
        ),
        Case::good(
            "leaf with an empty subject and critical names",
            Presented::leaf(&nameless.clone().with(Extension::uri(ID).critical(true))),
        ),
        Case::bad(
            "leaf with an empty subject and names that are not critical",
            "alternative_names_not_critical",
            Presented::leaf(&nameless),
        ),
        Case::bad(
            "leaf without alternative names",
            "no_spiffe_id",
            Presented::leaf(&Template::leaf(ID).without(ALTERNATIVE_NAMES)),
        ),
        Case::bad("leaf with no name in its names", "no_spiffe_id", names(&[])),
        Case::bad(
            "leaf with e-mail only",
            "no_spiffe_id",
            names(&[(EMAIL, "a@acme.example")]),
        ),
        Case::bad(
            "leaf with DNS only",
            "no_spiffe_id",
            names(&[(DNS, "acme.example")]),
        ),
        Case::bad(
            "leaf with its ID as a DNS name",
            "no_spiffe_id",
            names(&[(DNS, ID)]),
        ),
        Case::bad(
            "leaf with two SPIFFE IDs",
            "several_uris",
            names(&[(URI, ID), (URI, "spiffe://acme.example/admin")]),
        ),
        Case::bad(
            "leaf with the same ID twice",
            "several_uris",
            names(&[(URI, ID), (URI, ID)]),
        ),
        Case::bad(
            "leaf with a second URI for the web",
            "several_uris",
            names(&[(URI, ID), (URI, "https://acme.example")]),
        ),
        Case::bad(
            "leaf with a first URI for the web",
            "several_uris",
            names(&[(URI, "https://acme.example"), (URI, ID)]),
        ),
        Case::bad(
            "leaf with a second URI that is empty",
            "several_uris",
            names(&[(URI, ID), (URI, "")]),
        ),
        Case::bad(
            "leaf with bytes after its names",
            "malformed",
            raw([tlv(0x30, &tlv(URI, ID.as_bytes())), vec![0]].concat()),
        ),
        Case::bad(
            "leaf with a URI that is not text",
            "malformed",
            raw(tlv(0x30, &tlv(URI, b"spiffe://acme.example/\xff"))),
        ),
        Case::bad(
            "leaf with a name cut off",
            "malformed",
            raw(vec![0x30, 0x02, URI, 0x09]),
        ),
    ]
}

fn ids() -> Vec<Case> {
    let long = format!("spiffe://acme.example/{}", "a".repeat(2027));
    let longest = format!("spiffe://acme.example/{}", "a".repeat(2026));
    let long_domain = format!("spiffe://{}/a", "d".repeat(256));
    let good: [(&str, &str); 4] = [
        (
            "ID with capitals in its path",
            "spiffe://acme.example/CI/Docs",
        ),
        ("ID with three dots", "spiffe://acme.example/..."),
        ("ID with every character", "spiffe://acme.example/aZ09.-_"),
        ("ID of 2048 bytes", &longest),
    ];
    let bad: [(&str, &str); 30] = [
        (
            "ID with the scheme in capitals",
            "SPIFFE://acme.example/ci/docs",
        ),
        (
            "ID with a capital in the scheme",
            "Spiffe://acme.example/ci/docs",
        ),
        (
            "ID with a capital in the trust domain",
            "spiffe://Acme.example/ci/docs",
        ),
        ("ID of the web", "https://acme.example/ci/docs"),
        ("ID with one slash", "spiffe:/acme.example/ci/docs"),
        ("ID that is empty", ""),
        ("ID that is the scheme", "spiffe://"),
        ("ID of the trust domain itself", "spiffe://acme.example"),
        ("ID with the root path", "spiffe://acme.example/"),
        ("ID without a trust domain", "spiffe:///ci/docs"),
        (
            "ID with a slash at its end",
            "spiffe://acme.example/ci/docs/",
        ),
        ("ID with two slashes", "spiffe://acme.example/ci//docs"),
        ("ID with a dot", "spiffe://acme.example/./docs"),
        ("ID with two dots", "spiffe://acme.example/ci/../admin"),
        ("ID ending in two dots", "spiffe://acme.example/ci/.."),
        (
            "ID with an encoded letter",
            "spiffe://acme.example/c%69/docs",
        ),
        ("ID with encoded dots", "spiffe://acme.example/%2e%2e/docs"),
        (
            "ID with an encoded slash",
            "spiffe://acme.example/ci%2fdocs",
        ),
        ("ID with a port", "spiffe://acme.example:443/ci/docs"),
        ("ID with a user name", "spiffe://ci@acme.example/docs"),
        ("ID with a password", "spiffe://ci:pw@acme.example/docs"),
        ("ID with a query", "spiffe://acme.example/ci/docs?admin"),
        ("ID with a fragment", "spiffe://acme.example/ci/docs#admin"),
        ("ID with a space", "spiffe://acme.example/ci docs"),
        ("ID with a newline", "spiffe://acme.example/ci\ndocs"),
        ("ID with a zero byte", "spiffe://acme.example/ci\0/docs"),
        ("ID with an umlaut", "spiffe://acme.example/ä"),
        ("ID with a star", "spiffe://acme.example/*"),
        ("ID of 2049 bytes", &long),
        ("ID with a trust domain of 256 bytes", &long_domain),
    ];
    let one = |id: &str| Presented::leaf(&Template::leaf(id));
    let good = good.map(|(name, id)| Case::good(name, one(id)));
    let bad = bad.map(|(name, id)| Case::bad(name, "invalid_spiffe_id", one(id)));
    good.into_iter().chain(bad).collect()
}
