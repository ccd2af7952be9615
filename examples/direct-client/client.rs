//! See `main.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::time_provider::DefaultTimeProvider;
use rustls_pki_types::ServerName;
use taskpass_identity::SpiffeId;
use taskpass_identity::source::workload_api::{self, PATIENCE, Selection, Settings};
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_identity::workload_api::Endpoint;
use taskpass_proto::ids::JobId;
use taskpass_proto::v1::broker_client::BrokerClient;
use taskpass_proto::v1::{CloseJobRequest, EndProgress, Holder, OpenJobRequest};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::transport::{self, Channel};

/// Where everything is.
pub(crate) struct Places {
    /// The SPIFFE Workload API.
    pub(crate) workload_api: Endpoint,
    /// Which of its identities.
    pub(crate) identity: Selection,
    /// The broker.
    pub(crate) broker: SocketAddr,
    /// Who the broker is.
    pub(crate) broker_id: SpiffeId,
}

/// Opens a job, has its credentials, and gives them back; answers their names.
pub(crate) async fn perform(places: Places) -> Result<Vec<String>, Box<dyn Error>> {
    // Keeps SVID and roots fresh until it is dropped.
    let mut tasks = JoinSet::new();
    let identity = identity(&places, &mut tasks).await?;
    let channel = connect(places, &identity).await?;
    let mut client = BrokerClient::new(channel);

    // Whoever has the secret may renew and close: nobody else gets to know it.
    let holder = Holder {
        secret: random::<32>()?.to_vec(),
        incarnation: 1,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let job_id = JobId::new(now.as_millis().try_into()?, random()?).to_string();
    // A call that was not answered may be made again as it is: the same id is the same job.
    let opened = client
        .open_job(OpenJobRequest {
            job_id: job_id.clone(),
            holder: Some(holder.clone()),
            task: "deploy-docs".to_owned(),
            parameters: BTreeMap::from([("ref".to_owned(), "refs/heads/main".to_owned())]),
            ..OpenJobRequest::default()
        })
        .await?
        .into_inner();

    // Here the work is done, with `credential.secret` of each.
    let names = opened.credentials.into_iter();
    let names = names.map(|credential| credential.name).collect();

    let closed = client
        .close_job(CloseJobRequest {
            job_id,
            holder: Some(holder),
            exit_status: Some(0),
            ..CloseJobRequest::default()
        })
        .await?
        .into_inner();
    match closed.progress() {
        EndProgress::Confirmed => Ok(names),
        _ => Err("the end is not recorded yet: close again".into()),
    }
}

/// Who we are and whom we trust, for as long as `tasks` run.
async fn identity(places: &Places, tasks: &mut JoinSet<()>) -> Result<TlsIdentity, Box<dyn Error>> {
    let settings = || Settings {
        endpoint: places.workload_api.clone(),
        time: Arc::new(DefaultTimeProvider),
        patience: PATIENCE,
    };
    let (svids, svid_watcher) = workload_api::svid(settings(), places.identity.clone()).await?;
    let domains = BTreeSet::from([places.broker_id.trust_domain().clone()]);
    let (bundles, bundle_watcher) = workload_api::bundles(settings(), domains).await?;
    tasks.spawn(svid_watcher.run(CancellationToken::new()));
    tasks.spawn(bundle_watcher.run(CancellationToken::new()));
    Ok(TlsIdentity {
        svids: Arc::new(svids),
        bundles: Arc::new(bundles),
        time: Arc::new(DefaultTimeProvider),
    })
}

/// A channel to the broker and nobody else. Each of its connections is made with the newest SVID.
async fn connect(places: Places, identity: &TlsIdentity) -> Result<Channel, Box<dyn Error>> {
    let address = places.broker;
    let tls = identity.client_config(places.broker_id, Alpn::H2)?;
    let tls = TlsConnector::from(Arc::new(tls));
    let connector = tower::service_fn(move |_| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::from(address.ip());
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, stream).await?))
        }
    });
    let endpoint = transport::Endpoint::from_static("http://broker");
    Ok(endpoint.connect_with_connector(connector).await?)
}

fn random<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "the system gives no randomness")?;
    Ok(bytes)
}
