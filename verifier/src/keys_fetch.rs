//! Fetches the key set from the broker, over mutual TLS, and keeps it no longer than it says.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http_body_util::{BodyExt, Limited};
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tower::ServiceExt;

use crate::keys::Keys;
use crate::link::{Link, LinkError, innermost};
use crate::random::Random;
use crate::shared::Shared;

const JWKS: &str = "http://broker/.well-known/jwks.json";
const MAX_BYTES: usize = 256 * 1024;
const DEADLINE: Duration = Duration::from_secs(10);
/// Not more often, however many tokens come with keys that are not known.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// The least and the most that a `max-age` is taken for.
const AGES: (u64, u64) = (60, 24 * 3600);
const DEFAULT_AGE: u64 = 3600;

/// Keeps the keys current, for ever.
pub(crate) async fn keep(link: &Link, shared: &Shared, random: &Random) {
    loop {
        let next = match fetch(link).await {
            Ok((keys, max_age)) => {
                // Twice the age: a broker that is away for a while takes nothing with it.
                shared.learn(keys, 2 * max_age);
                max_age.mul_f64(0.9 + 0.1 * random.fraction())
            }
            Err(error) => {
                tracing::warn!(error.message = %error, "the issuer's keys were not fetched");
                Duration::from_secs(1).mul_f64(0.5 + random.fraction())
            }
        };
        let pause = if shared.keys().is_some() {
            AT_MOST_EVERY
        } else {
            Duration::ZERO
        };
        sleep(pause).await;
        tokio::select! {
            () = sleep(next.saturating_sub(pause)) => {}
            () = shared.wants_keys.notified() => {}
        }
    }
}

async fn fetch(link: &Link) -> Result<(Keys, Duration), LinkError> {
    let said = |what: &str| LinkError::Said(what.to_owned());
    let fetching = async {
        let channel = link.connect().await?;
        let request = http::Request::get(JWKS).body(Body::empty());
        let request = request.map_err(|_| said("the key set has no address"))?;
        let response = channel.oneshot(request).await;
        let response = response.map_err(|error| LinkError::Connect(innermost(&error)))?;
        if response.status() != http::StatusCode::OK {
            return Err(LinkError::Said(format!(
                "the broker answered {} to `{JWKS}`",
                response.status()
            )));
        }
        let header = response.headers().get(CACHE_CONTROL);
        let max_age = max_age(header.and_then(|value| value.to_str().ok()).unwrap_or(""));
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        let body = body.map_err(|_| said("the key set was cut off, or is too long"))?;
        let keys = Keys::parse(&body.to_bytes()).map_err(|error| said(&error.to_string()))?;
        Ok((keys, max_age))
    };
    match timeout(DEADLINE, fetching).await {
        Ok(fetched) => fetched,
        Err(_) => Err(said("the key set did not come in time")),
    }
}

/// RFC 9111, section 5.2.2.1, within bounds.
fn max_age(cache_control: &str) -> Duration {
    let directives = cache_control.split(',').map(str::trim);
    let seconds = directives
        .filter_map(|directive| directive.strip_prefix("max-age="))
        .find_map(|seconds| seconds.parse().ok())
        .unwrap_or(DEFAULT_AGE);
    Duration::from_secs(seconds.clamp(AGES.0, AGES.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honours_max_age_within_bounds() {
        let table = [
            ("public, max-age=3600", 3600),
            ("max-age=900,public", 900),
            ("max-age=0", 60),
            ("max-age=99999999", 24 * 3600),
            ("no-store", 3600),
            ("max-age=x", 3600),
            ("", 3600),
        ];
        for (header, seconds) in table {
            assert_eq!(max_age(header), Duration::from_secs(seconds), "{header}");
        }
    }
}
