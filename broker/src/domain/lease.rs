//! A lease: the durable record of one credential handed out.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use taskpass_proto::ids::LeaseId;

use super::binding::Thumbprint;
use super::cause::Cause;
use super::revocability::Revocability;
use super::time::UnixMillis;
use super::token_form::TokenForm;

/// A clock that runs back by no more than this was corrected, not set.
pub const STEP_BACK: Duration = Duration::from_secs(5);

/// A lease as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its job's id and a number.
    pub id: LeaseId,
    /// What it is a lease of; never changes but for [`Terms::bound_to`] and [`Terms::counts_from`].
    pub terms: Terms,
    /// Where it is in its life.
    pub state: LeaseState,
}

/// What was granted. A renewal stays within it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The credential's name in policy.
    pub credential: String,
    /// The issuer's name.
    pub issuer: String,
    /// The one audience, a URI.
    pub audience: String,
    /// The scopes, each one RFC 6749 scope-token.
    pub scopes: Vec<String>,
    /// The lifetime of each generation.
    pub ttl: Duration,
    /// What can be said of taking it back early.
    pub revocability: Revocability,
    /// What its tokens look like.
    #[serde(default, skip_serializing_if = "TokenForm::is_default")]
    pub form: TokenForm,
    /// The certificate that its tokens are bound to; none for bearer tokens. A renewal may bind the next
    /// generation to another certificate of the same workload, and nothing else of these terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<Thumbprint>,
    /// The first generation whose tokens still count, where it is not the first: the wall clock was set back
    /// before it was issued, and those before it would live again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_from: Option<u32>,
}

/// One generation of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// From 1; a renewal raises it.
    pub generation: u32,
    /// When it was issued, a whole second.
    pub issued_at: UnixMillis,
    /// When it expires, a whole second.
    pub expires_at: UnixMillis,
}

/// The states of a lease: `intent → active → revoking → ended`, `intent → revoking` when the outcome at the
/// target is unknown, and `intent → ended(abandoned)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// Recorded before the target is touched.
    Intent,
    /// Handed out.
    Active(Term),
    /// Ended here, being taken back at the target.
    Revoking {
        /// The newest generation; none when the outcome of the first was unknown.
        term: Option<Term>,
        /// Why.
        cause: Cause,
    },
    /// Over, at the target too.
    Ended {
        /// The newest generation, if there ever was one.
        term: Option<Term>,
        /// Why.
        cause: Cause,
        /// When.
        at: UnixMillis,
    },
}

/// A transition that the state does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lease that is {from} cannot become {to}")]
pub struct InvalidTransition {
    from: &'static str,
    to: &'static str,
}

impl Lease {
    /// A lease before its credential exists.
    pub fn intent(id: LeaseId, terms: Terms) -> Self {
        Self {
            id,
            terms,
            state: LeaseState::Intent,
        }
    }

    /// The credential exists: `intent → active`.
    pub fn activate(self, term: Term) -> Result<Self, InvalidTransition> {
        match self.state {
            LeaseState::Intent => Ok(Self {
                state: LeaseState::Active(term),
                ..self
            }),
            state => Err(state.cannot_become("active")),
        }
    }

    /// The next generation: `active → active`. A bound lease stays bound, perhaps to another certificate.
    pub fn renew(
        self,
        term: Term,
        bound_to: Option<Thumbprint>,
    ) -> Result<Self, InvalidTransition> {
        match self.state {
            LeaseState::Active(before) => Ok(Self {
                state: LeaseState::Active(term),
                terms: Terms {
                    // INVARIANT: what expired by a clock that was set back since does not live again.
                    counts_from: if term.issued_at.plus(STEP_BACK) < before.issued_at {
                        Some(term.generation)
                    } else {
                        self.terms.counts_from
                    },
                    // INVARIANT: a bound lease never becomes a bearer's, nor the other way round.
                    bound_to: self
                        .terms
                        .bound_to
                        .and_then(|bound| bound_to.or(Some(bound))),
                    ..self.terms
                },
                ..self
            }),
            state => Err(state.cannot_become("renewed")),
        }
    }

    /// It is to be taken back at its target: `intent | active → revoking`.
    pub fn begin_revoking(self, cause: Cause) -> Result<Self, InvalidTransition> {
        let term = match self.state {
            LeaseState::Intent => None,
            LeaseState::Active(term) => Some(term),
            state => return Err(state.cannot_become("revoking")),
        };
        Ok(Self {
            state: LeaseState::Revoking { term, cause },
            ..self
        })
    }

