//! Parses what callers send, once, into types that cannot be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use taskpass_proto::holder::HolderSecret;
use taskpass_proto::ids::{JobId, LeaseId};
use taskpass_proto::limits::{
    MAX_JOBS_PER_HEARTBEAT, MAX_LEASES_PER_JOB, MAX_NAME_BYTES, MAX_PARAMETER_BYTES,
    MAX_PARAMETERS, MAX_REQUEST_BYTES, MAX_SCOPES, MAX_TASK_NAME_BYTES,
};
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use taskpass_proto::v1::credential_request::Binding;

use super::words;
use crate::domain::binding::{Bindings, Thumbprint};
use crate::domain::job::Reported;
use crate::domain::policy::Wanted;
use crate::operations::end_job::CloseJob;
use crate::operations::gate::HolderClaim;
use crate::operations::heartbeat::Hello;
use crate::operations::issue::IssueMore;
use crate::operations::open_job::OpenJob;
use crate::operations::renew::Renew;

/// Refuses a request that is larger than the contract allows.
pub fn check_size(request: &impl Message) -> Result<(), Refusal> {
    if request.encoded_len() > MAX_REQUEST_BYTES {
        return Err(too_large("the request", MAX_REQUEST_BYTES, "bytes"));
    }
    Ok(())
}

/// Parses a request to open a job.
pub fn open_job(request: v1::OpenJobRequest) -> Result<OpenJob, Refusal> {
    if request.subject_proof.is_some() {
        return Err(Refusal::new(
            Reason::SubjectProofUnsupported,
            "`subject_proof` is reserved: the subject is the TLS peer",
        ));
    }
    if request.task.len() > MAX_TASK_NAME_BYTES {
        return Err(too_large("`task`", MAX_TASK_NAME_BYTES, "bytes"));
    }
    let (wanted, bindings) = wanted(request.credentials)?;
    Ok(OpenJob {
        job: job_id(&request.job_id)?,
        holder: holder(request.holder)?,
        task: request.task,
        parameters: parameters(request.parameters)?,
        wanted,
        bindings,
        liveness: words::liveness_from(request.liveness).ok_or_else(|| unknown("liveness"))?,
        anchor: words::anchor_from(request.anchor).ok_or_else(|| unknown("anchor"))?,
        max_duration: optional_duration("max_duration", request.max_duration)?,
        reported: request.reported.map(reported).transpose()?,
    })
}

/// Parses a request for more credentials.
pub fn issue(request: v1::IssueRequest) -> Result<IssueMore, Refusal> {
    let (wanted, bindings) = wanted(request.credentials)?;
    Ok(IssueMore {
        job: job_id(&request.job_id)?,
        holder: holder(request.holder)?,
        wanted,
        bindings,
    })
}

/// Parses a renewal.
pub fn renew(request: v1::RenewRequest) -> Result<Renew, Refusal> {
    Ok(Renew {
        lease: lease_id(&request.lease_id)?,
        holder: holder(request.holder)?,
        generation: request.generation,
        bind_to: request
            .binding
            .map(|v1::renew_request::Binding::X5tS256(bytes)| thumbprint(&bytes))
            .transpose()?,
    })
}

/// Parses the end of a job.
pub fn close_job(request: v1::CloseJobRequest) -> Result<CloseJob, Refusal> {
    let cause = words::closing_cause_from(request.cause).ok_or_else(|| {
        invalid("`cause` is `CAUSE_JOB_CLOSED` or `CAUSE_PROCESS_EXITED` when a holder closes")
    })?;
    Ok(CloseJob {
        job: job_id(&request.job_id)?,
        holder: holder(request.holder)?,
        cause,
        exit_status: request.exit_status,
    })
}

/// Parses the first message of a stream.
pub fn hello(hello: v1::heartbeat_request::Hello) -> Result<Hello, Refusal> {
    Ok(Hello {
        holder: holder(hello.holder)?,
        live_jobs: job_ids(&hello.live_jobs)?,
        host: text("host", hello.host)?,
    })
}

/// Parses a list of job ids.
pub fn job_ids(ids: &[String]) -> Result<Vec<JobId>, Refusal> {
    if ids.len() > MAX_JOBS_PER_HEARTBEAT {
        return Err(too_large("the list of jobs", MAX_JOBS_PER_HEARTBEAT, "ids"));
    }
    ids.iter().map(|id| job_id(id)).collect()
}

