//! Every administrative call, by everybody: operators alone are heard. The calls are those of the descriptor, so
//! that a new one is tried from its first day.

use http::uri::PathAndQuery;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::support::client::try_connect;
use crate::support::installation::Installation;
use crate::support::operator;

const WORKLOAD: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";
const BROKER: &str = "spiffe://acme.example/taskpass/broker";

/// Paths of every method of `Admin`.
fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(taskpass_proto::DESCRIPTOR_SET).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    let admin = services.filter(|service| service.name() == "Admin");
    let methods = admin.flat_map(|service| &service.method);
    let paths: Vec<_> = methods
        .map(|method| format!("/taskpass.v1.Admin/{}", method.name()))
        .collect();
    assert!(paths.len() > 20, "the descriptor has the service");
    paths
}

/// Calls with an empty message, which every method understands.
async fn call(channel: &Channel, path: &str) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(Box::new(error)))?;
    let path: PathAndQuery = path.parse().unwrap();
    let codec = ProstCodec::<(), ()>::default();
    let answer = grpc.server_streaming(Request::new(()), path, codec).await?;
    answer.into_inner().message().await.map(drop)
}

#[tokio::test]
async fn no_svid_of_whomever_reaches_any_administrative_call() {
    let broker = Installation::start().await;
    for caller in [WORKLOAD, VERIFIER, BROKER] {
        let channel = try_connect(broker.workload, &broker.identity(caller))
            .await
            .unwrap();
        for path in methods() {
            let refused = call(&channel, &path).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unimplemented, "{caller} {path}");
        }
    }
}

#[tokio::test]
async fn an_operator_reaches_every_administrative_call() {
    let broker = Installation::start().await;
    let channel = operator::try_channel(&broker).await.unwrap();
    for path in methods() {
        // Whatever it says of an empty message, it is not about who asks.
        if let Err(said) = call(&channel, &path).await {
            let about = [Code::PermissionDenied, Code::Unauthenticated];
            assert!(!about.contains(&said.code()), "{path}: {said}");
        }
    }
}
