//! Where servers' certificates come from: an authority of this instance, or the settings.
//!
//! The instance's authority is one file, `keys/ca.key`, with its certificate and its private key. A
//! certificate of a server is no secret that must be remembered: it can be issued anew at any time.
//!
//! It is not decided here when that is done (`model::certificate`).

mod files;
mod given;
mod x509;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

pub use files::{KEY_FILE, PUBLIC_FILE, TRUSTED_FILE, trust, write_public};
pub use given::GivenFiles;

use self::x509::Pair;
use crate::model::{CertificateSeen, Class, Origin, Secret, Timestamp};

/// For how long a server's certificate holds.
const LIFE: TimeDelta = TimeDelta::days(365);
/// For how long the authority's own does.
const AUTHORITY_LIFE: TimeDelta = TimeDelta::days(3650);
/// How many certificates are remembered.
const KNOWN: usize = 1000;
/// A certificate holds from a little earlier on: clients' clocks differ.
const EARLIER: TimeDelta = TimeDelta::hours(1);

/// Why there is no certificate. No message holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("{path}: {message}")]
    Io {
        /// The path.
        path: String,
        /// The system's words.
        message: String,
    },
    /// A file does not hold what it should.
    #[error("{path}: {message}")]
    Unfit {
        /// The path.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The authority's time is over.
    #[error(
        "the instance's authority ended {until}, and what it issues would be refused; move \
         {path} away and start the daemon: a new one is made, which all clients must be given"
    )]
    Ended {
        /// The path.
        path: String,
        /// When.
        until: String,
    },
    /// There is none here.
    #[error("this instance has no authority yet; it is made at the daemon's start")]
    None,
    /// The system gives no random numbers, or the library refuses.
    #[error("no certificate can be made: {0}")]
    NotMade(String),
}

impl AuthorityError {
    fn io(path: &Path, error: &std::io::Error) -> Self {
        AuthorityError::Io {
            path: path.display().to_string(),
            message: error.to_string(),
        }
    }

    fn unfit(path: &Path, message: impl Into<String>) -> Self {
        AuthorityError::Unfit {
            path: path.display().to_string(),
            message: message.into(),
        }
    }

    /// What it asks for: files that a person puts right are read by the next attempt.
    pub fn class(&self) -> Class {
        match self {
            AuthorityError::Io { .. }
            | AuthorityError::Unfit { .. }
            | AuthorityError::Ended { .. }
            | AuthorityError::None
            | AuthorityError::NotMade(_) => Class::Transient,
        }
    }
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, and those of its issuers that clients may lack, as PEM.
    pub chain: String,
    /// Its key, as PEM.
    pub key: Secret,
}

/// Where servers' certificates come from.
pub struct Authority {
    source: Source,
    /// Certificates that were found to be its own, each as it stands at the beginning of its text: they are
    /// looked at again and again, and a signature takes a while to verify.
    known: Mutex<BTreeMap<String, CertificateSeen>>,
}

enum Source {
    /// This instance's own.
    Own {
        pair: Box<Pair>,
        /// Its file, for messages.
        path: PathBuf,
    },
    /// Files that the settings name.
    Given(GivenFiles),
    /// It was not read: what lies among a server's files is taken for good.
    Unread,
}

impl Authority {
    /// The authority of an instance, whose keys lie in `keys`; made if there is none. Whether it
    /// was made is told.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else; then nothing is made.
    pub fn open(
        keys: &Path,
        instance: &str,
        now: Timestamp,
    ) -> Result<(Self, bool), AuthorityError> {
        let path = keys.join(KEY_FILE);
        let (text, made) = match files::read(&path)? {
            Some(text) => (text, false),
            None => {
                let text = x509::authority(instance, now - EARLIER, now + AUTHORITY_LIFE)?;
                files::write_key(&path, text.expose())?;
                (text, true)
            }
        };
        let pair = Pair::read(text.expose()).map_err(|why| {
            let why = format!("{why}; put its copy back, or move it away and start the daemon");
            AuthorityError::unfit(&path, why)
        })?;
        let pair = Box::new(pair);
        let source = Source::Own { pair, path };
        Ok((Authority::of(source), made))
    }

