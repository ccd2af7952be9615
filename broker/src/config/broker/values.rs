//! Values that are written as text.

use std::time::Duration;

use crate::config::{ConfigError, invalid};

/// An issuer is an `https` URL without query or fragment (RFC 8414, section 2); `http` on loopback only.
pub(super) fn issuer(text: String) -> Result<String, ConfigError> {
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_loopback = loopback.iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':') || rest.starts_with('/'))
    });
    let https = text
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty());
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'\\'));
    if (https || is_loopback) && plain && !text.ends_with('/') {
        return Ok(text);
    }
    let message = "an issuer is an `https` URL without query, fragment or trailing slash \
                   (`http` on loopback only)";
    Err(invalid("issuer", message))
}

/// Reads `5s`, `3m`, `2h`, `7d`; a day at most for everything but retention is nobody's business here.
pub(super) fn duration(
    key: &str,
    text: Option<String>,
    default: &str,
) -> Result<Duration, ConfigError> {
    let text = text.unwrap_or_else(|| default.to_owned());
    let parsed: Option<Duration> = (|| {
        let unit = text.chars().last()?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        number
            .checked_mul(seconds)
            .filter(|seconds| (1..=3_155_760_000).contains(seconds))
    })()
    .map(Duration::from_secs);
    parsed.ok_or_else(|| {
        invalid(
            key,
            format!("`{text}` is not a duration; write for instance `30s`, `3m` or `7d`"),
        )
    })
}
