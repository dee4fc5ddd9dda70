//! Certificates themselves: made and read. Elliptic curve P-256: small, and read by all engines.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{AuthorityError, Issued};
use crate::model::{Secret, Timestamp};

/// An authority's certificate and key.
pub(super) struct Pair {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Until when it holds.
    pub until: Timestamp,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A new authority: certificate and key, as PEM, one after the other.
pub(super) fn authority(
    instance: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<Secret, AuthorityError> {
    let mut params = params((from, until))?;
    let name = &mut params.distinguished_name;
    name.push(DnType::OrganizationName, "DB4Sci");
    name.push(DnType::CommonName, format!("DB4Sci authority {instance}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = key()?;
    let certificate = params.self_signed(&key).map_err(not_made)?;
    Ok(Secret::new(format!(
        "{}{}",
        certificate.pem(),
        key.serialize_pem()
    )))
}

impl Pair {
    /// Reads an authority's file. The error says what is wrong with it, without its text.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let certificates = ders(text);
        let [der] = certificates.as_slice() else {
            return Err("it does not hold one certificate".to_owned());
        };
        // The library reads the first block of a text, whatever it is.
        let behind = text.find("-----BEGIN PRIVATE KEY-----").unwrap_or(0);
        let key = KeyPair::from_pem(&text[behind..]);
        let key = key.map_err(|_| "it does not hold a private key")?;
        let (_, parsed) = x509_parser::parse_x509_certificate(der)
            .map_err(|_| "its certificate cannot be read")?;
        if !parsed.is_ca() || *parsed.public_key().subject_public_key.data != *key.public_key_raw()
        {
            return Err("its key is not that of its certificate".to_owned());
        }
        let until = instant(parsed.validity().not_after.timestamp())?;
        let issuer = Issuer::from_ca_cert_der(der, key)
            .map_err(|_| "its certificate cannot be an authority's")?;
        let end = "-----END CERTIFICATE-----";
        let end = text.find(end).map_or(0, |at| at + end.len());
        Ok(Pair {
            certificate: format!("{}\n", text[..end].trim()),
            until,
            der: der.clone(),
            issuer,
        })
    }

    /// A new certificate for a server.
    pub(super) fn issue(
        &self,
        name: &str,
        names: &BTreeSet<String>,
        span: (Timestamp, Timestamp),
    ) -> Result<Issued, AuthorityError> {
        let mut params = params(span)?;
        params.distinguished_name.push(DnType::CommonName, name);
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(not_made)?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(not_made)?;
        Ok(Issued {
            chain: certificate.pem(),
            key: Secret::new(key.serialize_pem()),
        })
    }

    /// Whether the first certificate of a text is one of this authority's.
    pub(super) fn has_issued(&self, text: &str) -> bool {
        let ders = ders(text);
        let (Some(theirs), Ok((_, ours))) =
            (ders.first(), x509_parser::parse_x509_certificate(&self.der))
        else {
            return false;
        };
        let theirs = x509_parser::parse_x509_certificate(theirs);
        theirs.is_ok_and(|(_, c)| c.verify_signature(Some(ours.public_key())).is_ok())
    }
}

/// What stands in a server's certificate.
pub(super) struct Read {
    pub mark: String,
    pub from: Timestamp,
    pub until: Timestamp,
    pub names: BTreeSet<String>,
}

/// The first certificate of a text.
pub(super) fn read(text: &str) -> Option<Read> {
    let ders = ders(text);
    let der = ders.first()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let validity = parsed.validity();
    let digest: [u8; 32] = Sha256::digest(der).into();
    Some(Read {
        mark: digest[..8].iter().map(|b| format!("{b:02x}")).collect(),
        from: instant(validity.not_before.timestamp()).ok()?,
        until: instant(validity.not_after.timestamp()).ok()?,
        names: names(&parsed),
    })
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let all = extension.iter().flat_map(|e| &e.value.general_names);
    all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|ip| ip.to_string()),
        _ => None,
    })
    .collect()
}

/// The block of the certificate that a text begins with. No key stands in it.
pub(super) fn first(text: &str) -> Option<&str> {
    const END: &str = "-----END CERTIFICATE-----\n";
    let begins = text.starts_with("-----BEGIN CERTIFICATE-----\n");
    let end = text.find(END).filter(|_| begins)?;
    Some(&text[..end + END.len()])
}

/// Whether two texts hold the same certificates in the same order.
pub(super) fn same_chain(one: &str, other: &str) -> bool {
    ders(one) == ders(other)
}

/// All certificates of a text.
pub(super) fn ders(text: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .filter_map(Result::ok)
        .collect()
}

/// Whether a private key, as PEM, is that of the first certificate of a chain.
pub(super) fn belongs(key: &str, chain: &str) -> Result<bool, String> {
    let key = KeyPair::from_pem(key).map_err(|_| {
        "it holds no private key as PKCS#8; convert it: openssl pkcs8 -topk8 -nocrypt".to_owned()
    })?;
    let ders = ders(chain);
    let parsed = ders
        .first()
        .and_then(|der| x509_parser::parse_x509_certificate(der).ok());
    let (_, leaf) = parsed.ok_or("the certificate cannot be read")?;
    Ok(*leaf.public_key().subject_public_key.data == *key.public_key_raw())
}

fn key() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(not_made)
}

fn params((from, until): (Timestamp, Timestamp)) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    // The library's own type of an instant comes with no name that could be used here.
    let at = |instant: Timestamp| {
        let seconds = u64::try_from(instant.timestamp()).map_err(not_made)?;
        Ok(rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds))
    };
    params.not_before = at(from)?;
    params.not_after = at(until)?;
    Ok(params)
}

fn instant(seconds: i64) -> Result<Timestamp, String> {
    Timestamp::from_timestamp(seconds, 0).ok_or_else(|| "it has no possible date".to_owned())
}

fn not_made(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::NotMade(error.to_string())
}
