//! What was likely meant by a text that cannot be read.

use super::audience::AudienceUri;
use super::entry::is_name;
use crate::domain::policy::claim_template::ClaimText;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::scope_template::ScopeTemplate;
use crate::domain::policy::value_pattern::ValuePattern;
use crate::domain::token_form::{Algorithm, Shape};

const SCHEME: &str = "spiffe://";

/// Something that is read from a text, and says what was meant where that is plain.
pub(super) trait Meant: Sized {
    /// Another text, which can be read.
    fn meant(_text: &str) -> Option<String> {
        None
    }

    /// What to do, where an example of something else would lead astray.
    fn help(_text: &str) -> Option<String> {
        None
    }
}

impl Meant for ClaimText {}
impl Meant for jiff::Timestamp {}

impl Meant for AudienceUri {
    /// A host is likely that of a URI.
    fn meant(text: &str) -> Option<String> {
        let text = text.trim();
        let is_host = text.contains('.') && !text.contains([':', '$']);
        let meant = if is_host {
            format!("https://{text}")
        } else {
            text.to_owned()
        };
        (is_host && meant.parse::<Self>().is_ok()).then_some(meant)
    }
}

impl Meant for ValuePattern {
    /// What is a wildcard elsewhere.
    fn meant(text: &str) -> Option<String> {
        let text = text.trim();
        // `*` and `*-prod`, or `{main,release}`.
        let meant = if let Some(rest) = text.strip_prefix('*') {
            format!(".+{}", regex_lite::escape(rest))
        } else {
            let inner = text.strip_prefix('{')?.strip_suffix('}')?;
            let parts = inner.split(',').map(str::trim);
            parts.collect::<Vec<_>>().join("|")
        };
        meant.parse::<Self>().is_ok().then_some(meant)
    }

    fn help(text: &str) -> Option<String> {
        let help = if ["(?=", "(?!", "(?<"].iter().any(|look| text.contains(look)) {
            "a pattern looks neither ahead nor behind: say what a value is, or exclude values with `unless`"
        } else if text.matches('(').count() > text.matches(')').count() {
            "close the bracket with `)`"
        } else if text.matches(')').count() > text.matches('(').count() {
            "there is no `(` for `)`: remove it"
        } else if text.matches('[').count() > text.matches(']').count() {
            "close the bracket with `]`"
        } else {
            return None;
        };
        Some(help.to_owned())
    }
}

impl Meant for Algorithm {
    fn meant(text: &str) -> Option<String> {
        let upper = text.trim().to_ascii_uppercase();
        upper.parse::<Self>().is_ok().then_some(upper)
    }
}

impl Meant for Shape {
    fn meant(text: &str) -> Option<String> {
        let plain = text.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        plain.parse::<Self>().is_ok().then_some(plain)
    }
}

impl Meant for ScopeTemplate {
    /// `${ref}` is `${params.ref}`, and so is what other languages write.
    fn meant(text: &str) -> Option<String> {
        const NO_PARAMETERS: [&str; 6] =
            ["subject", "workload", "environment", "task", "path", "time"];
        let text = &*text
            .trim()
            .replace("${{", "${")
            .replace("{{", "${")
            .replace("}}", "}");
        let text = &*text
            .replace("${context.params.", "${params.")
            .replace("${param.", "${params.");
        if NO_PARAMETERS
            .iter()
            .any(|name| text.contains(&format!("${{{name}}}")))
        {
            return None;
        }
        let named = text
            .replace("${", "${params.")
            .replace("${params.params.", "${params.");
        let named = named
            .replace("${params. params.", "${params.")
            .replace("${params. ", "${params.")
            .replace(" }", "}");
        named.parse::<Self>().is_ok().then_some(named)
    }

    fn help(text: &str) -> Option<String> {
        let without = text
            .split('}')
            .map(|part| part.split("${").next().unwrap_or_default());
        let help = if without
            .collect::<String>()
            .trim()
            .contains(char::is_whitespace)
        {
            "write each scope as a text of its own, as in `[\"docs:read\", \"docs:write\"]`"
        } else if text.contains("${") && !text.contains('}') {
            "close what is filled in with `}`"
        } else if text.contains("${params.") {
            "a parameter is filled in as `${params.NAME}`, by the name that the task declares and with nothing else"
        } else if text.contains("${") {
            "only parameters of the task are filled in, as `${params.NAME}`"
        } else {
            return None;
        };
        Some(help.to_owned())
    }
}

impl Meant for WorkloadPattern {
    fn help(text: &str) -> Option<String> {
        let segments = || text.split('/').skip(3);
        let help = if text.contains([',', ' ']) {
            "write several workloads as a list, each a text of its own: `workload = [\"…\", \"…\"]`"
        } else if text.starts_with("spiffe://")
            && segments().any(|one| one.len() > 2 && one.contains('*'))
        {
            "name the workloads one by one, in a list: `*` is never a part of a segment"
        } else if text.contains("/**/") {
            "`**` stands at the end only: write one `*` for each segment, as in `/prod/*/docs`"
        } else {
            return None;
        };
        Some(help.to_owned())
    }

