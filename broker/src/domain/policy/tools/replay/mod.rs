//! What requests of the past would get from a proposed policy.
//!
//! - [`Replay`]: takes records one by one, and groups what would have come out differently
//! - `compare`: how two outcomes differ

mod compare;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use taskpass_identity::SpiffeId;

use super::recorded::{Given, NotDecidable, Recorded};
use crate::domain::policy::snapshot::Policy;

pub use compare::{Difference, Kind, differences};

/// Examples kept of each group.
const MAX_EXAMPLES: usize = 3;
/// Groups kept; a policy that changes more than that is not read as a list.
const MAX_GROUPS: usize = 10_000;

/// A record of the audit log, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its number.
    pub number: u64,
    /// What happened, in the log's own word.
    pub event: &'a str,
    /// The workload.
    pub workload: &'a str,
    /// The task.
    pub task: &'a str,
    /// Id of the decision.
    pub decision: &'a str,
    /// JSON; empty when it was erased.
    pub details: &'a str,
}

/// Decides requests of the past by a proposed policy.
#[derive(Debug)]
pub struct Replay<'a> {
    policy: &'a Policy,
    groups: BTreeMap<Key, Counted>,
    summary: Summary,
    /// Denials that were seen, by decision: the groups that they count for.
    denials: HashMap<String, Vec<Key>>,
    /// Repetitions of denials that were not seen yet.
    repeats: HashMap<String, u64>,
}

/// How many requests there were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Decided again.
    pub decided: u64,
    /// Of those, renewals of what a job holds.
    pub renewals: u64,
    /// Of those, credentials that an open job asked for later.
    pub later: u64,
    /// Repetitions of denials, which the log only counts: their requests are not kept, and may have been others.
    pub repeated: u64,
    /// Of what was decided again, that for which something else would have come out.
    pub different: u64,
    /// Not decided again, because their details were erased.
    pub erased: u64,
    /// Not decided again, because the record does not say what they were decided on.
    pub without_input: u64,
    /// Groups that were too many to be listed.
    pub unlisted: u64,
}

/// Requests for which the same differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The task.
    pub task: String,
    /// The workloads: a pattern of the policy, or one made of what their names have in common.
    pub workloads: String,
    /// What differs.
    #[serde(flatten)]
    pub difference: Difference,
    /// How many requests.
    pub count: u64,
    /// How many of them were renewals.
    pub renewals: u64,
    /// How many repetitions of these requests the log counts, which may have been others.
    pub repetitions: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Number of its record.
    pub number: u64,
    /// Its workload.
    pub workload: String,
    /// Id of its decision.
    pub decision: String,
}

/// What came of all records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many there were.
    pub summary: Summary,
    /// What differs, the most frequent first.
    pub groups: Vec<Group>,
}

/// Task, workloads, difference.
type Key = (String, String, Difference);

#[derive(Debug, Default)]
struct Counted {
    count: u64,
    renewals: u64,
    repetitions: u64,
    examples: Vec<Example>,
}

impl Counted {
    fn note(&mut self, record: Record<'_>) {
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(Example {
                number: record.number,
                workload: record.workload.to_owned(),
                decision: record.decision.to_owned(),
            });
        }
    }
}

impl<'a> Replay<'a> {
    /// A replay against this policy.
    pub fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            groups: BTreeMap::new(),
            summary: Summary::default(),
            denials: HashMap::new(),
            repeats: HashMap::new(),
        }
    }

    /// Takes one record. Those that are no decision on a job are passed over.
    pub fn take(&mut self, record: Record<'_>) {
        match record.event {
            "job.opened"
            | "job.denied"
            | "lease.denied"
            | "lease.renewed"
            | "lease.renewal_denied" => self.decide(record),
            // Of a job's first leases, its own record has the decision; of later ones, the first.
            "lease.issued"
                if Recorded::read(record.workload, record.task, record.details).is_ok() =>
            {
                self.decide(record);
            }
            "denials.repeated" => self.repeat(record),
            _ => {}
        }
    }

    /// What came of it.
    pub fn finish(self) -> Report {
        let group = |((task, workloads, difference), counted): (Key, Counted)| Group {
            task,
            workloads,
            difference,
            count: counted.count,
            renewals: counted.renewals,
            repetitions: counted.repetitions,
            examples: counted.examples,
        };
        let mut groups: Vec<Group> = self.groups.into_iter().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Report {
            summary: self.summary,
            groups,
        }
    }

    fn decide(&mut self, record: Record<'_>) {
        let recorded = match Recorded::read(record.workload, record.task, record.details) {
            Ok(recorded) => recorded,
            Err(NotDecidable::Erased) => {
                self.summary.erased += 1;
                return;
            }
            Err(NotDecidable::NoInput) => {
                self.summary.without_input += 1;
                return;
            }
        };
        let decision = self.policy.decide(&recorded.input.request());
        let differences = compare::differences(&recorded.result, &Given::of(&decision));
        let repeats = self.repeats.remove(record.decision).unwrap_or_default();
        let is_renewal = matches!(record.event, "lease.renewed" | "lease.renewal_denied");
        let is_later = matches!(record.event, "lease.issued" | "lease.denied");
        self.summary.decided += 1;
        self.summary.renewals += u64::from(is_renewal);
        self.summary.later += u64::from(is_later);
        self.summary.repeated += repeats;
        if !differences.is_empty() {
            self.summary.different += 1;
        }
        let workloads = self.workloads(record.task, &recorded.input.workload);
        let mut keys = Vec::with_capacity(differences.len());
        for difference in differences {
            let key = (record.task.to_owned(), workloads.clone(), difference);
            if let Some(counted) = self.counted(&key) {
                counted.count += 1;
                counted.renewals += u64::from(is_renewal);
                counted.repetitions += repeats;
                counted.note(record);
            }
            keys.push(key);
        }
        if matches!(recorded.result, Given::Denied(_)) && !record.decision.is_empty() {
            self.denials.insert(record.decision.to_owned(), keys);
        }
    }

    fn counted(&mut self, key: &Key) -> Option<&mut Counted> {
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(key) {
            self.summary.unlisted += 1;
            return None;
        }
        Some(self.groups.entry(key.clone()).or_default())
    }

    /// A count of repeated denials names the decision of the first; that one may come before it or after it.
    fn repeat(&mut self, record: Record<'_>) {
        #[derive(serde::Deserialize)]
        struct Details {
            repeats: u64,
        }
        let Ok(Details { repeats }) = serde_json::from_str(record.details) else {
            return;
        };
        let Some(keys) = self.denials.get(record.decision) else {
            *self.repeats.entry(record.decision.to_owned()).or_default() += repeats;
            return;
        };
        self.summary.repeated += repeats;
        for key in keys {
            if let Some(counted) = self.groups.get_mut(key) {
                counted.repetitions += repeats;
            }
        }
    }

    /// The pattern of the proposed grant that is for the workload, or else its name with `*` at the end.
    fn workloads(&self, task: &str, workload: &SpiffeId) -> String {
        let grants = self.policy.tasks.get(task).map(|task| &task.grants);
        let mut patterns = grants.into_iter().flatten().flat_map(|g| &g.workloads);
        match patterns.find(|pattern| pattern.matches(workload)) {
            Some(pattern) => pattern.to_string(),
            None => match workload.as_str().rsplit_once('/') {
                Some((parent, _)) => format!("{parent}/*"),
                None => workload.to_string(),
            },
        }
    }
}
