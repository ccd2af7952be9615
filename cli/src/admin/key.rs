//! How signing keys are shown.

use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::{RetireKeyResponse, RotateKeyResponse, SigningKey};

use crate::admin::wire;
use crate::output::{Page, View};

/// The signing keys.
#[derive(Debug, Serialize)]
pub(crate) struct Keys {
    /// By algorithm and age.
    pub(crate) keys: Vec<Key>,
}

/// One signing key.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    kid: String,
    algorithm: String,
    state: String,
    published_at: Option<Timestamp>,
    signs_from: Option<Timestamp>,
    published_until: Option<Timestamp>,
    retired_at: Option<Timestamp>,
}

/// What a rotation came to.
#[derive(Debug, Serialize)]
pub(crate) struct Rotated {
    next: Option<Key>,
    under_way: bool,
    known_from: Option<Timestamp>,
}

/// What retiring a key came to.
#[derive(Debug, Serialize)]
pub(crate) struct Retired {
    #[serde(rename = "retired")]
    key: Option<Key>,
    was_signing: bool,
    signing: Option<Key>,
    refused_until: Option<Timestamp>,
    accepted_until: Option<Timestamp>,
}

/// What was exported.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    /// The files, as they were written.
    pub(crate) files: Vec<String>,
    /// How long verifiers may keep them.
    pub(crate) max_age_seconds: u64,
}

impl From<SigningKey> for Key {
    fn from(wire: SigningKey) -> Self {
        Self {
            kid: wire.kid,
            algorithm: wire.algorithm,
            state: wire.state,
            published_at: wire::moment(wire.published_at),
            signs_from: wire::moment(wire.signs_from),
            published_until: wire::moment(wire.retires_at),
            retired_at: wire::moment(wire.retired_at),
        }
    }
}

impl From<RotateKeyResponse> for Rotated {
    fn from(wire: RotateKeyResponse) -> Self {
        Self {
            next: wire.next.map(Key::from),
            under_way: wire.under_way,
            known_from: wire::moment(wire.known_from),
        }
    }
}

impl From<RetireKeyResponse> for Retired {
    fn from(wire: RetireKeyResponse) -> Self {
        Self {
            key: wire.retired.map(Key::from),
            was_signing: wire.was_signing,
            signing: wire.signing.map(Key::from),
            refused_until: wire::moment(wire.refused_until),
            accepted_until: wire::moment(wire.accepted_until),
        }
    }
}

impl View for Keys {
    fn text(&self, page: &mut Page) {
        let rows = self.keys.iter().map(|key| {
            let until = match (key.retired_at, key.published_until) {
                (Some(retired), _) => page.when(Some(retired)),
                (None, Some(until)) => page.when(Some(until)),
                (None, None) => "another follows".to_owned(),
            };
            [
                key.kid.clone(),
                key.algorithm.clone(),
                key.state.clone(),
                page.when(key.published_at),
                page.when(key.signs_from),
                until,
            ]
        });
        let rows = rows.collect();
        page.table(
            [
                "KEY",
                "ALGORITHM",
                "STATE",
                "PUBLISHED",
                "SIGNS FROM",
                "PUBLISHED UNTIL",
            ],
            rows,
        );
    }
}

impl View for Rotated {
    fn text(&self, page: &mut Page) {
        let Some(next) = &self.next else { return };
        if self.under_way {
            page.line("a rotation is under way already; nothing has changed");
        }
        let from = page.moment(next.signs_from);
        let verb = match next.state.as_str() {
            "signing" => "signs since",
            _ => "is published and signs from",
        };
        page.line(&format!(
            "{} key {} {verb} {from}",
            next.algorithm, next.kid
        ));
        if self.known_from > next.signs_from {
            let known = page.moment(self.known_from);
            page.line(&format!(
                "verifiers that cache the key set may refuse its tokens until {known}"
            ));
        } else {
            page.line("every verifier that honours the key set's max-age knows it by then; the key before stays published until its last token has expired");
        }
    }
}

impl View for Retired {
    fn text(&self, page: &mut Page) {
        let Some(retired) = &self.key else { return };
        page.line(&format!(
            "key {} is retired: it neither signs nor is published, and introspection says `active: false` of its tokens",
            retired.kid
        ));
        let accepted = page.moment(self.accepted_until);
        page.line(&format!(
            "verifiers that check signatures alone may accept its tokens until {accepted}, when their copy of the key set is over"
        ));
        match &self.signing {
            Some(signing) => page.line(&format!("key {} signs", signing.kid)),
            None => page.line(
                "no key of its algorithm signs now; `taskpass key list` says from when one does",
            ),
        }
        if self.refused_until.is_some() {
            let refused = page.moment(self.refused_until);
            page.line(&format!(
                "verifiers that cache the key set may refuse the tokens of that key until {refused}"
            ));
        }
        page.line("no job or lease has ended: the next renewal of each gives a token under the key that signs");
    }
}

impl View for Exported {
    fn text(&self, page: &mut Page) {
        for file in &self.files {
            page.line(file);
        }
        page.line(&format!(
            "serve them under the issuer's URL with `Cache-Control: max-age={}`, and export again at least as often",
            self.max_age_seconds
        ));
    }
}
