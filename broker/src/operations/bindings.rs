//! Whether a token may be bound to the certificate that was asked for.
//!
//! A client binds to its own certificate only, the one that it called with (RFC 8705, section 3): then nobody
//! binds a token to a key that the holder does not have, and an agent's key never stands in a job's token.

use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::gate::Caller;
use crate::domain::binding::{Bindings, Thumbprint};

/// Refuses bindings to any certificate but the caller's.
pub(super) fn refuse_foreign_bindings(caller: &Caller, bindings: &Bindings) -> Result<(), Refusal> {
    bindings
        .iter()
        .try_for_each(|(_, to)| refuse_foreign(caller, to))
}

/// What the next generation of a lease is bound to. What was bound stays bound.
pub(super) fn binding_of_renewal(
    caller: &Caller,
    before: Option<Thumbprint>,
    asked: Option<Thumbprint>,
) -> Result<Option<Thumbprint>, Refusal> {
    match (before, asked) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(mismatch(
            "the lease is not bound, and a renewal does not change that; ask for a bound credential instead",
        )),
        (Some(_), Some(to)) => refuse_foreign(caller, to).map(|()| Some(to)),
        (Some(before), None) if before == caller.certificate => Ok(Some(before)),
        // The SVID was rotated. The old key may be gone already, so nothing is guessed here.
        (Some(_), None) => Err(mismatch(
            "the lease is bound to another certificate than this connection's; to bind the next generation to \
             this one, renew with its thumbprint as `x5t_s256`",
        )),
    }
}

fn refuse_foreign(caller: &Caller, to: Thumbprint) -> Result<(), Refusal> {
    if to == caller.certificate {
        return Ok(());
    }
    Err(mismatch(
        "`x5t_s256` is not the SHA-256 of the certificate that this connection was made with; a client binds \
         tokens to its own certificate only",
    ))
}

fn mismatch(message: &str) -> Refusal {
    Refusal::new(Reason::BindingMismatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Thumbprint = Thumbprint::new([1; 32]);
    const OLD: Thumbprint = Thumbprint::new([2; 32]);

    #[test]
    fn a_lease_is_bound_to_the_callers_certificate_or_to_none_and_stays_so() {
        let caller = Caller {
            subject: "spiffe://acme.example/ci/docs".parse().unwrap(),
            certificate: OWN,
        };
        let table = [
            (None, None, Some(None)),
            (None, Some(OWN), None),
            (Some(OWN), None, Some(Some(OWN))),
            (Some(OWN), Some(OWN), Some(Some(OWN))),
            (Some(OLD), None, None),
            (Some(OLD), Some(OWN), Some(Some(OWN))),
            (Some(OLD), Some(OLD), None),
            (Some(OWN), Some(OLD), None),
        ];
        for (before, asked, expected) in table {
            let bound = binding_of_renewal(&caller, before, asked);
            let reason = bound.as_ref().err().map(|refusal| refusal.reason);
            assert_eq!(bound.ok(), expected, "{before:?} {asked:?}");
            assert!(reason.is_none_or(|reason| reason == Reason::BindingMismatch));
        }
    }
}
