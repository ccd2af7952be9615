//! Puts what the use cases answer on the wire.

use std::time::Duration;

use taskpass_proto::time::{timestamp_from_millis, to_wire};
use taskpass_proto::v1;

use super::words;
use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::operations::end_job::Progress;
use crate::operations::issue::IssuedMore;
use crate::operations::open_job::OpenedJob;
use crate::operations::renew::RenewedLease;
use crate::operations::tokens::IssuedToken;

/// What kind of credential a token is.
const TYPE: &str = "jwt";

/// An opened job.
pub fn opened(job: OpenedJob) -> v1::OpenJobResponse {
    v1::OpenJobResponse {
        job_id: job.job.to_string(),
        decision_id: job.decision,
        policy: job.policy,
        lifetime: Some(lifetime(job.ends_by, job.ends_by.since(job.now))),
        credentials: job.credentials.into_iter().map(credential).collect(),
        repeated: job.repeated,
    }
}

/// More credentials.
pub fn issued(issued: IssuedMore) -> v1::IssueResponse {
    v1::IssueResponse {
        decision_id: issued.decision,
        credentials: issued.credentials.into_iter().map(credential).collect(),
    }
}

/// A renewed credential.
pub fn renewed(renewed: RenewedLease) -> v1::RenewResponse {
    v1::RenewResponse {
        decision_id: renewed.decision,
        credential: Some(credential(renewed.credential)),
    }
}

/// How far an end has come.
pub fn closed(progress: Progress) -> v1::CloseJobResponse {
    let (progress, cause) = progress_and_cause(progress);
    v1::CloseJobResponse {
        progress,
        cause,
        revoking: vec![],
    }
}

/// How far an end has come, and its cause.
pub fn progress_and_cause(progress: Progress) -> (i32, i32) {
    let (progress, cause) = match progress {
        Progress::Confirmed(cause) => (v1::EndProgress::Confirmed, cause),
        Progress::Pending(cause) => (v1::EndProgress::Pending, cause),
    };
    (progress.into(), words::cause(cause).into())
}

/// What introspection answers; nothing but `active: false` for a token that is not active.
pub fn introspected(claims: Option<&Claims>) -> v1::IntrospectResponse {
    let Some(claims) = claims else {
        return v1::IntrospectResponse::default();
    };
    let seconds = |at: u64| Some(timestamp_from_millis(at.saturating_mul(1000)));
    v1::IntrospectResponse {
        active: true,
        scope: claims.scope.clone(),
        client_id: claims.client_id.clone(),
        sub: claims.sub.clone(),
        aud: claims.aud.clone(),
        iss: claims.iss.clone(),
        jti: claims.jti.clone(),
        task: claims.task.clone(),
        job: claims.job.clone(),
        exp: seconds(claims.exp),
        iat: seconds(claims.iat),
        nbf: seconds(claims.nbf),
        cnf: claims.cnf.map(|cnf| v1::Confirmation {
            x5t_s256: cnf.x5t_s256.as_bytes().to_vec(),
        }),
        declared_claims: if claims.declared.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&claims.declared).unwrap_or_default()
        },
    }
}

fn credential(issued: IssuedToken) -> v1::IssuedCredential {
    let IssuedToken {
        lease,
        term,
        token,
        expires_in,
    } = issued;
    v1::IssuedCredential {
        name: lease.terms.credential,
        lease_id: lease.id.to_string(),
        generation: term.generation,
        r#type: TYPE.to_owned(),
        secret: token.as_bytes().to_vec(),
        lifetime: Some(lifetime(term.expires_at, expires_in)),
        revocability: Some(words::revocability(lease.terms.revocability)),
        scopes: lease.terms.scopes,
        audience: lease.terms.audience,
        renew_in: Some(to_wire(expires_in * 2 / 3)),
    }
}

fn lifetime(at: UnixMillis, within: Duration) -> v1::Lifetime {
    v1::Lifetime {
        expires_in: Some(to_wire(within)),
        expires_at: Some(timestamp_from_millis(at.as_millis())),
    }
}