    /// The certificates that the settings name. `host` is the name that users connect to.
    ///
    /// # Errors
    /// When a file cannot be read, or they do not fit each other, the host or the day.
    pub fn given(files: GivenFiles, now: Timestamp) -> Result<Self, AuthorityError> {
        files.read(now)?;
        Ok(Authority::of(Source::Given(files)))
    }

    /// An authority in memory alone: for simulations.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn of_simulation(now: Timestamp) -> Result<Self, AuthorityError> {
        let text = x509::authority("simulation", now - EARLIER, now + AUTHORITY_LIFE)?;
        let pair = Pair::read(text.expose()).map_err(AuthorityError::NotMade)?;
        Ok(Authority::of(Source::Own {
            pair: Box::new(pair),
            path: PathBuf::from("memory"),
        }))
    }

    /// An authority for somebody who only looks: every certificate is taken for good.
    pub fn unread() -> Self {
        Authority::of(Source::Unread)
    }

    fn of(source: Source) -> Self {
        Authority {
            source,
            known: Mutex::default(),
        }
    }

    /// The authority's certificate, as PEM: what clients verify servers with.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn certificate(&self) -> Result<String, AuthorityError> {
        match &self.source {
            Source::Own { pair, .. } => Ok(pair.certificate.clone()),
            Source::Given(files) => files.authority(),
            Source::Unread => Err(AuthorityError::None),
        }
    }

    /// Until when the authority's certificate, or the given one of servers, holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn until(&self) -> Result<Timestamp, AuthorityError> {
        match &self.source {
            Source::Own { pair, .. } => Ok(pair.until),
            Source::Given(files) => files.until(),
            Source::Unread => Err(AuthorityError::None),
        }
    }

    /// Whether certificates stand for the names of a container's inside, too, and for loopback.
    pub fn knows_inside(&self) -> bool {
        match &self.source {
            Source::Own { .. } | Source::Unread => true,
            Source::Given(_) => false,
        }
    }

    /// A certificate for a server: a new one of our own, or the given one.
    ///
    /// # Errors
    /// See [`AuthorityError`].
    pub fn issue(
        &self,
        name: &str,
        names: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        match &self.source {
            Source::Own { pair, path } => {
                // Nothing holds longer than its issuer.
                let until = (now + LIFE).min(pair.until);
                if until <= now {
                    return Err(AuthorityError::Ended {
                        path: path.display().to_string(),
                        until: pair.until.format("%F %T UTC").to_string(),
                    });
                }
                pair.issue(name, names, (now - EARLIER, until))
            }
            Source::Given(files) => files.read(now),
            Source::Unread => Err(AuthorityError::None),
        }
    }

    /// What is known of the certificate in a file; `None`: there is none in it.
    pub fn look(&self, text: &str) -> Option<CertificateSeen> {
        if !matches!(self.source, Source::Own { .. }) {
            return self.examine(text);
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Each one ends where its block does, so that none begins with another: if there is one that the
        // text begins with, it is the last one before it.
        let before = (Bound::Unbounded, Bound::Included(text));
        if let Some((first, seen)) = known().range::<str, _>(before).next_back()
            && text.starts_with(first)
        {
            return Some(seen.clone());
        }
        let first = x509::first(text);
        let Some((first, seen)) = first.and_then(|first| Some((first, self.examine(first)?)))
        else {
            return self.examine(text);
        };
        if seen.origin == Origin::Issued {
            let mut known = known();
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert(first.to_owned(), seen.clone());
        }
        Some(seen)
    }

    fn examine(&self, text: &str) -> Option<CertificateSeen> {
        let seen = x509::read(text)?;
        let origin = match &self.source {
            Source::Own { pair, .. } if pair.has_issued(text) => Origin::Issued,
            Source::Own { .. } => Origin::Elsewhere,
            Source::Given(files) => match files.chain() {
                Ok(chain) if x509::same_chain(&chain, text) => Origin::Given,
                Ok(_) => Origin::Elsewhere,
                // What cannot be read is no reason to replace what works.
                Err(_) => Origin::Given,
            },
            Source::Unread => Origin::Given,
        };
        Some(CertificateSeen {
            mark: seen.mark,
            from: seen.from,
            until: seen.until,
            names: seen.names,
            origin,
        })
    }
}

#[cfg(test)]
mod tests;
