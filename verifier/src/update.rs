//! What the broker's stream says, parsed.

use taskpass_proto::ids::{JobId, LeaseId};
use taskpass_proto::time::millis_from_timestamp;
use taskpass_proto::v1::WatchRevocationsResponse;
use taskpass_proto::v1::watch_revocations_response::{Entry, Message, entry};

/// One message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// A part of everything up to a number.
    Snapshot {
        /// Up to here, once no more follows.
        number: u64,
        /// What no longer counts.
        revocations: Vec<Revocation>,
        /// Whether another part follows.
        more: bool,
        /// Names the position together with `number`.
        epoch: Vec<u8>,
    },
    /// Something ended.
    Revoked {
        /// Its place; 0 when it has none yet.
        number: u64,
        /// What ended.
        revocation: Revocation,
    },
    /// Nothing else has, up to this number.
    Progress(u64),
    /// The position means nothing to the broker; a snapshot follows.
    Reset,
    /// The stream ends soon.
    Reconnect,
}

/// Tokens that no longer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Whose.
    pub revoked: Revoked,
    /// Milliseconds since 1970; none of them can be accepted after this.
    pub until: u64,
}

/// Whose tokens no longer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Every token of a job.
    Job(JobId),
    /// Every generation of a lease.
    Lease(LeaseId),
}

/// A message that makes no sense. Whoever goes on after one may have missed an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the broker sent a message that this version does not understand; update the resource server"
)]
pub struct Unintelligible;

impl TryFrom<WatchRevocationsResponse> for Update {
    type Error = Unintelligible;

    fn try_from(response: WatchRevocationsResponse) -> Result<Self, Unintelligible> {
        Ok(match response.message.ok_or(Unintelligible)? {
            Message::Snapshot(snapshot) => {
                let entries = snapshot.entries.iter();
                Self::Snapshot {
                    number: snapshot.number,
                    revocations: entries.map(revocation).collect::<Result<_, _>>()?,
                    more: snapshot.more,
                    epoch: snapshot.epoch,
                }
            }
            Message::Entry(entry) => Self::Revoked {
                number: entry.number,
                revocation: revocation(&entry)?,
            },
            Message::Progress(progress) => Self::Progress(progress.number),
            Message::Reset(_) => Self::Reset,
            Message::Reconnect(_) => Self::Reconnect,
        })
    }
}

fn revocation(entry: &Entry) -> Result<Revocation, Unintelligible> {
    let revoked = match entry.revoked.as_ref().ok_or(Unintelligible)? {
        entry::Revoked::JobId(job) => Revoked::Job(job.parse().map_err(|_| Unintelligible)?),
        entry::Revoked::LeaseId(lease) => {
            Revoked::Lease(lease.parse().map_err(|_| Unintelligible)?)
        }
    };
    let until = entry.until.as_ref().and_then(millis_from_timestamp);
    Ok(Revocation {
        revoked,
        until: until.ok_or(Unintelligible)?,
    })
}

#[cfg(test)]
mod tests {
    use taskpass_proto::time::timestamp_from_millis;
    use taskpass_proto::v1::watch_revocations_response::Snapshot;

    use super::*;

    fn entry_of(revoked: Option<entry::Revoked>) -> Entry {
        Entry {
            number: 7,
            revoked,
            until: Some(timestamp_from_millis(9000)),
        }
    }

    fn read(message: Option<Message>) -> Result<Update, Unintelligible> {
        WatchRevocationsResponse { message }.try_into()
    }

    #[test]
    fn reads_what_the_broker_writes() {
        let lease = "lease_01h455vb4pex5vsknk084sn02q_3";
        let entry = entry_of(Some(entry::Revoked::LeaseId(lease.into())));
        let revocation = Revocation {
            revoked: Revoked::Lease(lease.parse().unwrap()),
            until: 9000,
        };
        let update = read(Some(Message::Entry(entry)));
        let number = 7;
        assert_eq!(update, Ok(Update::Revoked { number, revocation }));
    }

    #[test]
    fn what_it_does_not_understand_is_an_error_and_never_skipped() {
        let bad = [
            None,
            Some(Message::Entry(entry_of(None))),
            Some(Message::Entry(entry_of(Some(entry::Revoked::JobId(
                "x".into(),
            ))))),
            Some(Message::Entry(Entry {
                until: None,
                ..entry_of(Some(entry::Revoked::JobId(
                    "job_01h455vb4pex5vsknk084sn02q".into(),
                )))
            })),
            Some(Message::Snapshot(Snapshot {
                entries: vec![entry_of(None)],
                ..Snapshot::default()
            })),
        ];
        for message in bad {
            assert_eq!(read(message.clone()), Err(Unintelligible), "{message:?}");
        }
    }
}