/// Parses a job's id.
pub fn job_id(text: &str) -> Result<JobId, Refusal> {
    text.parse()
        .map_err(|error| invalid(format!("`job_id`: {error}")))
}

/// Parses a lease's id.
pub fn lease_id(text: &str) -> Result<LeaseId, Refusal> {
    text.parse()
        .map_err(|error| invalid(format!("`lease_id`: {error}")))
}

/// A field is missing, malformed or out of range.
pub fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::RequestInvalid, message)
}

fn holder(holder: Option<v1::Holder>) -> Result<HolderClaim, Refusal> {
    let holder = holder.ok_or_else(|| invalid("`holder` is missing"))?;
    let secret = HolderSecret::from_bytes(&holder.secret)
        .map_err(|error| invalid(format!("`holder.secret`: {error}")))?;
    // Numbers above the signed range cannot be stored; a holder that counts its starts never gets there.
    match i64::try_from(holder.incarnation) {
        Ok(1..) => Ok(HolderClaim {
            secret,
            incarnation: holder.incarnation,
        }),
        Ok(_) | Err(_) => Err(invalid(
            "`holder.incarnation` counts the holder's starts, from 1",
        )),
    }
}

fn parameters(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
    if given.len() > MAX_PARAMETERS {
        return Err(too_large("`parameters`", MAX_PARAMETERS, "parameters"));
    }
    for (name, value) in &given {
        if name.len() > MAX_NAME_BYTES {
            return Err(too_large("a parameter's name", MAX_NAME_BYTES, "bytes"));
        }
        if value.len() > MAX_PARAMETER_BYTES {
            return Err(too_large(
                &format!("parameter `{name}`"),
                MAX_PARAMETER_BYTES,
                "bytes",
            ));
        }
    }
    Ok(given)
}

