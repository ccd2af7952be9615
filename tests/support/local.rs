//! A local caller of an agent: HTTP/1.1 over its Unix socket.

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// A connection to an agent.
pub(crate) struct Local {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Local {
    pub(crate) async fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (sender, driver) = handshake(TokioIo::new(stream)).await.unwrap();
        let mut driving = JoinSet::new();
        driving.spawn(async move { drop(driver.await) });
        Self {
            sender,
            _driver: driving,
        }
    }

    /// Status and body of one call.
    pub(crate) async fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "agent")
            .body(Full::from(body))
            .unwrap();
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&mut self, path: &str) -> (u16, Value) {
        self.call("GET", path, &Value::Null).await
    }

    /// Opens a job of the sample task with one credential; answers the job and the token.
    pub(crate) async fn open(&mut self, anchor: Value) -> (String, String) {
        let (status, opened) = self.call("POST", "/v1/jobs", &request(anchor)).await;
        assert_eq!(status, 201, "{opened}");
        let job = opened["job"].as_str().unwrap().to_owned();
        (
            job,
            opened["credentials"][0]["token"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    }
}

/// A request for the sample task with one credential.
#[allow(
    clippy::needless_pass_by_value,
    reason = "reads like the literal that it takes"
)]
pub(crate) fn request(anchor: Value) -> Value {
    json!({
        "task": "deploy-docs",
        "params": { "ref": "refs/heads/main" },
        "credentials": [{ "name": "docs-api" }],
        "anchor": anchor,
    })
}
