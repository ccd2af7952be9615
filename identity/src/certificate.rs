//! What the rules for X.509-SVIDs look at in one certificate, read strictly and with bounded work.

use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::{
    BasicConstraints, ExtendedKeyUsage, GeneralName, KeyUsage, SubjectAlternativeName,
    X509Extension,
};
use x509_parser::nom::Parser;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519, OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE,
    OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Version};

use crate::svid_error::SvidError;
use crate::validity::Validity;

/// Real certificates have about ten; the search for duplicates is quadratic.
const MAX_EXTENSIONS: usize = 64;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The DER of a 4096-bit RSA key is 526 bytes with the usual exponent.
const MAX_RSA_KEY_BYTES: usize = 560;

/// One certificate, without any judgement on its role.
pub(crate) struct Certificate<'a> {
    /// When it is valid by its own word.
    pub(crate) validity: Validity,
    /// The subject's name in DER.
    pub(crate) subject: &'a [u8],
    /// Whether the subject has no attribute at all.
    pub(crate) subject_is_empty: bool,
    /// The basic constraints, where stated.
    pub(crate) basic_constraints: Option<BasicConstraints>,
    /// The key usage and whether it is critical, where stated.
    pub(crate) key_usage: Option<Critical<KeyUsage>>,
    /// The extended key usage, where stated.
    pub(crate) purposes: Option<ExtendedKeyUsage<'a>>,
    /// The URIs among the alternative names, in their order, and whether the names are critical.
    pub(crate) uris: Critical<Vec<&'a str>>,
    /// Whether it constrains names.
    pub(crate) constrains_names: bool,
}

/// The value of an extension, with its criticality.
pub(crate) struct Critical<T> {
    pub(crate) value: T,
    pub(crate) is_critical: bool,
}

impl<'a> Certificate<'a> {
    /// Reads the DER of a certificate.
    ///
    /// Refuses, for every role: bytes after its end, versions before 3, extensions that stand
    /// twice or are malformed, unknown critical extensions, and keys that are not allowed.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, SvidError> {
        let parsed = parse(der)?;
        if parsed.version() != X509Version::V3 {
            return Err(SvidError::Malformed);
        }
        check_key(parsed.public_key())?;
        let mut certificate = Self {
            validity: parsed.validity().into(),
            subject: parsed.tbs_certificate.subject.as_raw(),
            subject_is_empty: parsed.subject().iter().next().is_none(),
            basic_constraints: None,
            key_usage: None,
            purposes: None,
            uris: Critical {
                value: Vec::new(),
                is_critical: false,
            },
            constrains_names: false,
        };
        check_duplicates(parsed.extensions())?;
        for extension in parsed.extensions() {
            certificate.read_extension(extension)?;
        }
        Ok(certificate)
    }

    fn read_extension(&mut self, extension: &X509Extension<'a>) -> Result<(), SvidError> {
        let oid = &extension.oid;
        if *oid == OID_X509_EXT_BASIC_CONSTRAINTS {
            self.basic_constraints = Some(whole(extension.value)?);
        } else if *oid == OID_X509_EXT_KEY_USAGE {
            self.key_usage = Some(Critical {
                value: whole(extension.value)?,
                is_critical: extension.critical,
            });
        } else if *oid == OID_X509_EXT_EXTENDED_KEY_USAGE {
            self.purposes = Some(whole(extension.value)?);
        } else if *oid == OID_X509_EXT_SUBJECT_ALT_NAME {
            self.uris = Critical {
                value: uris(&whole::<SubjectAlternativeName<'a>>(extension.value)?)?,
                is_critical: extension.critical,
            };
        } else if *oid == OID_X509_EXT_NAME_CONSTRAINTS {
            self.constrains_names = true;
        } else if extension.critical {
            return Err(SvidError::UnknownCriticalExtension(oid.to_id_string()));
        }
        Ok(())
    }
}

/// Reads the outer structure; extension values stay bytes until they are asked for.
fn parse(der: &[u8]) -> Result<X509Certificate<'_>, SvidError> {
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    match parser.parse(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(SvidError::Malformed),
    }
}

/// Reads an extension's value, which has to end where the extension ends.
fn whole<'a, T: FromDer<'a, x509_parser::error::X509Error>>(
    value: &'a [u8],
) -> Result<T, SvidError> {
    match T::from_der(value) {
        Ok(([], value)) => Ok(value),
        Ok(_) | Err(_) => Err(SvidError::Malformed),
    }
}

fn uris<'a>(names: &SubjectAlternativeName<'a>) -> Result<Vec<&'a str>, SvidError> {
    const URI_TAG: u32 = 6;
    let mut uris = Vec::new();
    for name in &names.general_names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(tag, _) if tag.0 == URI_TAG => return Err(SvidError::Malformed),
            _ => {}
        }
    }
    Ok(uris)
}

fn check_duplicates(extensions: &[X509Extension<'_>]) -> Result<(), SvidError> {
    if extensions.len() > MAX_EXTENSIONS {
        return Err(SvidError::Malformed);
    }
    let stands_before = |(index, extension): (usize, &X509Extension<'_>)| {
        let before = extensions.iter().take(index);
        before.map(|e| &e.oid).any(|oid| *oid == extension.oid)
    };
    if extensions.iter().enumerate().any(stands_before) {
        return Err(SvidError::DuplicateExtension);
    }
    Ok(())
}

/// Refuses keys that TLS here cannot use, and those that would make a signature check costly.
fn check_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), SvidError> {
    let algorithm = &key.algorithm.algorithm;
    let allowed = if *algorithm == OID_PKCS1_RSAENCRYPTION {
        rsa_bits(&key.subject_public_key.data).is_some_and(|bits| RSA_BITS.contains(&bits))
    } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let parameters = key.algorithm.parameters.as_ref();
        let curve: Option<Oid<'_>> = parameters.and_then(|any| any.as_oid().ok());
        curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
    } else {
        *algorithm == OID_SIG_ED25519
    };
    allowed.then_some(()).ok_or(SvidError::KeyNotAllowed)
}

/// The length of an RSA key's modulus.
fn rsa_bits(der: &[u8]) -> Option<usize> {
    if der.len() > MAX_RSA_KEY_BYTES {
        return None;
    }
    let key: RSAPublicKey<'_> = whole(der).ok()?;
    let first = key.modulus.iter().position(|byte| *byte != 0)?;
    let digits = key.modulus.get(first..)?;
    let leading_zeros = usize::try_from(digits.first()?.leading_zeros()).ok()?;
    Some(digits.len() * 8 - leading_zeros)
}
