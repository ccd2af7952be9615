//! A workload that calls the broker directly.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::ServerName;
use taskpass_identity::source::files::{self, SvidPaths};
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use taskpass_proto::v1::broker_client::BrokerClient;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::BenchError;
use crate::stage::{self, Stage, TRUST_DOMAIN};

/// A connection with a holder of its own.
#[derive(Clone)]
pub(super) struct Caller {
    grpc: BrokerClient<Channel>,
    holder: v1::Holder,
    random: SystemRandom,
}

impl Caller {
    #[allow(clippy::disallowed_methods, reason = "job ids and holders are random")]
    pub(super) fn connect(broker: SocketAddr, identity: &TlsIdentity) -> Result<Self, BenchError> {
        let said = |error: &dyn std::fmt::Display| BenchError::Said(error.to_string());
        let config = identity
            .client_config(stage::broker_id()?, Alpn::H2)
            .map_err(|e| said(&e))?;
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
        let channel = Endpoint::from_static("http://broker").connect_with_connector_lazy(connector);
        let random = SystemRandom::new();
        let mut secret = vec![0; 32];
        random
            .fill(&mut secret)
            .map_err(|_| BenchError::Stage(stage::StageError::Random))?;
        let holder = v1::Holder {
            secret,
            incarnation: 1,
        };
        Ok(Self {
            grpc: BrokerClient::new(channel),
            holder,
            random,
        })
    }

    /// Callers on a few connections: as many workloads on one node have.
    pub(super) fn many(
        count: usize,
        broker: SocketAddr,
        identity: &TlsIdentity,
    ) -> Result<Vec<Self>, BenchError> {
        let few: Vec<Self> = (0..4)
            .map(|_| Self::connect(broker, identity))
            .collect::<Result<_, _>>()?;
        Ok(few.iter().cycle().take(count).cloned().collect())
    }

    /// A call that does nothing but be admitted: introspection of no token.
    pub(super) async fn empty(&mut self) -> Result<(), Status> {
        self.introspect("").await
    }

    pub(super) async fn introspect(&mut self, token: &str) -> Result<(), Status> {
        let request = v1::IntrospectRequest {
            token: token.to_owned(),
        };
        self.grpc.introspect(request).await.map(drop)
    }

    pub(super) async fn open(&mut self) -> Result<v1::OpenJobResponse, Status> {
        let request = v1::OpenJobRequest {
            job_id: self.new_id()?.to_string(),
            holder: Some(self.holder.clone()),
            task: "bench".into(),
            liveness: v1::Liveness::Heartbeat.into(),
            ..v1::OpenJobRequest::default()
        };
        Ok(self.grpc.open_job(request).await?.into_inner())
    }

    pub(super) async fn close(&mut self, job: &str) -> Result<(), Status> {
        let request = v1::CloseJobRequest {
            job_id: job.to_owned(),
            holder: Some(self.holder.clone()),
            cause: 0,
            exit_status: None,
        };
        self.grpc.close_job(request).await.map(drop)
    }

    pub(super) async fn renew(&mut self, lease: &str, generation: u32) -> Result<(), Status> {
        let request = v1::RenewRequest {
            lease_id: lease.to_owned(),
            holder: Some(self.holder.clone()),
            generation,
            binding: None,
        };
        self.grpc.renew(request).await.map(drop)
    }

    /// Opens this many jobs.
    pub(super) async fn open_until(&mut self, count: usize) -> Result<usize, Status> {
        for _ in 0..count / 100 {
            let calls = (0..100).map(|_| {
                let mut caller = self.clone();
                async move { caller.open().await }
            });
            let mut set = tokio::task::JoinSet::new();
            calls.for_each(|call| drop(set.spawn(call)));
            for opened in set.join_all().await {
                opened?;
            }
        }
        Ok(count / 100 * 100)
    }

    fn new_id(&self) -> Result<JobId, Status> {
        let mut random = [0; 10];
        self.random
            .fill(&mut random)
            .map_err(|_| Status::internal("no randomness"))?;
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        Ok(JobId::new(now, random))
    }
}

/// An SVID of the stage, with whom it trusts.
pub(super) fn identity(stage: &Stage, path: &str) -> Result<TlsIdentity, BenchError> {
    let said = |error: &dyn std::fmt::Display| BenchError::Said(error.to_string());
    let files_of = stage.svid_files(&path.replace('/', "-"));
    stage.authority.issue(&files_of, &stage::workload(path)?)?;
    let paths = SvidPaths {
        certificate: files_of.with_extension("pem"),
        private_key: files_of.with_extension("key"),
    };
    let time = Arc::new(rustls::time_provider::DefaultTimeProvider);
    let (svids, _) = files::svid(paths, Arc::clone(&time) as _).map_err(|e| said(&e))?;
    let bundle = [(TRUST_DOMAIN.parse()?, stage.folder().join("bundle.pem"))];
    let (bundles, _) = files::bundles(bundle.into()).map_err(|e| said(&e))?;
    Ok(TlsIdentity {
        svids: Arc::new(svids),
        bundles: Arc::new(bundles),
        time,
    })
}
