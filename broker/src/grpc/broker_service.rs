//! The service `Broker`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use prost::Message;
use taskpass_proto::v1;
use taskpass_proto::v1::broker_server::Broker;
use tonic::{Request, Response, Status, Streaming};
use zeroize::Zeroizing;

use super::heartbeat_stream::HeartbeatStream;
use super::refusals::refused;
use super::revocation_stream::{MAX_STREAMS, RevocationStream};
use super::{answers, requests};
use crate::app::connection::Connection;
use crate::app::places::Places;
use crate::crash_points::{self, Point};
use crate::operations::Operations;
use crate::operations::gate::{CallKind, Caller, Gate};

/// Answers workloads.
#[derive(Clone)]
pub struct BrokerService {
    operations: Arc<Operations>,
    gate: Arc<Gate>,
    revocation_streams: Arc<Places>,
}

impl BrokerService {
    /// Answers with these use cases whom the gate admits.
    pub fn new(operations: Arc<Operations>, gate: Arc<Gate>) -> Self {
        Self {
            operations,
            gate,
            revocation_streams: Arc::new(Places::new(MAX_STREAMS)),
        }
    }

    fn admit<T>(&self, request: &Request<T>, kind: CallKind) -> Result<Caller, Status> {
        let connection = connection(request)?;
        self.gate.admit(connection.peer(), kind).map_err(refused)
    }

    /// Admits a call whose request is one message.
    fn admit_message<T: Message>(
        &self,
        request: &Request<T>,
        kind: CallKind,
    ) -> Result<Caller, Status> {
        let caller = self.admit(request, kind)?;
        requests::check_size(request.get_ref()).map_err(refused)?;
        Ok(caller)
    }
}

#[tonic::async_trait]
impl Broker for BrokerService {
    async fn open_job(
        &self,
        request: Request<v1::OpenJobRequest>,
    ) -> Result<Response<v1::OpenJobResponse>, Status> {
        let caller = self.admit_message(&request, CallKind::Asks)?;
        let request = requests::open_job(request.into_inner()).map_err(refused)?;
        let opened = self
            .operations
            .open_job(&caller, request)
            .await
            .map_err(refused)?;
        crash_points::reach(Point::ReplyBefore);
        Ok(Response::new(answers::opened(opened)))
    }

    async fn issue(
        &self,
        request: Request<v1::IssueRequest>,
    ) -> Result<Response<v1::IssueResponse>, Status> {
        let caller = self.admit_message(&request, CallKind::Asks)?;
        let request = requests::issue(request.into_inner()).map_err(refused)?;
        let issued = self
            .operations
            .issue(&caller, request)
            .await
            .map_err(refused)?;
        Ok(Response::new(answers::issued(issued)))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let caller = self.admit_message(&request, CallKind::Asks)?;
        let request = requests::renew(request.into_inner()).map_err(refused)?;
        let renewed = self
            .operations
            .renew(&caller, request)
            .await
            .map_err(refused)?;
        Ok(Response::new(answers::renewed(renewed)))
    }

    async fn close_job(
        &self,
        request: Request<v1::CloseJobRequest>,
    ) -> Result<Response<v1::CloseJobResponse>, Status> {
        let caller = self.admit_message(&request, CallKind::GivesBack)?;
        let connection = connection(&request)?;
        let request = requests::close_job(request.into_inner()).map_err(refused)?;
        if !self.operations.holds(&caller, &request) {
            self.gate
                .admit(connection.peer(), CallKind::Asks)
                .map_err(refused)?;
        }
        let progress = self
            .operations
            .close_job(&caller, &request)
            .await
            .map_err(refused)?;
        Ok(Response::new(answers::closed(progress)))
    }

    type HeartbeatStream =
        Pin<Box<dyn Stream<Item = Result<v1::HeartbeatResponse, Status>> + Send>>;

    async fn heartbeat(
        &self,
        request: Request<Streaming<v1::HeartbeatRequest>>,
    ) -> Result<Response<Self::HeartbeatStream>, Status> {
        self.admit(&request, CallKind::GivesBack)?;
        let connection = connection(&request)?;
        let stream = HeartbeatStream {
            operations: Arc::clone(&self.operations),
            gate: Arc::clone(&self.gate),
            connection,
        };
        let answers = stream.begin(request.into_inner()).await?;
        Ok(Response::new(Box::pin(answers)))
    }

    async fn introspect(
        &self,
        request: Request<v1::IntrospectRequest>,
    ) -> Result<Response<v1::IntrospectResponse>, Status> {
        let caller = self.admit_message(&request, CallKind::GivesBack)?;
        let token = Zeroizing::new(request.into_inner().token);
        let claims = self
            .operations
            .introspect(&caller, &token)
            .map_err(refused)?;
        Ok(Response::new(answers::introspected(claims.as_deref())))
    }

    type WatchRevocationsStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchRevocationsResponse, Status>> + Send>>;

    async fn watch_revocations(
        &self,
        request: Request<v1::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let connection = connection(&request)?;
        let stream = RevocationStream {
            places: Arc::clone(&self.revocation_streams),
            operations: Arc::clone(&self.operations),
            gate: Arc::clone(&self.gate),
            connection,
        };
        let answers = stream.begin(request.into_inner())?;
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The connection that a request came on. Without one there is no caller.
fn connection<T>(request: &Request<T>) -> Result<Arc<Connection>, Status> {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    connection.ok_or_else(|| Status::unauthenticated("this service needs mutual TLS"))
}
