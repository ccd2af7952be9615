//! A workload that calls the broker directly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::Uri;
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::ServerName;
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_proto::ids::JobId;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use taskpass_proto::v1::broker_client::BrokerClient;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::installation::BROKER;

/// A workload and holder.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) grpc: BrokerClient<Channel>,
    pub(crate) holder: v1::Holder,
}

impl Client {
    /// Connects with an SVID, and a holder's secret of its own.
    pub(crate) async fn connect(broker: SocketAddr, identity: &TlsIdentity) -> Self {
        Self::over(try_connect(broker, identity).await.unwrap())
    }

    /// The same, unless nobody answers.
    pub(crate) async fn try_to_connect(broker: SocketAddr, identity: &TlsIdentity) -> Option<Self> {
        try_connect(broker, identity).await.ok().map(Self::over)
    }

    fn over(channel: Channel) -> Self {
        let holder = v1::Holder {
            secret: random::<32>().to_vec(),
            incarnation: 1,
        };
        Self {
            grpc: BrokerClient::new(channel),
            holder,
        }
    }

    /// A request to open a job of the sample task, with a fresh id.
    pub(crate) fn request(&self, task: &str) -> v1::OpenJobRequest {
        let reference = ("ref".to_owned(), "refs/heads/main".to_owned());
        let parameters = if task == "deploy-docs" {
            [reference].into()
        } else {
            [].into()
        };
        v1::OpenJobRequest {
            job_id: new_job_id().to_string(),
            holder: Some(self.holder.clone()),
            task: task.into(),
            parameters,
            ..v1::OpenJobRequest::default()
        }
    }

    pub(crate) async fn open(
        &mut self,
        request: v1::OpenJobRequest,
    ) -> Result<v1::OpenJobResponse, Refused> {
        Ok(self.grpc.open_job(request).await?.into_inner())
    }

    /// Opens a job of the sample task with one credential.
    pub(crate) async fn open_docs(&mut self) -> v1::OpenJobResponse {
        let mut request = self.request("deploy-docs");
        request.credentials = vec![wanted("docs-api")];
        self.open(request).await.unwrap()
    }

    pub(crate) async fn renew(
        &mut self,
        lease: &str,
        generation: u32,
    ) -> Result<v1::IssuedCredential, Refused> {
        let holder = Some(self.holder.clone());
        let request = v1::RenewRequest {
            lease_id: lease.into(),
            holder,
            generation,
            binding: None,
        };
        Ok(self
            .grpc
            .renew(request)
            .await?
            .into_inner()
            .credential
            .unwrap())
    }

    pub(crate) async fn issue(
        &mut self,
        job: &str,
        credentials: Vec<v1::CredentialRequest>,
    ) -> Result<v1::IssueResponse, Refused> {
        let holder = Some(self.holder.clone());
        let request = v1::IssueRequest {
            job_id: job.into(),
            holder,
            credentials,
        };
        Ok(self.grpc.issue(request).await?.into_inner())
    }

    pub(crate) async fn close(&mut self, job: &str) -> Result<v1::CloseJobResponse, Refused> {
        let request = v1::CloseJobRequest {
            job_id: job.into(),
            holder: Some(self.holder.clone()),
            cause: 0,
            exit_status: Some(0),
        };
        Ok(self.grpc.close_job(request).await?.into_inner())
    }

    pub(crate) async fn introspect(&mut self, token: &str) -> v1::IntrospectResponse {
        let request = v1::IntrospectRequest {
            token: token.into(),
        };
        self.grpc.introspect(request).await.unwrap().into_inner()
    }
}

/// Why a call failed: the broker's reason, or the transport's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) correlation_id: String,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let refusal = Refusal::from_status(&status);
        Self {
            reason: refusal
                .as_ref()
                .map(|r| r.reason.code().to_owned())
                .unwrap_or_default(),
            code: status.code(),
            message: status.message().to_owned(),
            correlation_id: refusal.map(|r| r.correlation_id).unwrap_or_default(),
        }
    }
}

/// Connects, or says why not.
pub(crate) async fn try_connect(
    broker: SocketAddr,
    identity: &TlsIdentity,
) -> Result<Channel, tonic::transport::Error> {
    let config = identity
        .client_config(BROKER.parse().unwrap(), Alpn::H2)
        .unwrap();
    let tls = TlsConnector::from(Arc::new(config));
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(broker).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::from(broker.ip());
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, stream).await?))
        }
    });
    Endpoint::from_static("http://broker")
        .connect_with_connector(connector)
        .await
}

pub(crate) fn wanted(name: &str) -> v1::CredentialRequest {
    v1::CredentialRequest {
        name: name.into(),
        ..v1::CredentialRequest::default()
    }
}

/// A credential bound to a certificate.
pub(crate) fn bound(name: &str, thumbprint: [u8; 32]) -> v1::CredentialRequest {
    v1::CredentialRequest {
        binding: Some(v1::credential_request::Binding::X5tS256(thumbprint.into())),
        ..wanted(name)
    }
}

/// The secret of a credential as text.
pub(crate) fn token(credential: &v1::IssuedCredential) -> &str {
    std::str::from_utf8(&credential.secret).unwrap()
}

pub(crate) fn new_job_id() -> JobId {
    JobId::new(unix_millis(), random())
}

#[allow(clippy::disallowed_methods, reason = "job ids carry the time")]
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[allow(clippy::disallowed_methods, reason = "job ids and holders are random")]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
