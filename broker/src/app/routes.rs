//! What is served where.

use std::sync::Arc;

use axum::Router;
use taskpass_proto::limits::{MAX_HEARTBEAT_BYTES, MAX_REQUEST_BYTES};
use taskpass_proto::v1::admin_server::AdminServer;
use taskpass_proto::v1::broker_server::BrokerServer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use crate::grpc::admin::{AdminService, only_operators};
use crate::grpc::broker_service::BrokerService;
use crate::http::introspection;
use crate::operations::Operations;
use crate::operations::gate::Gate;

/// Requests up to twice the limit are read, so that the answer can name the limit.
const READ_BYTES: usize = 2 * MAX_REQUEST_BYTES;

/// The workload port: gRPC, its health, and introspection over HTTP.
pub(super) async fn workload(
    broker: BrokerService,
    operations: &Arc<Operations>,
    gate: &Arc<Gate>,
    draining: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Router {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<BrokerServer<BrokerService>>().await;
    let calls = BrokerServer::new(broker.clone()).max_decoding_message_size(READ_BYTES);
    // A greeting lists every live job, so the one stream may send more than a call.
    let stream = BrokerServer::new(broker).max_decoding_message_size(MAX_HEARTBEAT_BYTES);
    let draining = draining.clone();
    tasks.spawn(async move {
        draining.cancelled().await;
        health
            .set_service_status("", ServingStatus::NotServing)
            .await;
        health
            .set_not_serving::<BrokerServer<BrokerService>>()
            .await;
    });
    Router::new()
        .route_service("/taskpass.v1.Broker/Heartbeat", stream)
        .route_service("/taskpass.v1.Broker/{call}", calls)
        .route_service("/grpc.health.v1.Health/{call}", health_service)
        .merge(introspection::router(
            Arc::clone(operations),
            Arc::clone(gate),
        ))
}

/// The operator's socket.
pub(super) fn admin(admin: AdminService) -> Router {
    let admin = AdminServer::with_interceptor(admin, only_operators);
    Router::new().route_service("/taskpass.v1.Admin/{call}", admin)
}
