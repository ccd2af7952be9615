//! How many jobs of a workload and task may be open, whatever they were opened with.

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::{Bench, CI, NOW, POLICY, caller, holder, reason, request};
use crate::domain::binding::Bindings;
use crate::domain::policy::Wanted;
use crate::operations::issue::{IssueMore, IssuedMore};
use crate::operations::open_job::{OpenJob, OpenedJob};

const PAYROLL: &str = r#"
[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/ci/*"
credentials = ["payroll"]
max_live_jobs = 1

[credential.payroll]
issuer = "local"
audience = "tickets"
scopes = ["payroll:write"]
ttl = "10m"
environment = "any"
"#;

/// A bench whose policy grants `docs-api` to many jobs at once, and `payroll` to one.
struct Limited(Bench);

impl Limited {
    async fn new() -> Self {
        let bench = Bench::new().await;
        bench.install(&format!("{POLICY}{PAYROLL}")).await;
        Self(bench)
    }

    async fn open(&self, number: u8, credential: &str) -> Result<OpenedJob, Refusal> {
        let request = OpenJob {
            wanted: vec![Wanted::whole(credential)],
            ..request(job(number))
        };
        self.0.operations.open_job(&caller(CI), request).await
    }

    async fn issue(&self, number: u8, credential: &str) -> Result<IssuedMore, Refusal> {
        let request = IssueMore {
            job: job(number),
            holder: holder(),
            wanted: vec![Wanted::whole(credential)],
            bindings: Bindings::default(),
        };
        self.0.operations.issue(&caller(CI), request).await
    }
}

fn job(number: u8) -> JobId {
    JobId::new(NOW.as_millis(), [number; 10])
}

#[tokio::test]
async fn a_credential_for_one_job_at_once_is_not_given_to_several_after_they_were_opened() {
    let limited = Limited::new().await;
    let over = Some(Reason::LiveJobsLimit);
    limited.open(1, "payroll").await.unwrap();
    assert_eq!(reason(limited.open(2, "payroll").await), over);
    limited.open(3, "docs-api").await.unwrap();
    assert_eq!(reason(limited.issue(3, "payroll").await), over);
    limited.issue(3, "docs-api").await.unwrap();
    limited.0.close(job(1), holder()).await.unwrap();
    limited.issue(3, "payroll").await.unwrap();
    limited.open(4, "docs-api").await.unwrap();
    assert_eq!(reason(limited.issue(4, "payroll").await), over);
}
