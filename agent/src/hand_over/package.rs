//! What one agent hands to the next, beside the journal that both read. It is never written to a disk.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::v1;
use taskpass_proto::v1::revocability::Kind;

use crate::callers::Peer;
use crate::clock::Instant;
use crate::job::held::{Held, NotRenewed, Token};
use crate::job::secret::Secret;
use crate::job::view::JobView;
use crate::local_api::connection::Parked;
use crate::watch::process::Started;

/// Everything but the descriptors. New fields come with a default: the other agent may be older or newer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Package {
    /// Where local callers connect.
    pub socket: PathBuf,
    /// What the keeper has.
    pub jobs: HandedJobs,
    /// The connections, in the order of their descriptors.
    pub connections: Vec<HandedConnection>,
}

/// The jobs, as far as they are not in the journal.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HandedJobs {
    /// Those that are open.
    pub open: Vec<HandedJob>,
    /// Those that have ended not long ago.
    pub ended: Vec<HandedEnd>,
}

/// A job that is open.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandedJob {
    id: String,
    anchor: String,
    decision: String,
    policy: String,
    ends_at: Option<Instant>,
    credentials: Vec<HandedCredential>,
}

/// A job that has ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct HandedEnd {
    id: [u8; 16],
    uid: u32,
    cause: i32,
}

/// A connection between two requests.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandedConnection {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process.
    pub process: Started,
    /// Path of its executable.
    pub executable: String,
    /// Jobs that end when it closes.
    pub tied: Vec<String>,
    /// What was read of it and not understood yet.
    pub unread: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HandedCredential {
    name: String,
    lease: String,
    generation: u32,
    token: Option<HandedToken>,
    renew_at: Instant,
    failures: u32,
    refused: bool,
    #[serde(default)]
    refused_why: Option<HandedRefusal>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HandedRefusal {
    reason: String,
    message: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct HandedToken {
    #[serde(serialize_with = "exposed", deserialize_with = "secret")]
    secret: Secret,
    kind: String,
    expires_at: Instant,
    expires_at_millis: u64,
    scopes: Vec<String>,
    audience: String,
    revocability: HandedRevocability,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandedRevocability {
    Immediate,
    Bounded(Duration),
    ExpiryOnly,
}

impl HandedJob {
    /// An open job.
    pub fn of(view: &JobView) -> Self {
        Self {
            id: view.id.to_string(),
            anchor: view.anchor.to_owned(),
            decision: view.decision.clone(),
            policy: view.policy.clone(),
            ends_at: view.ends_at,
            credentials: view.credentials.iter().map(HandedCredential::of).collect(),
        }
    }

    /// Its id.
    pub fn id(&self) -> Option<JobId> {
        self.id.parse().ok()
    }

    /// Fills in what the journal does not know.
    pub fn complete(self, view: JobView) -> JobView {
        let known = ["ttl", "process", "connection"];
        let anchor = known.into_iter().find(|word| *word == self.anchor);
        JobView {
            anchor: anchor.unwrap_or(view.anchor),
            decision: self.decision,
            policy: self.policy,
            ends_at: self.ends_at,
            credentials: self
                .credentials
                .into_iter()
                .map(HandedCredential::into_held)
                .collect(),
            ..view
        }
    }
}

impl HandedEnd {
    /// An end that is remembered.
    pub fn of(id: JobId, uid: u32, cause: v1::Cause) -> Self {
        Self {
            id: *id.as_bytes(),
            uid,
            cause: cause.into(),
        }
    }

    /// The job, its user, and why it ended.
    pub fn read(self) -> Option<(JobId, u32, v1::Cause)> {
        let cause = v1::Cause::try_from(self.cause).unwrap_or(v1::Cause::JobClosed);
        Some((JobId::from_bytes(self.id).ok()?, self.uid, cause))
    }
}

impl HandedConnection {
    /// A connection that is parked.
    pub fn of(parked: &Parked) -> Self {
        let Peer {
            uid,
            gid,
            process,
            executable,
        } = &parked.peer;
        Self {
            uid: *uid,
            gid: *gid,
            process: process.started(),
            executable: executable.clone(),
            tied: parked.tied.iter().map(ToString::to_string).collect(),
            unread: parked.stream.unread().to_vec(),
        }
    }
}

impl HandedCredential {
    fn of(held: &Held) -> Self {
        Self {
            name: held.name.clone(),
            lease: held.lease.clone(),
            generation: held.generation,
            token: held.token.as_ref().map(HandedToken::of),
            // A renewal whose answer nobody waits for any more is asked for again: the broker says how far
            // it came.
            renew_at: if held.renewing {
                Duration::ZERO
            } else {
                held.renew_at
            },
            failures: held.failures,
            refused: held.refused.is_some(),
            refused_why: held.refused.as_ref().map(|why| HandedRefusal {
                reason: why.reason.code().to_owned(),
                message: why.message.clone(),
            }),
        }
    }

    fn into_held(self) -> Held {
        Held {
            name: self.name,
            lease: self.lease,
            generation: self.generation,
            token: self.token.map(HandedToken::into_token),
            renew_at: self.renew_at,
            renewing: false,
            failures: self.failures,
            refused: self
                .refused
                .then(|| HandedRefusal::into_held(self.refused_why)),
        }
    }
}

impl HandedRefusal {
    /// An older agent says that there was a refusal, and not which.
    fn into_held(handed: Option<Self>) -> NotRenewed {
        let (reason, message) =
            handed.map_or_else(Default::default, |why| (why.reason, why.message));
        NotRenewed {
            reason: Reason::from_code(&reason).unwrap_or(Reason::Unspecified),
            message,
        }
    }
}

impl HandedToken {
    fn of(token: &Token) -> Self {
        Self {
            secret: token.secret.clone(),
            kind: token.kind.clone(),
            expires_at: token.expires_at,
            expires_at_millis: token.expires_at_millis,
            scopes: token.scopes.clone(),
            audience: token.audience.clone(),
            revocability: match &token.revocability.kind {
                Some(Kind::Immediate(_)) => HandedRevocability::Immediate,
                Some(Kind::Bounded(within)) => HandedRevocability::Bounded(
                    taskpass_proto::time::from_wire(within).unwrap_or_default(),
                ),
                Some(Kind::ExpiryOnly(_)) | None => HandedRevocability::ExpiryOnly,
            },
        }
    }

    fn into_token(self) -> Token {
        let kind = match self.revocability {
            HandedRevocability::Immediate => Kind::Immediate(v1::revocability::Immediate {}),
            HandedRevocability::Bounded(within) => {
                Kind::Bounded(taskpass_proto::time::to_wire(within))
            }
            HandedRevocability::ExpiryOnly => Kind::ExpiryOnly(v1::revocability::ExpiryOnly {}),
        };
        Token {
            secret: self.secret,
            kind: self.kind,
            expires_at: self.expires_at,
            expires_at_millis: self.expires_at_millis,
            scopes: self.scopes,
            audience: self.audience,
            revocability: v1::Revocability { kind: Some(kind) },
        }
    }
}

fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}