    /// A pattern that names the same workloads as they are written.
    fn meant(text: &str) -> Option<String> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let rest = [
            "spiffe://",
            "https://",
            "http://",
            "spiffe:/",
            "spiffe:",
            "//",
        ]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme))
        .and_then(|scheme| text.get(scheme.len()..))
        .unwrap_or(text);
        let (domain, path) = rest.split_once('/')?;
        // Without its scheme, a text begins with a trust domain only if it looks like one.
        if !domain.contains('.') && rest.len() == text.len() {
            return None;
        }
        let domain = domain.to_ascii_lowercase();
        let domain = domain.split(':').next().unwrap_or_default();
        let segments: Vec<_> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| if segment == ".*" { "*" } else { segment })
            .collect();
        let meant = format!("{SCHEME}{domain}/{}", segments.join("/"));
        meant.parse::<Self>().is_ok().then_some(meant)
    }
}

impl Meant for taskpass_identity::SpiffeId {
    fn meant(text: &str) -> Option<String> {
        let meant = WorkloadPattern::meant(text)?;
        meant.parse::<Self>().is_ok().then_some(meant)
    }
}

/// What stands for everything elsewhere.
pub(in crate::domain::policy) fn is_every(text: &str) -> bool {
    ["*", "**", "all", "every", "everywhere"].contains(&&*text.trim().to_ascii_lowercase())
}

/// A name in the letters that names have.
pub(super) fn name(text: &str) -> Option<String> {
    let plain = text
        .trim()
        .to_ascii_lowercase()
        .replace(['_', ' ', '.'], "-");
    is_name(&plain).then_some(plain)
}

/// The key that another word for it means here.
pub(super) fn key(name: &str, known: &[&'static str]) -> Option<&'static str> {
    const WORDS: [(&str, &[&str]); 15] = [
        (
            "workload",
            &[
                "who",
                "subject",
                "principal",
                "spiffe_id",
                "identity",
                "from",
            ],
        ),
        ("workloads", &["members", "patterns", "match"]),
        (
            "when",
            &["if", "condition", "conditions", "where", "only_if"],
        ),
        ("unless", &["except", "not", "deny_if"]),
        (
            "pattern",
            &["regex", "regexp", "match", "matches", "format"],
        ),
        (
            "values",
            &["enum", "choices", "options", "allowed", "one_of"],
        ),
        ("uri", &["url", "aud", "endpoint"]),
        (
            "ttl",
            &["lifetime", "expiry", "expires_in", "max_ttl", "duration"],
        ),
        ("max_ttl", &["ttl", "lifetime", "expires_in"]),
        (
            "max_duration",
            &["timeout", "duration", "max_lifetime", "ttl", "max_ttl"],
        ),
        ("max_live_jobs", &["limit", "max_jobs", "concurrency"]),
        ("purpose", &["description", "desc", "reason", "why"]),
        ("owner", &["team", "contact", "maintainer", "owners"]),
        ("params", &["parameters", "inputs", "args"]),
        ("environment", &["env"]),
    ];
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let meant = |(key, words): &(&'static str, &[&str])| {
        (known.contains(key) && words.contains(&&*lower)).then_some(*key)
    };
    known
        .iter()
        .copied()
        .find(|known| *known == lower)
        .or_else(|| WORDS.iter().find_map(meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_mended_where_it_is_plain_what_was_meant() {
        let table = [
            (
                "acme.example/prod/ci",
                Some("spiffe://acme.example/prod/ci"),
            ),
            (
                "SPIFFE://Acme.example/prod/CI",
                Some("spiffe://acme.example/prod/CI"),
            ),
            (
                "spiffe:/acme.example/prod",
                Some("spiffe://acme.example/prod"),
            ),
            (
                "https://acme.example:8443/prod/",
                Some("spiffe://acme.example/prod"),
            ),
            (
                "spiffe://acme.example//prod//ci ",
                Some("spiffe://acme.example/prod/ci"),
            ),
            (
                "spiffe://acme.example/prod/.*",
                Some("spiffe://acme.example/prod/*"),
            ),
            ("prod/ci", None),
            ("spiffe://*/prod", None),
            ("spiffe://acme.example", None),
            ("spiffe://acme.example/ci-*", None),
            ("**", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(WorkloadPattern::meant(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_scope_is_filled_in_with_a_parameter() {
        for (text, expected) in [
            ("repo:${ref}", Some("repo:${params.ref}")),
            ("repo:${ params.ref }", Some("repo:${params.ref}")),
            ("a b", None),
            ("repo:${subject}", None),
            ("repo:${ref", None),
        ] {
            assert_eq!(ScopeTemplate::meant(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn other_words_for_a_key() {
        assert_eq!(key("who", &["workload", "when"]), Some("workload"));
        assert_eq!(key("who", &["owner"]), None);
        assert_eq!(
            key("Max-Duration", &["owner", "max_duration"]),
            Some("max_duration")
        );
        assert_eq!(key("ttl", &["workload", "max_ttl"]), Some("max_ttl"));
    }
}
