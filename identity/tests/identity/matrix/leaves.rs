//! Leaves: constraints, usages, dates, form.

use super::{Case, ID, Presented};
use crate::support::der::{boolean, oid, sequence, tlv};
use crate::support::mint::{
    ANY_PURPOSE, BASIC_CONSTRAINTS, CLIENT_AUTH, CODE_SIGNING, CRL_SIGN, DIGITAL_SIGNATURE,
    EXTENDED_KEY_USAGE, Extension, KEY_CERT_SIGN, KEY_ENCIPHERMENT, KEY_USAGE, SERVER_AUTH,
    Template, name,
};

const UNKNOWN: &[u32] = &[1, 3, 6, 1, 4, 1, 99999, 1];

fn leaf() -> Template {
    Template::leaf(ID)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = constraints();
    cases.extend(key_usages());
    cases.extend(purposes());
    cases.extend(dates());
    cases.extend(forms());
    cases
}

fn constraints() -> Vec<Case> {
    let one = |leaf: Template| Presented::leaf(&leaf);
    let explicit_false = tlv(0x30, &boolean(false));
    let with_path_length = sequence(&[&tlv(0x02, &[0])]);
    vec![
        Case::good("plain leaf", one(leaf())),
        Case::good(
            "leaf with cA spelled out as false",
            one(leaf().with(Extension::new(BASIC_CONSTRAINTS, true, explicit_false))),
        ),
        Case::good(
            "leaf with basic constraints that are not critical",
            one(leaf().with(Extension::authority(false).critical(false))),
        ),
        Case::good(
            "leaf with a path length, which means nothing",
            one(leaf().with(Extension::new(BASIC_CONSTRAINTS, true, with_path_length))),
        ),
        Case::bad(
            "leaf without basic constraints",
            "leaf_without_basic_constraints",
            one(leaf().without(BASIC_CONSTRAINTS)),
        ),
        Case::bad(
            "leaf with cA",
            "leaf_is_ca",
            one(leaf().with(Extension::authority(true))),
        ),
        Case::bad(
            "leaf with cA that is not critical",
            "leaf_is_ca",
            one(leaf().with(Extension::authority(true).critical(false))),
        ),
        Case::bad(
            "leaf with cA and a path length of 0",
            "leaf_is_ca",
            one(leaf().with(Extension::path_length(0))),
        ),
        Case::bad(
            "authority as a leaf",
            "leaf_is_ca",
            one(Template::authority("authority").with(Extension::uri(ID))),
        ),
        Case::bad(
            "leaf that constrains names",
            "leaf_constrains_names",
            one(leaf().with(Extension::permits_dns("acme.example"))),
        ),
        Case::bad(
            "leaf with malformed basic constraints",
            "malformed",
            one(leaf().with(Extension::new(BASIC_CONSTRAINTS, true, vec![0x30, 0x01]))),
        ),
    ]
}

fn key_usages() -> Vec<Case> {
    let usage = |bits| Presented::leaf(&leaf().with(Extension::key_usage(bits)));
    vec![
        Case::good(
            "leaf with digitalSignature and keyEncipherment",
            usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT),
        ),
        Case::bad(
            "leaf without key usage",
            "leaf_without_key_usage",
            Presented::leaf(&leaf().without(KEY_USAGE)),
        ),
        Case::bad(
            "leaf with a key usage that is not critical",
            "leaf_key_usage_not_critical",
            Presented::leaf(&leaf().with(Extension::key_usage(DIGITAL_SIGNATURE).critical(false))),
        ),
        Case::bad(
            "leaf without digitalSignature",
            "leaf_without_digital_signature",
            usage(KEY_ENCIPHERMENT),
        ),
        Case::bad(
            "leaf with an empty key usage",
            "leaf_without_digital_signature",
            usage(0),
        ),
        Case::bad(
            "leaf with keyCertSign",
            "leaf_may_sign_certificates",
            usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN),
        ),
        Case::bad(
            "leaf with keyCertSign alone",
            "leaf_may_sign_certificates",
            usage(KEY_CERT_SIGN),
        ),
        Case::bad(
            "leaf with cRLSign",
            "leaf_may_sign_crls",
            usage(DIGITAL_SIGNATURE | CRL_SIGN),
        ),
        Case::bad(
            "leaf with keyCertSign and cRLSign",
            "leaf_may_sign_certificates",
            usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN),
        ),
        Case::bad(
            "leaf with a malformed key usage",
            "malformed",
            Presented::leaf(&leaf().with(Extension::new(KEY_USAGE, true, vec![0x04, 0x01, 0x80]))),
        ),
        Case::bad(
            "leaf with bytes after its key usage",
            "malformed",
            Presented::leaf(&leaf().with(Extension::new(
                KEY_USAGE,
                true,
                vec![0x03, 0x02, 0x07, 0x80, 0x00],
            ))),
        ),
    ]
}

