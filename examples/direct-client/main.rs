//! A workload that calls the broker itself: its SVID and the roots come from a SPIFFE Workload API, and whatever
//! rotates there is used for the next connection. It opens a job, has its credentials, and gives them back.
//!
//! ```text
//! cargo run -p taskpass --example direct_client -- \
//!     unix:///run/spire/agent.sock 127.0.0.1:8440 spiffe://acme.example/taskpass/broker [HINT]
//! ```
#![allow(clippy::print_stdout, reason = "says what it was given")]
#![allow(
    clippy::disallowed_methods,
    reason = "a program of its own reads the clock itself"
)]

mod client;

use taskpass_identity::source::workload_api::Selection;
use taskpass_identity::workload_api::Endpoint;

use client::Places;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (places, hint) = match &arguments[..] {
        [places @ .., hint] if places.len() == 3 => (places, Some(hint)),
        places => (places, None),
    };
    let [workload_api, broker, broker_id] = places else {
        return Err("WORKLOAD_API BROKER BROKER_ID [HINT]".into());
    };
    let identity = hint.map_or(Selection::Default, |hint| Selection::Hint(hint.clone()));
    let places = Places {
        workload_api: Endpoint::parse(workload_api)?,
        identity,
        broker: broker.parse()?,
        broker_id: broker_id.parse()?,
    };
    println!("had {}", client::perform(places).await?.join(", "));
    Ok(())
}
