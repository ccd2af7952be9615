//! What is given besides the request: the life of the job, what the agent reports, what is known against the
//! workload.

use std::time::Duration;

use crate::domain::job::Reported;
use crate::domain::policy::circumstances::{JobFacts, Risk};
use crate::domain::policy::read::entry::{Entry, Key};
use crate::domain::policy::read::section::Section;
use crate::domain::policy::report::Report;
use crate::domain::time::UnixMillis;

pub(super) const JOB: Key<'static> = Key::new("job", "{ age = \"20m\", generation = 2 }");
pub(super) const REPORTED: Key<'static> = Key::new("reported", "{ host = \"node-1\", uid = 1000 }");
pub(super) const RISK: Key<'static> = Key::new("risk", "{ exposed = true }");

const AGE: Key<'static> = Key::new("age", "\"20m\"");
const GENERATION: Key<'static> = Key::new("generation", "2");
const HOST: Key<'static> = Key::new("host", "\"node-1\"");
const UID: Key<'static> = Key::new("uid", "1000");
const GID: Key<'static> = Key::new("gid", "1000");
const PID: Key<'static> = Key::new("pid", "4711");
const EXECUTABLE: Key<'static> = Key::new("executable", "\"/usr/bin/deploy\"");
const EXPOSED: Key<'static> = Key::new("exposed", "true");
const ELEVATED: Key<'static> = Key::new("elevated", "true");

/// The life of a job so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Life {
    age: Duration,
    generation: Option<u32>,
}

impl Life {
    pub(super) fn read(mut section: Section<'_>, report: &mut Report) -> Self {
        let age = section
            .optional(AGE)
            .and_then(|entry| entry.duration(report));
        let generation = section.optional(GENERATION);
        let generation = generation.and_then(|entry| small(entry, report));
        section.finish(report);
        Self {
            age: age.map(|age| age.value).unwrap_or_default(),
            generation,
        }
    }

    /// The time of the decision, and where in its life the job is then. Where no time is said, there was at
    /// least enough of it.
    pub(super) fn facts(self, at: UnixMillis) -> (UnixMillis, JobFacts) {
        let at = at.max(UnixMillis::default().plus(self.age));
        let generation = self.generation.unwrap_or(1);
        let facts = JobFacts {
            opened_at: at.minus(self.age),
            generation,
            is_renewal: generation > 1,
        };
        (at, facts)
    }
}

/// What the agent says; what is left out is zero or empty.
pub(super) fn reported(mut section: Section<'_>, report: &mut Report) -> Reported {
    let mut text = |key| {
        let entry = section.optional(key);
        let text = entry.and_then(|entry| entry.string(report));
        text.map(|text| text.value.to_owned()).unwrap_or_default()
    };
    let (host, executable) = (text(HOST), text(EXECUTABLE));
    let mut number = |key| {
        let entry = section.optional(key);
        entry
            .and_then(|entry| small(entry, report))
            .unwrap_or_default()
    };
    let (uid, gid, pid) = (number(UID), number(GID), number(PID));
    section.finish(report);
    Reported {
        host,
        uid,
        gid,
        pid,
        executable,
    }
}

pub(super) fn risk(mut section: Section<'_>, report: &mut Report) -> Risk {
    let mut flag = |key| {
        let entry = section.optional(key);
        entry
            .and_then(|entry| entry.boolean(report))
            .unwrap_or_default()
    };
    let (exposed, elevated) = (flag(EXPOSED), flag(ELEVATED));
    section.finish(report);
    Risk { exposed, elevated }
}

fn small(entry: Entry<'_>, report: &mut Report) -> Option<u32> {
    let number = entry.integer(report)?;
    match u32::try_from(number.value) {
        Ok(small) => Some(small),
        Err(_) => entry.refuse(
            number.place,
            "the integer is out of range".to_owned(),
            report,
        ),
    }
}
