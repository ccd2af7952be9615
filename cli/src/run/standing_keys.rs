//! What looks like a standing key in an environment: a long-lived secret that no job takes back.

use std::ffi::OsStr;

use crate::environment::Environment;
use crate::output::printable;

/// Names that are secrets by their ending.
const NAME_ENDINGS: [&str; 9] = [
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "SECRET_KEY",
    "PRIVATE_KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
];

/// Beginnings by which their makers mark long-lived keys.
const VALUE_BEGINNINGS: [&str; 16] = [
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "AKIA",
    "AIza",
    "xoxb-",
    "xoxp-",
    "npm_",
    "pypi-",
    "dop_v1_",
    "hvs.",
    "SG.",
    "-----BEGIN ",
];

/// Keys with a known beginning are at least this long.
const SHORTEST_KEY: usize = 16;

/// The names of the variables that look like standing keys, sorted. Values never leave this function.
pub(super) fn find(environment: &Environment) -> Vec<String> {
    environment
        .iter()
        .filter(|(name, value)| is_secret_by_name(name, value) || is_key_by_value(value))
        .map(|(name, _)| printable(&name.to_string_lossy()).into_owned())
        .collect()
}

fn is_secret_by_name(name: &OsStr, value: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    NAME_ENDINGS
        .iter()
        .any(|ending| is_last_word(&name, ending))
        && !is_harmless(&value.to_string_lossy())
}

/// Whether a name is these words, or ends in them after a `_`.
fn is_last_word(name: &str, words: &str) -> bool {
    name.strip_suffix(words)
        .is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

/// Nothing, a switch, a number, or the path of a file.
fn is_harmless(value: &str) -> bool {
    matches!(value, "" | "true" | "false" | "yes" | "no")
        || value.starts_with('/')
        || value.bytes().all(|b| b.is_ascii_digit())
}

fn is_key_by_value(value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    value.len() >= SHORTEST_KEY
        && VALUE_BEGINNINGS
            .iter()
            .any(|beginning| value.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_name_or_by_beginning() {
        let table = [
            ("OPENAI_API_KEY", "x", true),
            ("AWS_SECRET_ACCESS_KEY", "x", true),
            ("GITHUB_TOKEN", "x", true),
            ("TOKEN", "x", true),
            ("db_password", "x", true),
            ("CLIENT_SECRET", "x", true),
            ("HARMLESS", "ghp_0123456789abcdef", true),
            ("HARMLESS", "github_pat_0123456789", true),
            ("HARMLESS", "sk-ant-0123456789", true),
            ("HARMLESS", "AKIAIOSFODNN7EXAMPLE", true),
            ("HARMLESS", "xoxb-0123456789-0123", true),
            ("HARMLESS", "glpat-0123456789abc", true),
            ("HARMLESS", "-----BEGIN PRIVATE KEY-----", true),
            ("GITHUB_TOKEN", "", false),
            ("USE_TOKEN", "true", false),
            ("MAX_TOKEN", "4096", false),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token", false),
            ("VAULT_TOKEN", "/run/token", false),
            ("NOTOKEN", "x", false),
            ("PATH", "/usr/bin", false),
            ("HARMLESS", "sk-short", false),
            ("SSH_AUTH_SOCK", "/run/agent", false),
        ];
        for (name, value, expected) in table {
            let environment: Environment = [(name, value)].into_iter().collect();
            assert_eq!(!find(&environment).is_empty(), expected, "{name}={value}");
        }
    }

    #[test]
    fn only_names_are_told() {
        let environment: Environment = [
            ("B_TOKEN", "s3cr3t"),
            ("A", "ghp_0123456789abcdef"),
            ("HOME", "/"),
        ]
        .into_iter()
        .collect();
        assert_eq!(find(&environment), ["A", "B_TOKEN"]);
    }
}
