//! What a job is asked for on the command line; `run` and `token` share it.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use taskpass_proto::task_name::TaskName;

use crate::durations;
use crate::failure::Failure;
use crate::local::wire::{Anchor, OpenJob, Wanted};

/// The credentials that a job is asked for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CredentialArguments {
    /// Asks for this credential only (repeatable); none named means all that are granted
    #[arg(long = "credential", value_name = "NAME", value_parser = credential_name)]
    pub(crate) credentials: Vec<String>,

    /// Asks for this scope only (repeatable). With several --credential, say whose it is: CRED:SCOPE
    #[arg(long = "scope", value_name = "SCOPE", requires = "credentials")]
    pub(crate) scopes: Vec<String>,
}

/// The parameters of a task.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ParameterArguments {
    /// Gives the task a parameter (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) params: Vec<(String, String)>,
}

impl CredentialArguments {
    /// The credentials to ask for.
    ///
    /// Where one credential is named, a scope is taken as it stands: scopes have colons of their own, and
    /// `cache:write` of the credential `cache` is one. Where several are, the one that a scope is of stands
    /// before its first colon.
    pub(crate) fn wanted(&self) -> Result<Vec<Wanted>, Failure> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for name in &self.credentials {
            if wanted.iter().any(|other| other.name == *name) {
                return Err(Failure::usage(format!(
                    "`--credential {name}` is given twice"
                )));
            }
            wanted.push(Wanted {
                name: name.clone(),
                scopes: Vec::new(),
            });
        }
        for scope in &self.scopes {
            assign(&mut wanted, scope)?;
        }
        Ok(wanted)
    }
}

impl ParameterArguments {
    /// The parameters by name.
    pub(crate) fn by_name(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut params = BTreeMap::new();
        for (name, value) in &self.params {
            if params.insert(name.clone(), value.clone()).is_some() {
                return Err(Failure::usage(format!("`--param {name}=…` is given twice")));
            }
        }
        Ok(params)
    }
}

/// Puts together the request for a job.
pub(crate) fn job(
    task: &TaskName,
    params: &ParameterArguments,
    credentials: &CredentialArguments,
    anchor: Anchor,
    ttl: Option<Duration>,
) -> Result<OpenJob, Failure> {
    Ok(OpenJob {
        task: task.as_str().to_owned(),
        params: params.by_name()?,
        credentials: credentials.wanted()?,
        anchor,
        max_duration_seconds: ttl.map(|ttl| ttl.as_secs_f64()),
    })
}

/// Reads `--ttl`.
pub(crate) fn ttl(text: &str) -> Result<Duration, String> {
    durations::parse(text)
}

/// Reads the name of a credential; it also names the credential's file.
pub(crate) fn credential_name(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !text.is_empty() && !text.starts_with('.') && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("a credential's name is letters, digits, `-`, `_` and `.`".to_owned())
    }
}

fn assign(wanted: &mut [Wanted], text: &str) -> Result<(), Failure> {
    let (position, scope) = if wanted.len() == 1 {
        (0, text)
    } else {
        let prefixed = text.split_once(':').and_then(|(name, scope)| {
            let position = wanted.iter().position(|one| one.name == name)?;
            Some((position, scope)).filter(|(_, scope)| !scope.is_empty())
        });
        prefixed.ok_or_else(|| {
            Failure::usage(format!(
                "it is not clear which credential `--scope {text}` is for"
            ))
            .remedy("write `--scope CRED:SCOPE`, with a CRED that `--credential` names")
        })?
    };
    if let Some(one) = wanted.get_mut(position) {
        one.scopes.push(scope.to_owned());
    }
    Ok(())
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, for instance `ref=refs/heads/main`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_parameter_is_cut_at_the_first_equals_sign() {
        let table = [
            ("ref=main", Some(("ref", "main"))),
            ("query=a=b", Some(("query", "a=b"))),
            ("empty=", Some(("empty", ""))),
            ("=value", None),
            ("ref", None),
            ("", None),
        ];
        for (text, expected) in table {
            let read = parameter(text).ok();
            let read = read.as_ref().map(|(n, v)| (n.as_str(), v.as_str()));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn scopes_find_their_credential() {
        let docs: &[&str] = &["docs"];
        let both: &[&str] = &["docs", "db"];
        let table: [(&[&str], &[&str], Option<&str>); 8] = [
            (docs, &[], Some("docs[]")),
            (docs, &["docs:write"], Some("docs[docs:write]")),
            (both, &["docs:docs:write"], Some("docs[docs:write] db[]")),
            (docs, &["pages:read", "read"], Some("docs[pages:read read]")),
            (
                both,
                &["db:read", "docs:docs:write"],
                Some("docs[docs:write] db[read]"),
            ),
            (both, &["pages:read"], None),
            (both, &["read"], None),
            (&["docs", "docs"], &[], None),
        ];
        for (credentials, scopes, expected) in table {
            let arguments = CredentialArguments {
                credentials: credentials.iter().map(ToString::to_string).collect(),
                scopes: scopes.iter().map(ToString::to_string).collect(),
            };
            let wanted = arguments.wanted().ok().map(|wanted| {
                let show = |one: &Wanted| format!("{}[{}]", one.name, one.scopes.join(" "));
                wanted.iter().map(show).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(wanted.as_deref(), expected, "{credentials:?} {scopes:?}");
        }
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        let twice = ["ref=a", "ref=b"].map(|text| parameter(text).unwrap());
        let arguments = ParameterArguments {
            params: twice.to_vec(),
        };
        assert!(arguments.by_name().is_err());
    }

    #[test]
    fn a_credentials_name_is_a_plain_file_name() {
        for good in ["docs-api", "db_1", "a.b"] {
            assert!(credential_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "../x", "a b", "a\0"] {
            assert!(credential_name(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,32}") {
            let _ = parameter(&text);
            if let Ok(name) = credential_name(&text) {
                prop_assert!(!name.contains('/') && !name.starts_with('.'));
            }
        }
    }
}
