//! Which credential files are worth keeping, and until when.

use std::time::Duration;

use tokio::time::Instant;

use crate::local::wire::{Credential, NotRenewed, seconds};

/// Reasons that say that the newest token is worth nothing any more, and not only that no other follows.
const TAKEN_BACK: [&str; 2] = ["LEASE_ENDED", "LEASE_UNKNOWN"];

/// A token that is still to be renewed is kept this long past its end: where the job ends with it, the agent
/// says so by then, and why.
const PATIENCE: Duration = Duration::from_secs(3);

/// The credentials that a job was handed.
#[derive(Debug)]
pub(super) struct Kept(Vec<One>);

#[derive(Debug)]
struct One {
    lease: String,
    name: String,
    expires: Instant,
    renewal: Renewal,
    /// Whether its file is still there.
    is_there: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    Expected,
    Refused,
}

/// A credential whose file is of no use any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// Its name.
    pub(super) name: String,
    /// Whether no other token will follow.
    pub(super) for_good: bool,
}

impl Kept {
    /// What was handed out when the job was opened.
    pub(super) fn new(credentials: &[Credential], now: Instant) -> Self {
        let mut kept = Self(Vec::new());
        kept.renewed(credentials, now);
        kept
    }

    /// There are newer tokens.
    pub(super) fn renewed(&mut self, credentials: &[Credential], now: Instant) {
        for credential in credentials {
            let next = One {
                lease: credential.lease.clone(),
                name: credential.name.clone(),
                expires: now + seconds(credential.expires_in),
                renewal: Renewal::Expected,
                is_there: true,
            };
            match self.of_lease(&credential.lease) {
                // The same token may come again, beside a renewal of another.
                Some(known) => {
                    *known = One {
                        renewal: known.renewal,
                        ..next
                    }
                }
                None => self.0.push(next),
            }
        }
    }

    /// A renewal was refused for good. Answers the credential's name the first time.
    pub(super) fn refused(&mut self, why: &NotRenewed, now: Instant) -> Option<String> {
        let known = self.of_lease(&why.lease)?;
        if TAKEN_BACK.contains(&why.reason.as_str()) {
            known.expires = now;
        }
        let before = std::mem::replace(&mut known.renewal, Renewal::Refused);
        (before == Renewal::Expected).then(|| known.name.clone())
    }

    /// When the next file is of no use any more.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let there = self.0.iter().filter(|one| one.is_there);
        there.map(One::end).min()
    }

    /// Gives up what has expired, and says what that is.
    pub(super) fn take_over(&mut self, now: Instant) -> Vec<Over> {
        let over = |one: &&mut One| one.is_there && one.end() <= now;
        let over = self.0.iter_mut().filter(over);
        over.map(|one| {
            one.is_there = false;
            Over {
                name: one.name.clone(),
                for_good: one.renewal == Renewal::Refused,
            }
        })
        .collect()
    }

    /// The job has ended: nothing is kept any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn of_lease(&mut self, lease: &str) -> Option<&mut One> {
        self.0.iter_mut().find(|one| one.lease == lease)
    }
}

impl One {
    fn end(&self) -> Instant {
        match self.renewal {
            Renewal::Expected => self.expires + PATIENCE,
            Renewal::Refused => self.expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(lease: &str, expires_in: u64) -> Credential {
        serde_json::from_value(serde_json::json!({
            "name": format!("of-{lease}"), "type": "jwt", "token": "x", "lease": lease,
            "expires_in": expires_in, "revocability": {"kind": "immediate"},
        }))
        .unwrap()
    }

    fn refusal(lease: &str, reason: &str) -> NotRenewed {
        let (lease, reason) = (lease.to_owned(), reason.to_owned());
        NotRenewed {
            lease,
            reason,
            detail: String::new(),
        }
    }

    fn over(name: &str, for_good: bool) -> Vec<Over> {
        let name = name.to_owned();
        vec![Over { name, for_good }]
    }

    #[test]
    fn what_expires_is_over_once_and_comes_back_with_a_renewal() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds) + PATIENCE;
        let mut kept = Kept::new(&[credential("a", 10), credential("b", 20)], start);
        assert_eq!(kept.next_end(), Some(at(10)));
        assert_eq!(kept.take_over(at(9)), []);
        assert_eq!(kept.take_over(at(10)), over("of-a", false));
        assert_eq!(kept.take_over(at(11)), []);
        kept.renewed(&[credential("a", 10)], at(12));
        kept.renewed(&[credential("b", 60)], at(15));
        assert_eq!(kept.take_over(at(22) + PATIENCE), over("of-a", false));
    }

    #[test]
    fn a_refusal_is_told_once_and_leaves_the_token_its_time_unless_it_was_taken_back() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut kept = Kept::new(&[credential("a", 10), credential("b", 20)], start);
        let denied = refusal("a", "TASK_NOT_GRANTED");
        assert_eq!(kept.refused(&denied, at(1)).as_deref(), Some("of-a"));
        kept.renewed(&[credential("a", 8)], at(2));
        assert_eq!(kept.refused(&denied, at(2)), None);
        assert_eq!(kept.take_over(at(9)), []);
        assert_eq!(kept.take_over(at(10)), over("of-a", true));
        assert!(kept.refused(&refusal("b", "LEASE_ENDED"), at(11)).is_some());
        assert_eq!(kept.take_over(at(11)), over("of-b", true));
        assert_eq!(kept.refused(&refusal("c", "LEASE_ENDED"), at(11)), None);
    }
}
