//! What a configuration file says of where an SVID or a bundle comes from, checked.

use std::path::{Path, PathBuf};

use super::{BundleOrigin, SvidOrigin};
use crate::source::files::SvidPaths;
use crate::source::workload_api::Selection;
use crate::spiffe_id::InvalidSpiffeId;
use crate::workload_api::{Endpoint, InvalidEndpoint};

/// The keys of a configuration that say where an SVID comes from.
#[derive(Debug, Clone, Default)]
pub struct SvidFields {
    /// `certificate`: a file.
    pub certificate: Option<PathBuf>,
    /// `key`: a file.
    pub key: Option<PathBuf>,
    /// `workload_api`: an endpoint, or `$SPIFFE_ENDPOINT_SOCKET`.
    pub workload_api: Option<String>,
    /// `hint`: which of its identities.
    pub hint: Option<String>,
    /// `spiffe_id`: the same, by its name.
    pub spiffe_id: Option<String>,
}

/// Why it is not said where an SVID or a bundle comes from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Neither or both.
    #[error(
        "say where the SVID comes from, once: `certificate` and `key`, or `workload_api` \
         (`unix:///run/spire/agent.sock`)"
    )]
    Svid,
    /// Neither or both.
    #[error("say where the roots come from, once: `bundle` (a file), or `workload_api`")]
    Bundle,
    /// A choice among identities where there is only one.
    #[error(
        "`hint` and `spiffe_id` choose among the identities of a `workload_api`; leave them out with files"
    )]
    ChoiceOfOne,
    /// Two choices.
    #[error("choose by `hint` or by `spiffe_id`, not by both")]
    TwoChoices,
    /// An empty hint, which no identity is told apart by.
    #[error("`hint` is empty; leave it out for the default identity")]
    EmptyHint,
    /// The chosen identity is none.
    #[error("`spiffe_id`: {0}")]
    SpiffeId(#[from] InvalidSpiffeId),
    /// The endpoint is none.
    #[error("`workload_api`: {0}")]
    Endpoint(#[from] InvalidEndpoint),
}

impl SvidFields {
    /// Checks them; paths are relative to `base`, and `variable` reads the environment where the
    /// configuration points to it.
    pub fn check(
        self,
        base: &Path,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<SvidOrigin, InvalidOrigin> {
        match (self.certificate, self.key, self.workload_api) {
            (Some(certificate), Some(private_key), None) => {
                if self.hint.is_some() || self.spiffe_id.is_some() {
                    return Err(InvalidOrigin::ChoiceOfOne);
                }
                Ok(SvidOrigin::Files(SvidPaths {
                    certificate: base.join(certificate),
                    private_key: base.join(private_key),
                }))
            }
            (None, None, Some(endpoint)) => Ok(SvidOrigin::WorkloadApi {
                endpoint: Endpoint::configured(&endpoint, variable)?,
                selection: selection(self.hint, self.spiffe_id)?,
            }),
            _ => Err(InvalidOrigin::Svid),
        }
    }
}

impl BundleOrigin {
    /// Checks `bundle` and `workload_api`; see [`SvidFields::check`].
    pub fn check(
        bundle: Option<PathBuf>,
        workload_api: Option<&str>,
        base: &Path,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, InvalidOrigin> {
        match (bundle, workload_api) {
            (Some(file), None) => Ok(Self::File(base.join(file))),
            (None, Some(endpoint)) => {
                Ok(Self::WorkloadApi(Endpoint::configured(endpoint, variable)?))
            }
            _ => Err(InvalidOrigin::Bundle),
        }
    }
}

fn selection(hint: Option<String>, id: Option<String>) -> Result<Selection, InvalidOrigin> {
    match (hint, id) {
        (None, None) => Ok(Selection::Default),
        (Some(hint), None) if hint.is_empty() => Err(InvalidOrigin::EmptyHint),
        (Some(hint), None) => Ok(Selection::Hint(hint)),
        (None, Some(id)) => Ok(Selection::SpiffeId(id.parse()?)),
        (Some(_), Some(_)) => Err(InvalidOrigin::TwoChoices),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: [Option<&str>; 5]) -> Result<SvidOrigin, InvalidOrigin> {
        let [certificate, key, workload_api, hint, spiffe_id] = fields;
        let fields = SvidFields {
            certificate: certificate.map(Into::into),
            key: key.map(Into::into),
            workload_api: workload_api.map(Into::into),
            hint: hint.map(Into::into),
            spiffe_id: spiffe_id.map(Into::into),
        };
        fields.check(Path::new("/etc"), |_| Some("unix:///env".to_owned()))
    }

    #[test]
    fn an_svid_comes_from_one_place_and_is_chosen_in_one_way() {
        let (pem, key, api) = (Some("a.pem"), Some("a.key"), Some("unix:///api"));
        let id = Some("spiffe://acme.example/a");
        let from = |endpoint: &str, selection| SvidOrigin::WorkloadApi {
            endpoint: Endpoint::parse(endpoint).unwrap(),
            selection,
        };
        let by_id = Selection::SpiffeId("spiffe://acme.example/a".parse().unwrap());
        let by_hint = Selection::Hint("in".to_owned());
        let files = SvidOrigin::Files(SvidPaths {
            certificate: "/etc/a.pem".into(),
            private_key: "/etc/a.key".into(),
        });
        let table = [
            ([pem, key, None, None, None], Ok(files)),
            (
                [None, None, api, None, None],
                Ok(from("unix:///api", Selection::Default)),
            ),
            (
                [None, None, api, Some("in"), None],
                Ok(from("unix:///api", by_hint)),
            ),
            ([None, None, api, None, id], Ok(from("unix:///api", by_id))),
            (
                [None, None, Some("$SPIFFE_ENDPOINT_SOCKET"), None, None],
                Ok(from("unix:///env", Selection::Default)),
            ),
            ([None; 5], Err(InvalidOrigin::Svid)),
            ([pem, None, None, None, None], Err(InvalidOrigin::Svid)),
            ([pem, key, api, None, None], Err(InvalidOrigin::Svid)),
            ([None, key, api, None, None], Err(InvalidOrigin::Svid)),
            (
                [pem, key, None, Some("in"), None],
                Err(InvalidOrigin::ChoiceOfOne),
            ),
            (
                [None, None, api, Some("in"), id],
                Err(InvalidOrigin::TwoChoices),
            ),
            (
                [None, None, api, Some(""), None],
                Err(InvalidOrigin::EmptyHint),
            ),
        ];
        for (fields, expected) in table {
            assert_eq!(check(fields), expected, "{fields:?}");
        }
        assert!(check([None, None, Some("/api"), None, None]).is_err());
        assert!(check([None, None, api, None, Some("acme")]).is_err());
    }
}
