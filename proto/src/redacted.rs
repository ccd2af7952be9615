//! `Debug` for the messages that hold a secret; the generator leaves it out for these.

use std::fmt;

use crate::v1::{Holder, IntrospectRequest, IssuedCredential, JwtSvidProof};

/// What stands in the place of a secret.
struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("secret", &Redacted)
            .field("incarnation", &self.incarnation)
            .finish()
    }
}

impl fmt::Debug for IssuedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCredential")
            .field("name", &self.name)
            .field("lease_id", &self.lease_id)
            .field("generation", &self.generation)
            .field("type", &self.r#type)
            .field("secret", &Redacted)
            .field("lifetime", &self.lifetime)
            .field("revocability", &self.revocability)
            .field("scopes", &self.scopes)
            .field("audience", &self.audience)
            .field("renew_in", &self.renew_in)
            .finish()
    }
}

impl fmt::Debug for IntrospectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectRequest")
            .field("token", &Redacted)
            .finish()
    }
}

impl fmt::Debug for JwtSvidProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSvidProof")
            .field("token", &Redacted)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::open_job_request::SubjectProof;
    use crate::v1::{OpenJobRequest, OpenJobResponse, RenewResponse};

    use super::*;

    const SECRET: &str = "s3cr3t-s3cr3t";

    #[test]
    fn no_message_prints_its_secret() {
        let holder = Holder {
            secret: SECRET.into(),
            incarnation: 1,
        };
        let credential = IssuedCredential {
            secret: SECRET.into(),
            ..IssuedCredential::default()
        };
        let printed = [
            format!(
                "{:?}",
                OpenJobRequest {
                    holder: Some(holder),
                    subject_proof: Some(SubjectProof::JwtSvid(JwtSvidProof {
                        token: SECRET.into()
                    })),
                    ..OpenJobRequest::default()
                }
            ),
            format!(
                "{:?}",
                OpenJobResponse {
                    credentials: vec![credential.clone()],
                    ..OpenJobResponse::default()
                }
            ),
            format!(
                "{:?}",
                RenewResponse {
                    credential: Some(credential),
                    ..RenewResponse::default()
                }
            ),
            format!(
                "{:?}",
                IntrospectRequest {
                    token: SECRET.into()
                }
            ),
        ];
        let as_bytes = format!("{:?}", SECRET.as_bytes());
        for text in printed {
            assert!(
                !text.contains(SECRET) && !text.contains(&as_bytes),
                "{text}"
            );
            assert!(text.contains("[redacted]"), "{text}");
        }
    }
}
