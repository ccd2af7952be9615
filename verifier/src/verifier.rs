//! What a resource server calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use taskpass_identity::SpiffeId;
use taskpass_identity::tls::TlsIdentity;

use crate::claims::Claims;
use crate::clock::SystemClock;
use crate::keeper::Keeper;
use crate::link::Link;
use crate::refused::Refused;
use crate::revocation_set::{DEFAULT_MAX_SILENCE, Standing};
use crate::shared::Shared;
use crate::token::{Expected, Signed};

/// Clocks may differ by this much, unless told otherwise.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// The broker tells of an end for five minutes longer than its token lives: leeway, and a clock that is behind.
const MAX_LEEWAY: Duration = Duration::from_secs(120);
/// The broker speaks every 5 s.
const MIN_MAX_SILENCE: Duration = Duration::from_secs(10);

/// Whose tokens a server takes, and where the broker is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host and port of the broker's workload listener.
    pub broker: String,
    /// The broker's exact SPIFFE ID. Whoever else answers is not believed.
    pub broker_id: SpiffeId,
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`, exactly: the server's own.
    pub audience: String,
    /// How far clocks may differ; two minutes at most.
    pub leeway: Duration,
    /// How long after the broker's last word tokens are still taken. The broker speaks every five seconds.
    pub max_silence: Duration,
}

/// Checks tokens. Clones share what they know.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
    expected: Arc<Expected>,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The SVID does not serve TLS.
    #[error("the SVID cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The leeway is longer than the broker tells of ends.
    #[error("`leeway` is {given:?}, and {MAX_LEEWAY:?} is the most; set the clocks instead")]
    Leeway {
        /// What was given.
        given: Duration,
    },
    /// The broker speaks every five seconds.
    #[error("`max_silence` is {given:?}; the broker speaks every 5 s, so give it at least 10 s")]
    MaxSilence {
        /// What was given.
        given: Duration,
    },
}

/// Makes a verifier, and the keeper that has to run beside it: until it does, every token is refused.
pub fn open(settings: Settings, identity: &TlsIdentity) -> Result<(Verifier, Keeper), OpenError> {
    let Settings {
        broker,
        broker_id,
        issuer,
        audience,
        leeway,
        max_silence,
    } = settings;
    check_limits(leeway, max_silence)?;
    let shared = Arc::new(Shared::new(Arc::new(SystemClock), max_silence));
    let link = Link::new(&broker, broker_id, identity)?;
    let keeper = Keeper::new(link, Arc::clone(&shared), max_silence);
    let expected = Arc::new(Expected {
        issuer,
        audience,
        leeway,
    });
    Ok((Verifier { shared, expected }, keeper))
}

fn check_limits(leeway: Duration, max_silence: Duration) -> Result<(), OpenError> {
    if leeway > MAX_LEEWAY {
        return Err(OpenError::Leeway { given: leeway });
    }
    if max_silence < MIN_MAX_SILENCE {
        return Err(OpenError::MaxSilence { given: max_silence });
    }
    Ok(())
}

impl Settings {
    /// The usual leeway (30 s) and silence (15 s).
    pub fn new(
        broker: impl Into<String>,
        broker_id: SpiffeId,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self {
            broker: broker.into(),
            broker_id,
            issuer: issuer.into(),
            audience: audience.into(),
            leeway: DEFAULT_LEEWAY,
            max_silence: DEFAULT_MAX_SILENCE,
        }
    }
}

impl Verifier {
    /// Checks a bearer token: signature, claims, and that its job goes on. Asks nobody, and waits for nothing.
    ///
    /// A token that is bound to a certificate is refused: see [`check_from`](Self::check_from).
    pub fn check(&self, token: &str) -> Result<Claims, Refused> {
        self.check_with(token, None)
    }

    /// The same for a token that came over mutual TLS, with the client's leaf certificate in DER. A bound token
    /// must be bound to it (RFC 8705, section 3); an unbound one is taken as it is.
    pub fn check_from(&self, token: &str, certificate: &[u8]) -> Result<Claims, Refused> {
        self.check_with(token, Some(certificate))
    }

    /// Whether tokens can be checked now: keys are known, and the broker was heard recently.
    pub fn is_ready(&self) -> bool {
        self.shared.keys().is_some() && self.shared.is_fresh()
    }

    /// Completes once tokens can be checked.
    pub async fn ready(&self) {
        let mut changes = self.shared.changes();
        while !self.is_ready() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn check_with(&self, token: &str, certificate: Option<&[u8]>) -> Result<Claims, Refused> {
        let keys = self.shared.keys().ok_or(Refused::NoKeys)?;
        let signed = Signed::verify(token, &keys).inspect_err(|refused| {
            if *refused == Refused::UnknownKey {
                self.shared.wants_keys.notify_one();
            }
        })?;
        let set = self.shared.set.read();
        // INVARIANT: never earlier than what ends were forgotten by, also when the clock steps back.
        let now = self.shared.clock.unix_millis().max(set.forgotten_until());
        let claims = signed.claims(&self.expected, now / 1000, certificate)?;
        match set.standing(claims.lease, self.shared.clock.since_boot()) {
            Standing::Good => Ok(claims),
            Standing::Revoked => Err(Refused::Revoked),
            Standing::Stale => Err(Refused::Stale),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeClock;
    use crate::keys::Keys;
    use crate::token::tests::{AUDIENCE, ISSUER, Issuer, JTI, NOW, claims, header};
    use crate::update::{Revocation, Revoked, Update};

    struct Server {
        clock: Arc<FakeClock>,
        verifier: Verifier,
        token: String,
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn server() -> Server {
        let clock = Arc::new(FakeClock::at(NOW));
        let shared = Arc::new(Shared::new(Arc::clone(&clock) as _, DEFAULT_MAX_SILENCE));
        let issuer = Issuer::new();
        let token = issuer.sign(&header(), &claims());
        let expected = Arc::new(Expected {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            leeway: DEFAULT_LEEWAY,
        });
        shared.learn(Keys::parse(&issuer.jwks()).unwrap(), HOUR);
        Server {
            clock,
            verifier: Verifier { shared, expected },
            token,
        }
    }

    fn everything() -> Update {
        Update::Snapshot {
            number: 0,
            revocations: vec![],
            more: false,
            epoch: vec![1],
        }
    }

    fn revoked(until_seconds: u64) -> Update {
        let (lease, _) = taskpass_proto::ids::LeaseId::parse_token_id(JTI).unwrap();
        let revocation = Revocation {
            revoked: Revoked::Job(lease.job()),
            until: until_seconds * 1000,
        };
        Update::Revoked {
            number: 1,
            revocation,
        }
    }

    #[test]
    fn takes_a_good_token_while_the_broker_is_heard_and_no_longer() {
        let Server {
            clock,
            verifier,
            token,
        } = server();
        assert_eq!(verifier.check(&token), Err(Refused::Stale));
        verifier.shared.hear(&everything());
        assert!(verifier.check(&token).is_ok());
        clock.pass(DEFAULT_MAX_SILENCE);
        assert!(verifier.check(&token).is_ok());
        clock.pass(Duration::from_millis(1));
        assert_eq!(verifier.check(&token), Err(Refused::Stale));
        verifier.shared.hear(&Update::Progress(0));
        assert!(verifier.check(&token).is_ok());
        verifier.shared.hear(&revoked(NOW + 600));
        assert_eq!(verifier.check(&token), Err(Refused::Revoked));
    }

    #[test]
    fn a_clock_that_steps_back_revives_nothing_that_was_forgotten() {
        let Server {
            clock,
            verifier,
            token,
        } = server();
        verifier.shared.hear(&everything());
        verifier.shared.hear(&revoked(NOW + 600));
        clock.pass(Duration::from_secs(601));
        verifier.shared.hear(&Update::Progress(1));
        assert!(verifier.shared.set.read().is_empty());
        clock.0.lock().1 = NOW * 1000;
        assert_eq!(verifier.check(&token), Err(Refused::Expired));
    }

    #[test]
    fn keys_that_are_too_old_are_not_used() {
        let Server {
            clock,
            verifier,
            token,
        } = server();
        clock.pass(HOUR);
        verifier.shared.hear(&everything());
        assert_eq!(verifier.check(&token), Err(Refused::NoKeys));
        assert!(!verifier.is_ready());
    }

    #[test]
    fn clocks_and_silence_are_forgiven_within_limits_only() {
        let limits = |leeway, silence| {
            check_limits(Duration::from_secs(leeway), Duration::from_secs(silence))
        };
        assert!(limits(120, 10).is_ok());
        assert!(matches!(limits(121, 10), Err(OpenError::Leeway { .. })));
        assert!(matches!(limits(0, 9), Err(OpenError::MaxSilence { .. })));
    }
}