fn wanted(requests: Vec<v1::CredentialRequest>) -> Result<(Vec<Wanted>, Bindings), Refusal> {
    let mut bindings = Bindings::default();
    if requests.len() > MAX_LEASES_PER_JOB {
        return Err(too_large(
            "`credentials`",
            MAX_LEASES_PER_JOB,
            "credentials",
        ));
    }
    let wanted = requests
        .into_iter()
        .map(|request| {
            match request.binding {
                None => {}
                Some(Binding::X5tS256(bytes)) => {
                    bindings.insert(request.name.clone(), thumbprint(&bytes)?);
                }
                Some(Binding::Jkt(_)) => {
                    return Err(Refusal::new(
                        Reason::BindingUnsupported,
                        "this version binds tokens to certificates only (`x5t_s256`), and issues none unbound instead",
                    ));
                }
            }
            if request.scopes.len() > MAX_SCOPES {
                return Err(too_large("`credentials.scopes`", MAX_SCOPES, "scopes"));
            }
            let scopes = request
                .scopes
                .into_iter()
                .map(|scope| text("credentials.scopes", scope));
            Ok(Wanted {
                name: text("credentials.name", request.name)?,
                scopes: scopes.collect::<Result<_, _>>()?,
                lifetime: optional_duration("credentials.lifetime", request.lifetime)?,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((wanted, bindings))
}

fn thumbprint(bytes: &[u8]) -> Result<Thumbprint, Refusal> {
    let sha256 = bytes
        .try_into()
        .map_err(|_| invalid("`x5t_s256` is the SHA-256 of a certificate: 32 bytes"))?;
    Ok(Thumbprint::new(sha256))
}

fn reported(reported: v1::ReportedCaller) -> Result<Reported, Refusal> {
    Ok(Reported {
        host: text("reported.host", reported.host)?,
        uid: reported.uid,
        gid: reported.gid,
        pid: reported.pid,
        executable: text("reported.executable", reported.executable)?,
    })
}

fn optional_duration(
    field: &str,
    wire: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Refusal> {
    let Some(wire) = wire else { return Ok(None) };
    match taskpass_proto::time::from_wire(&wire) {
        // Tokens count in whole seconds.
        Some(duration) if duration >= Duration::from_secs(1) => Ok(Some(duration)),
        Some(_) | None => Err(invalid(format!(
            "`{field}` is a duration of a second or more"
        ))),
    }
}

fn text(field: &str, text: String) -> Result<String, Refusal> {
    if text.len() > MAX_NAME_BYTES {
        return Err(too_large(&format!("`{field}`"), MAX_NAME_BYTES, "bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("`{field}` has control characters")));
    }
    Ok(text)
}

fn unknown(field: &str) -> Refusal {
    invalid(format!(
        "`{field}` has a value that this version does not know"
    ))
}

fn too_large(what: &str, limit: usize, unit: &str) -> Refusal {
    Refusal::new(
        Reason::RequestTooLarge,
        format!("{what}: at most {limit} {unit}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> v1::OpenJobRequest {
        v1::OpenJobRequest {
            job_id: "job_01h455vb4pex5vsknk084sn02q".into(),
            holder: Some(v1::Holder {
                secret: vec![1; 32],
                incarnation: 1,
            }),
            task: "deploy-docs".into(),
            ..v1::OpenJobRequest::default()
        }
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        type Break = fn(&mut v1::OpenJobRequest);
        let table: [(Break, Reason, &str); 17] = [
            (|r| r.job_id.clear(), Reason::RequestInvalid, "`job_id`"),
            (|r| r.holder = None, Reason::RequestInvalid, "`holder`"),
            (
                |r| r.holder.as_mut().unwrap().secret.truncate(31),
                Reason::RequestInvalid,
                "`holder.secret`",
            ),
            (
                |r| r.holder.as_mut().unwrap().incarnation = 0,
                Reason::RequestInvalid,
                "`holder.incarnation`",
            ),
            (
                |r| r.holder.as_mut().unwrap().incarnation = u64::MAX,
                Reason::RequestInvalid,
                "`holder.incarnation`",
            ),
            (
                |r| r.task = "a".repeat(129),
                Reason::RequestTooLarge,
                "`task`",
            ),
            (|r| r.liveness = 99, Reason::RequestInvalid, "`liveness`"),
            (|r| r.anchor = -1, Reason::RequestInvalid, "`anchor`"),
            (
                |r| r.parameters = (0..33).map(|n| (n.to_string(), String::new())).collect(),
                Reason::RequestTooLarge,
                "`parameters`",
            ),
            (
                |r| r.parameters = [("ref".into(), "x".repeat(1025))].into(),
                Reason::RequestTooLarge,
                "`ref`",
            ),
            (
                |r| r.credentials = vec![v1::CredentialRequest::default(); 33],
                Reason::RequestTooLarge,
                "`credentials`",
            ),
            (
                |r| {
                    r.credentials = vec![v1::CredentialRequest {
                        binding: Some(Binding::Jkt(vec![0; 32])),
                        ..v1::CredentialRequest::default()
                    }];
                },
                Reason::BindingUnsupported,
                "bound",
            ),
            (
                |r| {
                    r.credentials = vec![v1::CredentialRequest {
                        binding: Some(Binding::X5tS256(vec![0; 31])),
                        ..v1::CredentialRequest::default()
                    }];
                },
                Reason::RequestInvalid,
                "`x5t_s256`",
            ),
            (
                |r| {
                    r.credentials = vec![v1::CredentialRequest {
                        lifetime: Some(prost_types::Duration {
                            seconds: -1,
                            nanos: 0,
                        }),
                        ..v1::CredentialRequest::default()
                    }];
                },
                Reason::RequestInvalid,
                "`credentials.lifetime`",
            ),
            (
                |r| {
                    r.max_duration = Some(prost_types::Duration {
                        seconds: 0,
                        nanos: 5,
                    });
                },
                Reason::RequestInvalid,
                "`max_duration`",
            ),
            (
                |r| {
                    r.reported = Some(v1::ReportedCaller {
                        host: "a\nb".into(),
                        ..Default::default()
                    });
                },
                Reason::RequestInvalid,
                "`reported.host`",
            ),
            (
                |r| {
                    let proof = v1::JwtSvidProof { token: "x".into() };
                    r.subject_proof = Some(v1::open_job_request::SubjectProof::JwtSvid(proof));
                },
                Reason::SubjectProofUnsupported,
                "`subject_proof`",
            ),
        ];
        assert!(open_job(good()).is_ok());
        for (break_it, reason, named) in table {
            let mut request = good();
            break_it(&mut request);
            let refusal = open_job(request).unwrap_err();
            assert_eq!(refusal.reason, reason, "{named}");
            assert!(refusal.message.contains(named), "{}", refusal.message);
        }
    }

    #[test]
    fn holders_close_for_two_causes_only() {
        for cause in -1..20 {
            let request = v1::CloseJobRequest {
                job_id: good().job_id,
                holder: good().holder,
                cause,
                exit_status: None,
            };
            assert_eq!(
                close_job(request).is_ok(),
                (0..=2).contains(&cause),
                "{cause}"
            );
        }
    }
}
