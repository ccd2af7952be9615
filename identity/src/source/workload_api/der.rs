//! Certificates in DER that lie one after the other.

use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::{FromDer, Sequence};

/// Not certificates one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotDer;

/// Splits certificates apart; what they hold is not looked at. Nothing gives nothing.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, NotDer> {
    let mut certificates = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (behind, _) = Sequence::from_der(rest).map_err(|_| NotDer)?;
        let length = rest.len() - behind.len();
        let certificate = rest.get(..length).ok_or(NotDer)?;
        certificates.push(CertificateDer::from(certificate.to_vec()));
        rest = behind;
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_sequences_apart() {
        type Case<'a> = (&'a [u8], Option<&'a [&'a [u8]]>);
        let table: [Case<'_>; 7] = [
            (&[], Some(&[])),
            (&[0x30, 0], Some(&[&[0x30, 0]])),
            (&[0x30, 1, 5, 0x30, 0], Some(&[&[0x30, 1, 5], &[0x30, 0]])),
            // Cut short, another tag, bytes behind the end, a length without an end.
            (&[0x30, 2, 5], None),
            (&[0x04, 0], None),
            (&[0x30, 0, 0], None),
            (&[0x30, 0x80, 0, 0], None),
        ];
        for (bytes, expected) in table {
            let found = split(bytes).ok();
            let found = found.map(|all| all.iter().map(|der| der.to_vec()).collect::<Vec<_>>());
            let expected = expected.map(|all| all.iter().map(|der| der.to_vec()).collect());
            assert_eq!(found, expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_loses_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(certificates) = split(&bytes) {
                let again: Vec<u8> = certificates.iter().flat_map(|der| der.to_vec()).collect();
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
