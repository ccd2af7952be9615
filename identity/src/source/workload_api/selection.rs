//! Which of several identities is ours.

use std::fmt;

use crate::spiffe_id::SpiffeId;
use crate::workload_api::X509svid;

/// Which of the identities that a Workload API gives is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The default one, which is the first
    /// ([SPIFFE Workload API](https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md#53-default-identity)).
    Default,
    /// The one with this hint; of two, the first.
    Hint(String),
    /// The one with this SPIFFE ID.
    SpiffeId(SpiffeId),
}

/// What was found.
pub(super) struct Chosen {
    /// Which one.
    pub(super) index: usize,
    /// Whether others have the same hint, which servers must not do.
    pub(super) is_ambiguous: bool,
}

impl Selection {
    /// Finds ours among all.
    pub(super) fn choose(&self, svids: &[X509svid]) -> Option<Chosen> {
        let fits = |svid: &&X509svid| match self {
            Self::Default => true,
            Self::Hint(hint) => svid.hint == *hint,
            Self::SpiffeId(id) => svid.spiffe_id == id.as_str(),
        };
        let index = svids.iter().position(|svid| fits(&svid))?;
        let is_ambiguous = matches!(self, Self::Hint(_)) && svids.iter().filter(fits).count() > 1;
        Some(Chosen {
            index,
            is_ambiguous,
        })
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default identity"),
            Self::Hint(hint) => write!(f, "identity with the hint `{hint}`"),
            Self::SpiffeId(id) => write!(f, "identity `{id}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svid(id: &str, hint: &str) -> X509svid {
        X509svid {
            spiffe_id: format!("spiffe://acme.example/{id}"),
            hint: hint.to_owned(),
            ..X509svid::default()
        }
    }

    #[test]
    fn the_first_that_fits_is_ours() {
        let id = |path: &str| {
            Selection::SpiffeId(format!("spiffe://acme.example/{path}").parse().unwrap())
        };
        let hint = |hint: &str| Selection::Hint(hint.to_owned());
        let svids = [
            svid("a", ""),
            svid("b", "in"),
            svid("c", "out"),
            svid("d", "in"),
        ];
        let table = [
            (Selection::Default, Some((0, false))),
            (hint("out"), Some((2, false))),
            (hint("in"), Some((1, true))),
            (hint("other"), None),
            (id("d"), Some((3, false))),
            (id("e"), None),
        ];
        for (selection, expected) in table {
            let found = selection.choose(&svids);
            let found = found.map(|chosen| (chosen.index, chosen.is_ambiguous));
            assert_eq!(found, expected, "{selection}");
        }
        assert!(Selection::Default.choose(&[]).is_none());
    }
}