fn purposes() -> Vec<Case> {
    let purposes = |oids: &[&[u32]]| Presented::leaf(&leaf().with(Extension::purposes(oids)));
    vec![
        Case::good(
            "leaf without extended key usage",
            Presented::leaf(&leaf().without(EXTENDED_KEY_USAGE)),
        ),
        Case::good(
            "leaf for both directions and more",
            purposes(&[CODE_SIGNING, CLIENT_AUTH, SERVER_AUTH, ANY_PURPOSE]),
        ),
        Case::good(
            "leaf with a critical extended key usage",
            Presented::leaf(
                &leaf().with(Extension::purposes(&[SERVER_AUTH, CLIENT_AUTH]).critical(true)),
            ),
        ),
        Case::bad(
            "leaf for servers only",
            "leaf_purpose",
            purposes(&[SERVER_AUTH]),
        ),
        Case::bad(
            "leaf for clients only",
            "leaf_purpose",
            purposes(&[CLIENT_AUTH]),
        ),
        Case::bad(
            "leaf for code signing only",
            "leaf_purpose",
            purposes(&[CODE_SIGNING]),
        ),
        Case::bad(
            "leaf for any purpose only",
            "leaf_purpose",
            purposes(&[ANY_PURPOSE]),
        ),
        Case::bad(
            "leaf with an empty extended key usage",
            "leaf_purpose",
            purposes(&[]),
        ),
        Case::bad(
            "leaf with an extended key usage that names no purpose",
            "leaf_purpose",
            Presented::leaf(&leaf().with(Extension::new(
                EXTENDED_KEY_USAGE,
                false,
                sequence(&[&tlv(0x04, b"x")]),
            ))),
        ),
    ]
}

fn dates() -> Vec<Case> {
    let valid = |from, to| Presented::leaf(&leaf().valid(from, to));
    vec![
        Case::good(
            "leaf in its last second",
            valid("260101000000Z", "260601120000Z"),
        ),
        Case::good(
            "leaf in its first second",
            valid("260601120000Z", "270101000000Z"),
        ),
        Case::bad(
            "expired leaf",
            "expired",
            valid("250101000000Z", "260101000000Z"),
        ),
        Case::bad(
            "leaf that expired a second ago",
            "expired",
            valid("260101000000Z", "260601115959Z"),
        ),
        Case::bad(
            "leaf that is not valid yet",
            "not_yet_valid",
            valid("260701000000Z", "270101000000Z"),
        ),
        Case::bad(
            "leaf that is valid in a second",
            "not_yet_valid",
            valid("260601120001Z", "270101000000Z"),
        ),
        Case::bad(
            "leaf that ends before it begins",
            "expired",
            valid("270101000000Z", "260101000000Z"),
        ),
        Case::bad(
            "leaf with a malformed date",
            "malformed",
            valid("26010100Z", "270101000000Z"),
        ),
    ]
}

fn forms() -> Vec<Case> {
    let usage = Extension::key_usage(DIGITAL_SIGNATURE);
    let one = |leaf: Template| Presented::leaf(&leaf);
    let changed = |change: fn(&mut Vec<u8>)| {
        Presented::leaf(&leaf()).sending(|chain| {
            let mut der = chain[0].to_vec();
            change(&mut der);
            chain[0] = der.into();
        })
    };
    vec![
        Case::good(
            "leaf with an unknown extension",
            one(leaf().and(Extension::new(UNKNOWN, false, b"\x05\x00".to_vec()))),
        ),
        Case::bad(
            "leaf with an unknown critical extension",
            "unknown_critical_extension",
            one(leaf().and(Extension::new(UNKNOWN, true, b"\x05\x00".to_vec()))),
        ),
        Case::bad(
            "leaf with critical certificate policies",
            "unknown_critical_extension",
            one(leaf().and(Extension::new(
                &[2, 5, 29, 32],
                true,
                sequence(&[&sequence(&[&oid(&[2, 5, 29, 32, 0])])]),
            ))),
        ),
        Case::bad(
            "leaf with the same key usage twice",
            "duplicate_extension",
            one(leaf().and(usage.clone())),
        ),
        Case::bad(
            "leaf with a second, wider key usage",
            "duplicate_extension",
            one(leaf().and(Extension::key_usage(KEY_CERT_SIGN))),
        ),
        Case::bad(
            "leaf with alternative names twice",
            "duplicate_extension",
            one(leaf().and(Extension::uri("spiffe://acme.example/admin"))),
        ),
        Case::bad(
            "leaf with an unknown extension twice",
            "duplicate_extension",
            one(leaf()
                .and(Extension::new(UNKNOWN, false, b"\x05\x00".to_vec()))
                .and(Extension::new(UNKNOWN, false, b"\x05\x00".to_vec()))),
        ),
        Case::bad(
            "leaf of version 1",
            "malformed",
            one(Template {
                version: 0,
                ..leaf()
            }),
        ),
        Case::bad(
            "leaf of version 2",
            "malformed",
            one(Template {
                version: 1,
                ..leaf()
            }),
        ),
        Case::bad(
            "leaf of version 4",
            "malformed",
            one(Template {
                version: 3,
                ..leaf()
            }),
        ),
        Case::bad(
            "leaf with a field too many",
            "malformed",
            one(Template {
                trailer: vec![0x05, 0x00],
                ..leaf()
            }),
        ),
        Case::bad(
            "leaf with a byte after its end",
            "malformed",
            changed(|der| der.push(0)),
        ),
        Case::bad(
            "leaf with a certificate after its end",
            "malformed",
            changed(|der| der.extend(der.clone())),
        ),
        Case::bad(
            "leaf without its last byte",
            "malformed",
            changed(|der| der.truncate(der.len() - 1)),
        ),
        Case::bad(
            "leaf cut in the middle",
            "malformed",
            changed(|der| der.truncate(der.len() / 2)),
        ),
        Case::bad(
            "leaf of one byte",
            "malformed",
            changed(|der| der.truncate(1)),
        ),
        Case::bad(
            "text in place of a leaf",
            "malformed",
            changed(|der| *der = b"hello".to_vec()),
        ),
        Case::bad(
            "leaf with nothing in it",
            "malformed",
            changed(|der| *der = vec![0x30, 0x00]),
        ),
        Case::good(
            "leaf with another subject",
            one(Template {
                subject: name("anything at all"),
                ..leaf()
            }),
        ),
    ]
}
