//! An operator on the broker's Unix socket.

use http::Uri;
use hyper_util::rt::TokioIo;
use taskpass_proto::v1;
use taskpass_proto::v1::admin_client::AdminClient;
use taskpass_proto::v1::get_audit_record_request::Key;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::installation::Installation;

#[derive(Clone)]
pub(crate) struct Operator(pub(crate) AdminClient<Channel>);

impl Operator {
    pub(crate) async fn connect(broker: &Installation) -> Self {
        Self::try_connect(broker).await.unwrap()
    }

    /// Connects, or says why not: a user who is not listed is cut off, at once or at the first call.
    pub(crate) async fn try_connect(
        broker: &Installation,
    ) -> Result<Self, tonic::transport::Error> {
        try_channel(broker)
            .await
            .map(|channel| Self(AdminClient::new(channel)))
    }

    /// The audit record of a decision.
    pub(crate) async fn decision(&mut self, id: &str) -> v1::AuditRecord {
        let request = v1::GetAuditRecordRequest {
            key: Some(Key::DecisionId(id.into())),
        };
        self.0
            .get_audit_record(request)
            .await
            .unwrap()
            .into_inner()
            .record
            .unwrap()
    }

    /// Every audit record of an event, oldest first.
    pub(crate) async fn events(&mut self, event: &str) -> Vec<v1::AuditRecord> {
        self.records(|request| request.event = event.into()).await
    }

    /// Every audit record of a job, oldest first.
    pub(crate) async fn of_job(&mut self, job: &str) -> Vec<v1::AuditRecord> {
        self.records(|request| request.job_id = job.into()).await
    }

    pub(crate) async fn records(
        &mut self,
        select: impl Fn(&mut v1::ListAuditRecordsRequest),
    ) -> Vec<v1::AuditRecord> {
        let (mut all, mut position) = (Vec::new(), 0);
        loop {
            let mut request = v1::ListAuditRecordsRequest {
                position,
                page_size: 1000,
                ..v1::ListAuditRecordsRequest::default()
            };
            select(&mut request);
            let page = self
                .0
                .list_audit_records(request)
                .await
                .unwrap()
                .into_inner();
            all.extend(page.records);
            match page.next_position {
                0 => return all,
                next => position = next,
            }
        }
    }

    pub(crate) async fn job(&mut self, id: &str) -> v1::GetJobResponse {
        let request = v1::GetJobRequest { job_id: id.into() };
        self.0.get_job(request).await.unwrap().into_inner()
    }
}

/// A connection to the operator's socket, for calls of any kind.
pub(crate) async fn try_channel(broker: &Installation) -> Result<Channel, tonic::transport::Error> {
    let path = broker.path("admin.sock");
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://admin");
    endpoint.connect_with_connector(connector).await
}
