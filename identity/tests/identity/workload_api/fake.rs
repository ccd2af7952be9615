//! A Workload API that says what a test tells it to.

use std::path::PathBuf;
use std::pin::Pin;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use taskpass_identity::TrustDomain;
use taskpass_identity::ca::{CertificateAuthority, IssuedSvid};
use taskpass_identity::source::workload_api::Settings;
use taskpass_identity::workload_api::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use taskpass_identity::workload_api::{
    Endpoint, JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse,
    X509svid, X509svidRequest, X509svidResponse,
};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

use crate::support::{HOUR, clock, now};

type Told<M> = Result<M, Code>;
type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// A Workload API on a socket of its own; it ends with the test.
pub struct Fake {
    directory: tempfile::TempDir,
    pub svids: watch::Sender<Told<X509svidResponse>>,
    pub bundles: watch::Sender<Told<X509BundlesResponse>>,
    server: JoinSet<()>,
}

impl Fake {
    /// Serves a message with SVIDs, until told otherwise.
    pub fn with_svids(svids: Vec<X509svid>) -> Self {
        let fake = Self::silent();
        fake.say(svids);
        fake.start()
    }

    /// Serves a message with bundles, until told otherwise.
    pub fn with_bundles(bundles: &[(&str, Vec<u8>)]) -> Self {
        let fake = Self::silent();
        fake.say_bundles(bundles);
        fake.start()
    }

    /// Is not there yet.
    pub fn silent() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            svids: watch::Sender::new(Ok(X509svidResponse::default())),
            bundles: watch::Sender::new(Ok(X509BundlesResponse::default())),
            server: JoinSet::new(),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("api.sock")
    }

    pub fn start(mut self) -> Self {
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).unwrap();
        let service = Service {
            svids: self.svids.clone(),
            bundles: self.bundles.clone(),
        };
        self.server.spawn(async move {
            Server::builder()
                .add_service(
                    SpiffeWorkloadApiServer::new(service).max_encoding_message_size(usize::MAX),
                )
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .unwrap();
        });
        self
    }

    /// Ends every stream and listens no more.
    pub async fn stop(&mut self) {
        self.server.shutdown().await;
        let _ = self.svids.send_replace(Err(Code::Unavailable));
    }

    pub fn say(&self, svids: Vec<X509svid>) {
        let _ = self.svids.send_replace(Ok(X509svidResponse {
            svids,
            ..X509svidResponse::default()
        }));
    }

    pub fn say_bundles(&self, bundles: &[(&str, Vec<u8>)]) {
        let of = |(domain, der): &(&str, Vec<u8>)| (format!("spiffe://{domain}"), der.clone());
        let _ = self.bundles.send_replace(Ok(X509BundlesResponse {
            bundles: bundles.iter().map(of).collect(),
            ..X509BundlesResponse::default()
        }));
    }

    pub fn settings(&self) -> Settings {
        Settings {
            endpoint: Endpoint::Unix(self.socket()),
            time: clock(),
            patience: std::time::Duration::from_secs(20),
        }
    }
}

/// An authority for a trust domain.
pub fn authority(name: &str) -> CertificateAuthority {
    let domain: TrustDomain = name.parse().unwrap();
    CertificateAuthority::new(domain, HOUR * 24, now()).unwrap()
}

/// An SVID as a message has it.
pub fn message(ca: &CertificateAuthority, id: &str) -> X509svid {
    let issued = ca.issue(&id.parse().unwrap(), HOUR, now()).unwrap();
    of_issued(ca, id, &issued)
}

pub fn of_issued(ca: &CertificateAuthority, id: &str, issued: &IssuedSvid) -> X509svid {
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(issued.private_key_pem.as_bytes());
    X509svid {
        spiffe_id: id.to_owned(),
        x509_svid: der(&issued.certificates_pem),
        x509_svid_key: key.unwrap().secret_der().to_vec(),
        bundle: der(ca.certificate_pem()),
        hint: String::new(),
    }
}

pub fn der(pem: &str) -> Vec<u8> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .flat_map(|der| der.unwrap().to_vec())
        .collect()
}

struct Service {
    svids: watch::Sender<Told<X509svidResponse>>,
    bundles: watch::Sender<Told<X509BundlesResponse>>,
}

fn stream<M: Clone + Send + Sync + 'static, R>(
    request: &Request<R>,
    told: &watch::Sender<Told<M>>,
) -> Result<Response<Messages<M>>, Status> {
    let header = request.metadata().get("workload.spiffe.io");
    if header.is_none_or(|value| value != "true") {
        return Err(Status::invalid_argument("security header missing"));
    }
    let messages = WatchStream::new(told.subscribe());
    let messages = messages.map(|told| told.map_err(|code| Status::new(code, "as told")));
    Ok(Response::new(Box::pin(messages)))
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Service {
    type FetchX509SVIDStream = Messages<X509svidResponse>;
    type FetchX509BundlesStream = Messages<X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        stream(&request, &self.svids)
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        stream(&request, &self.bundles)
    }

    async fn fetch_jwtsvid(
        &self,
        _: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_jwt_bundles(
        &self,
        _: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn validate_jwtsvid(
        &self,
        _: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
