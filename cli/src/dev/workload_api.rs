//! The SPIFFE Workload API of `taskpass dev`, so that other SPIFFE programs can be tried against it.
//!
//! It serves X.509-SVIDs and X.509 bundles on a Unix socket; JWT-SVIDs are answered `Unimplemented`.
//! The kernel says who calls: the user that runs `dev` is all of its workloads, anybody else is none.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use taskpass_identity::SpiffeId;
use taskpass_identity::ca::IssuedSvid;
use taskpass_identity::workload_api::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use taskpass_identity::workload_api::{
    JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse, SECURITY_HEADER,
    SECURITY_VALUE, ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest,
    X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status};

use crate::stage::authority::Authority;
use crate::stage::{StageError, TRUST_DOMAIN};

/// The socket.
const SOCKET: &str = "workload-api.sock";
/// Its other name. Libraries upon gRPC's C core (Python's, for one) send the path of a socket as `:authority`,
/// percent-encoded, and HTTP libraries in Rust refuse a host with `%`, as RFC 9110 has it. What stands in front of
/// an `@` is no part of the host.
const NAME: &str = "spiffe@workload-api.sock";

type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// The API on its socket, before it serves.
pub(super) struct DevWorkloadApi {
    listener: UnixListener,
    service: Service,
}

/// The state that callers are told, and told again when it changes.
pub(super) struct Told(watch::Sender<X509svidResponse>);

impl DevWorkloadApi {
    /// Takes the socket in a folder that is private to its owner already.
    pub(super) fn bind(folder: &Path, first: X509svidResponse) -> Result<(Self, Told), StageError> {
        let (socket, name) = (folder.join(SOCKET), name(folder));
        let failed = |source| StageError::File {
            path: socket.clone(),
            source,
        };
        remove(&socket)?;
        remove(&name)?;
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(failed)?;
        symlink(SOCKET, &name).map_err(failed)?;
        let told = watch::Sender::new(first);
        let service = Service {
            told: told.subscribe(),
            owner: rustix::process::geteuid().as_raw(),
        };
        Ok((Self { listener, service }, Told(told)))
    }

    /// Serves until `shutdown`; streams are cut off then.
    pub(super) async fn serve(self, shutdown: CancellationToken) {
        let incoming = UnixListenerStream::new(self.listener);
        let serving = Server::builder()
            .add_service(SpiffeWorkloadApiServer::new(self.service))
            .serve_with_incoming(incoming);
        if let Some(Err(error)) = shutdown.run_until_cancelled(serving).await {
            tracing::error!(%error, "the Workload API has stopped");
        }
    }
}

/// The name of the socket that clients of every language can use.
pub(super) fn name(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

impl Told {
    /// Tells every stream the new state.
    pub(super) fn tell(&self, state: X509svidResponse) {
        self.0.send_replace(state);
    }
}

/// Issues an SVID for each workload. The first is the default; the hint of each is its path.
pub(super) fn issue(
    authority: &Authority,
    workloads: &[SpiffeId],
) -> Result<X509svidResponse, StageError> {
    let bundle = certificates(authority.certificate_pem())?;
    let one = |id: &SpiffeId| message(id, &authority.mint(id)?, &bundle);
    Ok(X509svidResponse {
        svids: workloads.iter().map(one).collect::<Result<_, _>>()?,
        ..X509svidResponse::default()
    })
}

fn remove(path: &Path) -> Result<(), StageError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StageError::File {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

struct Service {
    told: watch::Receiver<X509svidResponse>,
    owner: u32,
}

impl Service {
    /// Refuses requests that a program was talked into, and callers who are no workload here.
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let header = request.metadata().get(SECURITY_HEADER);
        if header.is_none_or(|value| value != SECURITY_VALUE) {
            return Err(Status::invalid_argument(
                "the metadata `workload.spiffe.io: true` is missing",
            ));
        }
        let connection = request.extensions().get::<UdsConnectInfo>();
        let caller = connection.and_then(|connection| connection.peer_cred.as_ref());
        match caller {
            Some(caller) if caller.uid() == self.owner => Ok(()),
            _ => Err(Status::permission_denied("no identity for this caller")),
        }
    }

    fn stream<T, M: 'static>(
        &self,
        request: &Request<T>,
        of: impl Fn(X509svidResponse) -> M + Send + 'static,
    ) -> Result<Response<Messages<M>>, Status> {
        self.admit(request)?;
        let messages = WatchStream::new(self.told.clone());
        Ok(Response::new(Box::pin(
            messages.map(move |told| Ok(of(told))),
        )))
    }
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
        self.stream(&request, |told| told)
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        self.stream(&request, |told| {
            let domain = format!("spiffe://{TRUST_DOMAIN}");
            let bundle = told
                .svids
                .into_iter()
                .next()
                .map(|svid| (domain, svid.bundle));
            X509BundlesResponse {
                bundles: bundle.into_iter().collect(),
                ..X509BundlesResponse::default()
            }
        })
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        self.admit(&request)?;
        Err(no_jwt())
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        self.admit(&request)?;
        Err(no_jwt())
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        self.admit(&request)?;
        Err(no_jwt())
    }
}

fn no_jwt() -> Status {
    Status::unimplemented("`taskpass dev` issues X.509-SVIDs only")
}

fn message(id: &SpiffeId, issued: &IssuedSvid, bundle: &[u8]) -> Result<X509svid, StageError> {
    let key = PrivateKeyDer::from_pem_slice(issued.private_key_pem.as_bytes());
    let key = key.map_err(|_| StageError::Pem)?;
    Ok(X509svid {
        spiffe_id: id.to_string(),
        x509_svid: certificates(&issued.certificates_pem)?,
        x509_svid_key: key.secret_der().to_vec(),
        bundle: bundle.to_vec(),
        hint: id.path().trim_start_matches('/').to_owned(),
    })
}

/// Certificates in DER, one after the other.
fn certificates(pem: &str) -> Result<Vec<u8>, StageError> {
    let mut der = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        der.extend_from_slice(&certificate.map_err(|_| StageError::Pem)?);
    }
    Ok(der)
}
