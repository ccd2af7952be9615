//! A sample job for the tests of the changes.

use std::collections::BTreeMap;
use std::time::Duration;

use taskpass_proto::holder::HolderSecret;
use taskpass_proto::ids::{JobId, LeaseId};

use super::JobWithLeases;
use super::open::Candidate;
use crate::domain::audit::{Event, Record};
use crate::domain::job::{Anchor, Job, Liveness, Opening, Owner};
use crate::domain::lease::{Lease, Term, Terms};
use crate::domain::revocability::Revocability;
use crate::domain::time::UnixMillis;
use crate::domain::token_form::TokenForm;

pub(crate) const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

pub(crate) fn job_id() -> JobId {
    JobId::new(NOW.as_millis(), [7; 10])
}

pub(crate) fn owner(holder: u8) -> Owner {
    Owner {
        subject: "spiffe://acme.example/ci/docs".parse().unwrap(),
        holder: HolderSecret::from_bytes(&[holder; 32]).unwrap().hash(),
    }
}

pub(crate) fn lease(number: u16, ttl_seconds: u64) -> Lease {
    lease_of(job_id(), number, ttl_seconds)
}

fn lease_of(job: JobId, number: u16, ttl_seconds: u64) -> Lease {
    let ttl = Duration::from_secs(ttl_seconds);
    let terms = Terms {
        credential: format!("docs-{number}"),
        issuer: "local".into(),
        audience: "https://docs.acme.example".into(),
        scopes: vec!["docs:write".into()],
        ttl,
        revocability: Revocability::Immediate,
        form: TokenForm::default(),
        bound_to: None,
        counts_from: None,
    };
    let term = Term {
        generation: 1,
        issued_at: NOW,
        expires_at: NOW.plus(ttl),
    };
    Lease::intent(LeaseId::new(job, number), terms)
        .activate(term)
        .unwrap()
}

pub(crate) fn candidate() -> Candidate {
    Candidate {
        id: job_id(),
        owner: owner(1),
        opening: Opening {
            task: "deploy-docs".parse().unwrap(),
            parameters: BTreeMap::from([("ref".into(), "main".into())]),
            request: [1; 32],
            policy: "policy".into(),
            decision: "dec".into(),
            opened_at: NOW,
            ends_by: NOW.plus(Duration::from_secs(600)),
            liveness: Liveness::Heartbeat,
            anchor: Anchor::Process,
            reported: None,
        },
        leases: vec![lease(1, 60), lease(2, 120)],
        live_limit: 100,
        record: Record::new(Event::JobOpened, NOW),
    }
}

/// The same for another job and holder.
pub(crate) fn candidate_for(id: JobId, holder: u8) -> Candidate {
    let record = Record {
        job: Some(id),
        decision: Some(format!("dec-{holder}")),
        ..Record::new(Event::JobOpened, NOW)
    };
    Candidate {
        id,
        owner: owner(holder.max(1)),
        leases: vec![lease_of(id, 1, 60), lease_of(id, 2, 120)],
        live_limit: u32::MAX,
        record,
        ..candidate()
    }
}

pub(crate) fn open_job() -> JobWithLeases {
    let Candidate {
        id,
        owner,
        opening,
        leases,
        ..
    } = candidate();
    JobWithLeases {
        job: Job::open(id, owner, opening),
        leases,
    }
}
