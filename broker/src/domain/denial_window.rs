//! Repeated denials: the first is recorded whole, the rest of a minute as one record with a count.

use std::collections::HashMap;
use std::time::Duration;

use taskpass_identity::SpiffeId;

/// How long denials of the same kind are counted together.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How many kinds are counted at once; beyond, each denial is recorded whole.
const MAX_KINDS: usize = 10_000;

/// What makes two denials alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DenialKind {
    /// The workload.
    pub subject: SpiffeId,
    /// The task, as asked for.
    pub task: String,
    /// The reason's code.
    pub reason: &'static str,
}

/// Counts denials.
#[derive(Debug, Default)]
pub struct DenialWindow {
    kinds: HashMap<DenialKind, Count>,
}

#[derive(Debug)]
struct Count {
    since: Duration,
    repeats: u64,
    decision: String,
}

/// What to do with a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Record it whole under this decision.
    Record,
    /// It was counted; the record of the first stands for it.
    Counted {
        /// The first one's decision.
        decision: String,
    },
}

/// A count that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// What was denied.
    pub kind: DenialKind,
    /// How often, after the first.
    pub repeats: u64,
    /// The first one's decision.
    pub decision: String,
}

impl DenialWindow {
    /// Takes a denial at `now` since boot.
    pub fn take(&mut self, kind: DenialKind, decision: &str, now: Duration) -> Denial {
        if let Some(count) = self.kinds.get_mut(&kind) {
            if now.saturating_sub(count.since) < WINDOW {
                count.repeats += 1;
                return Denial::Counted {
                    decision: count.decision.clone(),
                };
            }
        } else if self.kinds.len() >= MAX_KINDS {
            return Denial::Record;
        } else {
            let first = Count {
                since: now,
                repeats: 0,
                decision: decision.to_owned(),
            };
            self.kinds.insert(kind, first);
            return Denial::Record;
        }
        // The window of this kind is over and was not flushed yet; this denial speaks for itself.
        Denial::Record
    }

    /// Takes out the counts whose minute is over; those without a repeat are forgotten.
    pub fn flush(&mut self, now: Duration) -> Vec<Repeated> {
        self.kinds
            .extract_if(|_, count| now.saturating_sub(count.since) >= WINDOW)
            .filter(|(_, count)| count.repeats > 0)
            .map(|(kind, count)| Repeated {
                kind,
                repeats: count.repeats,
                decision: count.decision,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(reason: &'static str) -> DenialKind {
        let subject = "spiffe://acme.example/a".parse().unwrap();
        DenialKind {
            subject,
            task: "deploy".into(),
            reason,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn records_the_first_and_counts_the_rest_of_a_minute() {
        let mut window = DenialWindow::default();
        assert_eq!(window.take(kind("A"), "dec_1", at(0)), Denial::Record);
        let counted = Denial::Counted {
            decision: "dec_1".into(),
        };
        assert_eq!(window.take(kind("A"), "dec_2", at(1)), counted);
        assert_eq!(window.take(kind("A"), "dec_3", at(59)), counted);
        assert_eq!(window.take(kind("B"), "dec_4", at(59)), Denial::Record);
        assert!(window.flush(at(59)).is_empty());
        let repeated = Repeated {
            kind: kind("A"),
            repeats: 2,
            decision: "dec_1".into(),
        };
        assert_eq!(window.flush(at(60)), [repeated]);
        assert_eq!(window.take(kind("A"), "dec_5", at(61)), Denial::Record);
    }

    #[test]
    fn loses_no_denial_when_too_many_kinds_are_counted() {
        let mut window = DenialWindow::default();
        for n in 0..MAX_KINDS {
            let task = n.to_string();
            window.take(DenialKind { task, ..kind("A") }, "dec", at(0));
        }
        assert_eq!(window.take(kind("B"), "dec", at(0)), Denial::Record);
        assert_eq!(window.take(kind("B"), "dec", at(0)), Denial::Record);
    }
}
