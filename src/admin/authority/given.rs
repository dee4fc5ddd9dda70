//! Certificates that the settings name: an institute's own, or a public authority's. The files are
//! read whenever they are needed, so that what a renewal writes there is found.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::files::read_given;
use super::{AuthorityError, Issued, x509};
use crate::model::{Secret, Timestamp};

/// The files, and the host name that the certificate must stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenFiles {
    /// The servers' certificate, with those between it and the authority's.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority's certificate, which clients verify with.
    pub authority: PathBuf,
    /// The host name that users connect to.
    pub host: String,
}

impl GivenFiles {
    /// The authority's certificate.
    pub(super) fn authority(&self) -> Result<String, AuthorityError> {
        let text = read_given(&self.authority)?;
        if x509::ders(&text).is_empty() {
            let why = "it holds no certificate in PEM";
            return Err(AuthorityError::unfit(&self.authority, why));
        }
        Ok(text)
    }

    /// The servers' certificate.
    pub(super) fn chain(&self) -> Result<String, AuthorityError> {
        let text = read_given(&self.certificate)?;
        let unfit = |why: &str| Err(AuthorityError::unfit(&self.certificate, why));
        if x509::ders(&text).is_empty() {
            return unfit("it holds no certificate in PEM");
        }
        if text.contains("PRIVATE KEY") {
            return unfit("it holds a private key, too; name a file with the certificate alone");
        }
        Ok(text)
    }

    pub(super) fn until(&self) -> Result<Timestamp, AuthorityError> {
        let read = x509::read(&self.chain()?);
        let read = read.ok_or_else(|| {
            AuthorityError::unfit(&self.certificate, "its certificate cannot be read")
        })?;
        Ok(read.until)
    }

    /// Certificate and key, once they are known to fit each other, the authority, the host and the
    /// day.
    pub(super) fn read(&self, now: Timestamp) -> Result<Issued, AuthorityError> {
        let chain = self.chain()?;
        let key = read_given(&self.key)?;
        match x509::belongs(&key, &chain) {
            Ok(true) => {}
            Ok(false) => {
                let certificate = self.certificate.display();
                let why = format!("it is not the key of the certificate in {certificate}");
                return Err(AuthorityError::unfit(&self.key, why));
            }
            Err(why) => return Err(AuthorityError::unfit(&self.key, why)),
        }
        self.verify(&chain, now)?;
        Ok(Issued {
            chain,
            key: Secret::new(key),
        })
    }

    /// As a client would.
    fn verify(&self, chain: &str, now: Timestamp) -> Result<(), AuthorityError> {
        let unfit = |why: String| AuthorityError::unfit(&self.certificate, why);
        let authority = self.authority.display();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(x509::ders(&self.authority()?));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| AuthorityError::unfit(&self.authority, e.to_string()))?;
        let host = ServerName::try_from(self.host.clone())
            .map_err(|_| unfit(format!("container_host `{}` is no host name", self.host)))?;
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let day = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let ders = x509::ders(chain);
        let Some((leaf, between)) = ders.split_first() else {
            return Err(unfit("it holds no certificate in PEM".to_owned()));
        };
        let verified = verifier.verify_server_cert(leaf, between, &host, &[], day);
        let Err(error) = verified else { return Ok(()) };
        let why = match error {
            rustls::Error::InvalidCertificate(e) => match e {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "its time is over; put a new one there".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "it is not valid yet; look at this host's clock".to_owned()
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => format!(
                    "it does not stand for container_host `{}`; put one there that does",
                    self.host
                ),
                // The latter from one of the same name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                    "it does not lead to the authority in {authority}; add the certificates \
                     between them to it, or name the right `ca`"
                ),
                other => format!("it is not a server's that clients would accept: {other:?}"),
            },
            other => other.to_string(),
        };
        Err(unfit(why))
    }
}