    /// It is gone: `revoking → ended`.
    pub fn finish_revoking(self, at: UnixMillis) -> Result<Self, InvalidTransition> {
        match self.state {
            LeaseState::Revoking { term, cause } => Ok(Self {
                state: LeaseState::Ended { term, cause, at },
                ..self
            }),
            state => Err(state.cannot_become("ended")),
        }
    }

    /// The credential never came to be: `intent → ended(abandoned)`.
    pub fn abandon(self, at: UnixMillis) -> Result<Self, InvalidTransition> {
        match self.state {
            LeaseState::Intent => {
                let state = LeaseState::Ended {
                    term: None,
                    cause: Cause::Abandoned,
                    at,
                };
                Ok(Self { state, ..self })
            }
            state => Err(state.cannot_become("abandoned")),
        }
    }

    /// Ends a lease that we alone verify: there is no target to drain, so both steps are one.
    pub fn end_here(self, cause: Cause, at: UnixMillis) -> Result<Self, InvalidTransition> {
        self.begin_revoking(cause)?.finish_revoking(at)
    }

    /// Its current generation, while it is active.
    pub fn active(&self) -> Option<Term> {
        match self.state {
            LeaseState::Active(term) => Some(term),
            LeaseState::Intent | LeaseState::Revoking { .. } | LeaseState::Ended { .. } => None,
        }
    }

    /// Its newest generation, in whatever state.
    pub fn newest(&self) -> Option<Term> {
        match self.state {
            LeaseState::Intent => None,
            LeaseState::Active(term) => Some(term),
            LeaseState::Revoking { term, .. } | LeaseState::Ended { term, .. } => term,
        }
    }
}

impl LeaseState {
    /// The word for it in the store, the audit log and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Active(_) => "active",
            Self::Revoking { .. } => "revoking",
            Self::Ended { .. } => "ended",
        }
    }

    /// Why it ended or is ending.
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::Intent | Self::Active(_) => None,
            Self::Revoking { cause, .. } | Self::Ended { cause, .. } => Some(cause),
        }
    }

    fn cannot_become(self, to: &'static str) -> InvalidTransition {
        InvalidTransition {
            from: self.as_str(),
            to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);
    const CAUSE: Cause = Cause::Operator;

    fn term(generation: u32) -> Term {
        Term {
            generation,
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(60)),
        }
    }

    fn in_state(state: LeaseState) -> Lease {
        let terms = Terms {
            credential: "docs-api".into(),
            issuer: "local".into(),
            audience: "https://docs.acme.example".into(),
            scopes: vec!["docs:write".into()],
            ttl: Duration::from_secs(60),
            revocability: Revocability::Immediate,
            form: TokenForm::default(),
            bound_to: None,
            counts_from: None,
        };
        let job = "job_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        Lease {
            state,
            ..Lease::intent(LeaseId::new(job, 1), terms)
        }
    }

    type Transition = fn(Lease) -> Result<Lease, InvalidTransition>;

    #[test]
    fn has_the_transitions_of_the_contract_and_no_other() {
        let intent = LeaseState::Intent;
        let active = LeaseState::Active(term(1));
        let revoking = LeaseState::Revoking {
            term: Some(term(1)),
            cause: CAUSE,
        };
        let ended = LeaseState::Ended {
            term: Some(term(1)),
            cause: CAUSE,
            at: NOW,
        };
        let table: [(Transition, [Option<LeaseState>; 4]); 6] = [
            (|l| l.activate(term(1)), [Some(active), None, None, None]),
            (
                |l| l.renew(term(2), None),
                [None, Some(LeaseState::Active(term(2))), None, None],
            ),
            (
                |l| l.begin_revoking(CAUSE),
                [
                    Some(LeaseState::Revoking {
                        term: None,
                        cause: CAUSE,
                    }),
                    Some(revoking),
                    None,
                    None,
                ],
            ),
            (|l| l.finish_revoking(NOW), [None, None, Some(ended), None]),
            (
                |l| l.abandon(NOW),
                [
                    Some(LeaseState::Ended {
                        term: None,
                        cause: Cause::Abandoned,
                        at: NOW,
                    }),
                    None,
                    None,
                    None,
                ],
            ),
            (
                |l| l.end_here(CAUSE, NOW),
                [
                    Some(LeaseState::Ended {
                        term: None,
                        cause: CAUSE,
                        at: NOW,
                    }),
                    Some(ended),
                    None,
                    None,
                ],
            ),
        ];
        for (row, (transition, expected)) in table.into_iter().enumerate() {
            for (from, to) in [intent, active, revoking, ended].into_iter().zip(expected) {
                let got = transition(in_state(from)).ok().map(|lease| lease.state);
                assert_eq!(got, to, "row {row}, from {}", from.as_str());
            }
        }
    }
}
