//! A resource server that takes Taskpass tokens, and refuses those whose job has ended within milliseconds.
//!
//! ```text
//! cargo run -p taskpass-verifier --example resource_server -- \
//!     127.0.0.1:8440 spiffe://acme.example/taskpass/broker https://taskpass.acme.example \
//!     https://docs.acme.example svid.pem svid.key bundle.pem 127.0.0.1:8000
//! ```
#![allow(clippy::print_stdout, reason = "says where it listens")]

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use rustls::time_provider::DefaultTimeProvider;
use taskpass_identity::SpiffeId;
use taskpass_identity::source::files::{self, SvidPaths};
use taskpass_identity::tls::TlsIdentity;
use taskpass_verifier::{Settings, Verifier, open};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        broker,
        broker_id,
        issuer,
        audience,
        certificate,
        key,
        bundle,
        listen,
    ] = &arguments[..]
    else {
        return Err("BROKER BROKER_ID ISSUER AUDIENCE CERTIFICATE KEY BUNDLE LISTEN".into());
    };
    let broker_id: SpiffeId = broker_id.parse()?;
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();

    // Who we are and whom we trust, read again as the files rotate.
    let time = Arc::new(DefaultTimeProvider);
    let paths = SvidPaths {
        certificate: certificate.into(),
        private_key: key.into(),
    };
    let (svids, svid_reloader) = files::svid(paths, Arc::clone(&time) as _)?;
    let roots = [(broker_id.trust_domain().clone(), bundle.into())];
    let (bundles, bundle_reloader) = files::bundles(roots.into())?;
    tasks.spawn(svid_reloader.run(shutdown.clone()));
    tasks.spawn(bundle_reloader.run(shutdown.clone()));
    let identity = TlsIdentity {
        svids: Arc::new(svids),
        bundles: Arc::new(bundles),
        time,
    };

    let (verifier, keeper) = open(
        Settings::new(broker, broker_id, issuer, audience),
        &identity,
    )?;
    tasks.spawn(keeper.run(shutdown.clone()));
    verifier.ready().await;

    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let router = Router::new().fallback(get(answer)).with_state(verifier);
    axum::serve(listener, router).await?;
    Ok(())
}

/// Any request with a good token is answered with what the token says.
async fn answer(State(verifier): State<Verifier>, headers: HeaderMap) -> (StatusCode, String) {
    let authorization = headers.get(header::AUTHORIZATION);
    let token = authorization
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .unwrap_or_default();
    match verifier.check(token) {
        Ok(claims) => {
            let said = format!(
                "{} does {} with {}\n",
                claims.sub, claims.task, claims.scope
            );
            (StatusCode::OK, said)
        }
        Err(refused) if refused.is_our_trouble() => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{refused}\n"))
        }
        Err(refused) => (StatusCode::UNAUTHORIZED, format!("{refused}\n")),
    }
}
