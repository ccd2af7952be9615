//! The library for resource servers, against a real broker.

use std::net::{Ipv4Addr, SocketAddr};

use taskpass_verifier::{Refused, Settings, Verifier, open};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::client::{Client, token};
use crate::support::installation::{BROKER, Installation, Plan};
use crate::support::{PATIENCE, eventually};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";
const DOCS: &str = "https://docs.acme.example";

/// A resource server's side.
struct Server {
    verifier: Verifier,
    _keeper: JoinSet<()>,
}

impl Server {
    fn start(broker: &Installation, address: SocketAddr, id: &str) -> Self {
        let issuer = format!("http://{}", broker.public);
        let id_of_broker = BROKER.parse().unwrap();
        let settings = Settings::new(address.to_string(), id_of_broker, issuer, DOCS);
        let (verifier, keeper) = open(settings, &broker.identity(id)).unwrap();
        let mut keepers = JoinSet::new();
        keepers.spawn(keeper.run(CancellationToken::new()));
        Self {
            verifier,
            _keeper: keepers,
        }
    }

    async fn ready(broker: &Installation, address: SocketAddr) -> Self {
        let this = Self::start(broker, address, VERIFIER);
        timeout(PATIENCE, this.verifier.ready())
            .await
            .expect("ready");
        this
    }

    async fn eventually(&self, token: &str, expected: Result<(), Refused>) {
        eventually(&format!("{expected:?}"), || {
            let found = self.verifier.check(token).map(drop);
            async move { (found == expected).then_some(()) }
        })
        .await;
    }
}

/// One job with one token.
async fn opened(client: &mut Client) -> (String, String) {
    let opened = client.open_docs().await;
    let token = token(&opened.credentials[0]).to_owned();
    (opened.job_id, token)
}

/// A way to the broker that can be cut.
struct Wire {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    accepted: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = watch::Sender::new(false);
        let (count, accepted) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let is_cut = cut.subscribe();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                count.send_modify(|count| *count += 1);
                let mut is_cut = is_cut.clone();
                connections.spawn(async move {
                    let through = async {
                        let mut far = TcpStream::connect(broker).await.unwrap();
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    };
                    tokio::select! {
                        () = through => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self {
            address,
            cut,
            accepted,
            _tasks: tasks,
        }
    }
}

#[tokio::test]
async fn a_token_is_refused_as_soon_as_its_job_has_ended() {
    let broker = Installation::start().await;
    let server = Server::ready(&broker, broker.workload).await;
    let mut client = broker.client(CI).await;
    let (job, token) = opened(&mut client).await;
    let claims = server.verifier.check(&token).unwrap();
    assert_eq!(
        (&*claims.sub, &*claims.aud, &*claims.task),
        (CI, DOCS, "deploy-docs")
    );
    assert!(claims.has_scope("docs:write"));
    let (_, other) = opened(&mut client).await;
    client.close(&job).await.unwrap();
    server.eventually(&token, Err(Refused::Revoked)).await;
    assert!(server.verifier.check(&other).is_ok(), "other jobs go on");
}

#[tokio::test]
async fn takes_no_token_of_another_audience_or_issuer() {
    let broker = Installation::start().await;
    let server = Server::ready(&broker, broker.workload).await;
    let mut client = broker.client(CI).await;
    let both = client.open(client.request("deploy-docs")).await.unwrap();
    let tickets = both.credentials.iter().find(|c| c.name == "tickets-api");
    let refused = server.verifier.check(token(tickets.unwrap()));
    assert_eq!(refused.unwrap_err(), Refused::OtherAudience);
    let foreign = Installation::start().await;
    let (_, theirs) = opened(&mut foreign.client(CI).await).await;
    let refused = server.verifier.check(&theirs);
    assert_eq!(refused.unwrap_err(), Refused::UnknownKey);
}

#[tokio::test]
async fn misses_nothing_across_a_kill_of_the_broker() {
    let mut broker = Installation::start().await;
    let server = Server::ready(&broker, broker.workload).await;
    let mut client = broker.client(CI).await;
    let (ended_before, first) = opened(&mut client).await;
    let (ended_after, second) = opened(&mut client).await;
    let (_, alive) = opened(&mut client).await;
    client.close(&ended_before).await.unwrap();
    broker.broker.kill();
    broker.restart().await;
    let mut client = Client {
        holder: client.holder,
        ..broker.client(CI).await
    };
    client.close(&ended_after).await.unwrap();
    for token in [&first, &second] {
        server.eventually(token, Err(Refused::Revoked)).await;
    }
    server.eventually(&alive, Ok(())).await;
}

#[tokio::test]
async fn a_cut_makes_it_refuse_everything_until_it_has_heard_what_it_missed() {
    let broker = Installation::start().await;
    let wire = Wire::to(broker.workload).await;
    let server = Server::ready(&broker, wire.address).await;
    let mut client = broker.client(CI).await;
    let (ended, first) = opened(&mut client).await;
    let (_, alive) = opened(&mut client).await;
    assert!(server.verifier.check(&first).is_ok());
    wire.cut.send_replace(true);
    client.close(&ended).await.unwrap();
    server.eventually(&alive, Err(Refused::Stale)).await;
    assert_eq!(server.verifier.check(&first).unwrap_err(), Refused::Stale);
    assert!(!server.verifier.is_ready());
    wire.cut.send_replace(false);
    server.eventually(&alive, Ok(())).await;
    assert_eq!(server.verifier.check(&first).unwrap_err(), Refused::Revoked);
}

#[tokio::test]
async fn streams_age_without_a_moment_of_doubt() {
    let plan = Plan {
        more: "[limits]\nconnection_max_age = \"6s\"",
        ..Plan::default()
    };
    let broker = Installation::with(plan).await;
    let wire = Wire::to(broker.workload).await;
    let server = Server::ready(&broker, wire.address).await;
    let mut client = broker.client(CI).await;
    let (_, alive) = opened(&mut client).await;
    let before = *wire.accepted.borrow();
    eventually("the third stream is open", || {
        server.verifier.check(&alive).unwrap();
        let further = *wire.accepted.borrow() - before;
        async move { (further >= 3).then_some(()) }
    })
    .await;
    let mut client = broker.client(CI).await;
    let (ended, token) = opened(&mut client).await;
    client.close(&ended).await.unwrap();
    server.eventually(&token, Err(Refused::Revoked)).await;
}

#[tokio::test]
async fn who_verifies_nothing_takes_nothing() {
    let broker = Installation::start().await;
    let server = Server::start(&broker, broker.workload, CI);
    let mut client = broker.client(CI).await;
    let (_, token) = opened(&mut client).await;
    // The keys are there, for anybody; the word that nothing has ended never comes.
    server.eventually(&token, Err(Refused::Stale)).await;
    assert!(!server.verifier.is_ready());
}
