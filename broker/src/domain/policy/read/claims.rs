//! `[credential.NAME.claims]`.

use toml::de::DeValue;

use super::entry::{Entry, Key};
use crate::domain::policy::claim_template::{ClaimName, ClaimTemplate, InvalidClaim};
use crate::domain::policy::declared::{DeclaredClaim, Located};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;
use crate::domain::token_form::ClaimValue;

const EXAMPLE: &str = "\"docs\"";
const MAX_CLAIMS: usize = 16;
const MAX_LIST: usize = 32;
/// All of a credential's claims together, names and filled in values.
const MAX_BYTES: usize = 4096;
/// The largest integer that every JSON reader keeps exactly: 2⁵³ − 1 (RFC 8259, section 6).
const MAX_INTEGER: i64 = (1 << 53) - 1;

pub(super) fn claims(entry: Entry<'_>, report: &mut Report) -> Vec<DeclaredClaim> {
    let Some(section) = entry.table("the claims".to_owned(), report) else {
        return Vec::new();
    };
    let children = section.children(EXAMPLE);
    let mut claims = Vec::with_capacity(children.len());
    for (name, entry) in children {
        let read = value(&entry, report);
        match (name.value.parse::<ClaimName>(), read) {
            (Ok(read_name), Some(value)) => claims.push(DeclaredClaim {
                name: Located::new(read_name, name.place),
                value,
            }),
            (Ok(_), None) => {}
            (Err(error), _) => {
                let message = format!("claim `{}`: {error}", name.value.escape_debug());
                let help = match error {
                    InvalidClaim::Reserved => "for instance `https://acme.example/claims/team`",
                    _ => "for instance `team = \"docs\"`",
                };
                report.push(Diagnostic::error(name.place, message).help(help));
            }
        }
    }
    let bytes: usize = claims
        .iter()
        .map(|claim| claim.name.value.0.len() + claim.value.value.longest())
        .sum();
    if claims.len() > MAX_CLAIMS || bytes > MAX_BYTES {
        let message = format!(
            "a credential has at most {MAX_CLAIMS} claims, of at most {MAX_BYTES} bytes together when filled in"
        );
        let help = "say less: tokens travel in a header of each request";
        report.push(Diagnostic::error(section.place.clone(), message).help(help));
    }
    claims
}

fn value(entry: &Entry<'_>, report: &mut Report) -> Option<Located<ClaimTemplate>> {
    let located = |value| Located::new(value, entry.place());
    match entry.value.get_ref() {
        DeValue::String(_) => Some(entry.parsed(report)?.map(ClaimTemplate::Text)),
        DeValue::Boolean(value) => Some(located(ClaimTemplate::Fixed(ClaimValue::Boolean(*value)))),
        DeValue::Integer(_) => {
            let integer = entry.integer(report)?;
            if integer.value.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
                let message = "the integer is larger than JSON readers keep exactly";
                return entry.refuse(integer.place, message.to_owned(), report);
            }
            Some(integer.map(|value| ClaimTemplate::Fixed(ClaimValue::Integer(value))))
        }
        DeValue::Array(items) => {
            let texts = entry.parsed_list(report);
            if items.len() > MAX_LIST {
                let message = format!("a list has at most {MAX_LIST} texts");
                return entry.refuse(entry.place(), message, report);
            }
            // What could not be read is reported already.
            (texts.len() == items.len()).then(|| {
                let texts = texts.into_iter().map(|text| text.value).collect();
                located(ClaimTemplate::List(texts))
            })
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => {
            let Key { name, .. } = entry.key;
            let message =
                format!("`{name}` must be a string, an integer, a boolean or a list of strings");
            entry.refuse(entry.place(), message, report)
        }
    }
}
