//! The vault: secrets of databases, sealed in the ledger and opened with keys that lie outside it.
//!
//! A sealed value names its key, so that old ones stay readable after a new key was made. What is
//! sealed is in the journal and in the `container` table; the keys are in `state_dir/keys` only.
//! Neither alone opens anything.
//!
//! It is not decided here when a secret is made or changed.

mod keys;
mod seal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub use keys::Keyring;
pub use seal::Proof;

use crate::admin::book::{Book, NewEntry, Row};
use crate::admin::journal::Sealer;
use crate::model::account::ACCOUNT_SECRET;
use crate::model::{
    Change, Class, Database, DbName, KeptSecret, KeyId, Outcome, Sealed, Secret, SecretKind,
    SecretText, Uid, Who,
};

/// Length of a password that is made: 190 bits.
const PASSWORD: usize = 32;

/// Why a secret could not be had. No message holds one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Nobody has sealed it yet.
    #[error("{name} has no secret `{file}` yet; it is made before its first start")]
    NotSealed {
        /// The database.
        name: DbName,
        /// The secret.
        file: String,
    },
    /// Its key is gone.
    #[error(
        "the key {key} is not in {folder}: the secrets of {names} are sealed under it and cannot be \
         opened; nothing was started. Put seal-{key}.key back there from its safe copy; without one, see \
         docs/runbooks/lost-key.md"
    )]
    KeyLost {
        /// The key.
        key: KeyId,
        /// Where it was looked for.
        folder: String,
        /// The databases that need it.
        names: String,
    },
    /// The key is there and does not open it.
    #[error("the sealed secret `{file}` of {name} is damaged: key {key} does not open it")]
    Damaged {
        /// The database.
        name: DbName,
        /// The secret.
        file: String,
        /// Its key.
        key: KeyId,
    },
    /// A key's file does not hold the key that its name says.
    #[error(
        "{0} does not hold the key that its name says; put the right file there, or move this one \
         away"
    )]
    KeyFile(PathBuf),
    /// The keys' folder.
    #[error("{path}: {message}")]
    Io {
        /// The path.
        path: String,
        /// The system's words.
        message: String,
    },
    /// No key was made yet, or the system gives no random numbers.
    #[error("no secret can be made: {0}")]
    NoRandom(String),
}

impl VaultError {
    fn io(path: &Path, error: &std::io::Error) -> Self {
        VaultError::Io {
            path: path.display().to_string(),
            message: error.to_string(),
        }
    }

    /// What it asks for: a key that a person puts back is found by the next attempt.
    pub fn class(&self) -> Class {
        match self {
            VaultError::NotSealed { .. }
            | VaultError::KeyLost { .. }
            | VaultError::Io { .. }
            | VaultError::NoRandom(_) => Class::Transient,
            VaultError::Damaged { .. } | VaultError::KeyFile(_) => Class::Permanent,
        }
    }
}

/// Opens what the ledger holds sealed.
pub struct Vault {
    ring: Arc<RwLock<Keyring>>,
    /// Where keys are; `None` in simulations.
    folder: Option<PathBuf>,
    book: Box<dyn Fn() -> Arc<Book> + Send + Sync>,
}

impl Vault {
    /// The vault of an instance. The first key is made when nothing was ever sealed.
    ///
    /// # Errors
    /// [`VaultError::KeyLost`] when a key is missing that something is sealed under; then nothing
    /// was made.
    pub fn open(
        folder: &Path,
        book: impl Fn() -> Arc<Book> + Send + Sync + 'static,
    ) -> Result<Self, VaultError> {
        let mut ring = Keyring::read(folder)?;
        ring.opens(folder, &book())?;
        if ring.current().is_none() {
            ring.add(folder)?;
        }
        Ok(Vault {
            ring: Arc::new(RwLock::new(ring)),
            folder: Some(folder.to_owned()),
            book: Box::new(book),
        })
    }

    /// A vault that only opens, with what keys there are.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn read_only(
        folder: &Path,
        book: impl Fn() -> Arc<Book> + Send + Sync + 'static,
    ) -> Result<Self, VaultError> {
        Ok(Vault {
            ring: Arc::new(RwLock::new(Keyring::read(folder)?)),
            folder: Some(folder.to_owned()),
            book: Box::new(book),
        })
    }

    /// A vault whose keys lie in no folder: for simulations.
    pub fn with(ring: Keyring, book: impl Fn() -> Arc<Book> + Send + Sync + 'static) -> Self {
        Vault {
            ring: Arc::new(RwLock::new(ring)),
            folder: None,
            book: Box::new(book),
        }
    }

    /// What seals the ledger's records: always with the newest key.
    pub fn sealer(&self) -> Sealer {
        let ring = self.ring.clone();
        Arc::new(move |bytes| {
            let ring = ring.read().unwrap_or_else(PoisonError::into_inner);
            ring.prove(bytes)
        })
    }

    /// The keys that are here now.
    pub fn ring(&self) -> Keyring {
        let ring = self.ring.read();
        ring.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A secret of a database that is in force.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn secret(&self, db: &Database, file: &str) -> Result<Secret, VaultError> {
        let row = self.row(db);
        let kept = kept(row.as_deref(), db, file)?;
        self.unseal(&db.name, db.uid, file, &kept.sealed)
    }

    /// The one that is about to take its place, if there is one.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn next(&self, db: &Database, file: &str) -> Result<Option<Secret>, VaultError> {
        let row = self.row(db);
        let next = kept(row.as_deref(), db, file)?.next.as_ref();
        next.map(|sealed| self.unseal(&db.name, db.uid, file, sealed))
            .transpose()
    }

    /// All secrets in force of a database, as its container's files have them.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn files(&self, db: &Database) -> Result<Vec<SecretText>, VaultError> {
        let row = self.row(db);
        let all = row.iter().flat_map(|row| &row.secrets);
        all.map(|(name, kept)| {
            Ok(SecretText {
                name: name.clone(),
                text: self.unseal(&db.name, db.uid, name, &kept.sealed)?,
            })
        })
        .collect()
    }

    /// The further accounts of a database whose passwords it holds.
    pub fn accounts(&self, db: &Database) -> Vec<String> {
        let row = self.row(db);
        let all = row.iter().flat_map(|row| row.secrets.keys());
        all.filter_map(|file| Some(file.strip_prefix(ACCOUNT_SECRET)?.to_owned()))
            .collect()
    }

    /// Seals a text for a database under the current key.
    ///
    /// # Errors
    /// Without a key or random numbers.
    pub fn seal(&self, uid: Uid, file: &str, text: &Secret) -> Result<Sealed, VaultError> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let (id, key) = ring
            .sealing()
            .ok_or_else(|| VaultError::NoRandom("there is no sealing key".to_owned()))?;
        Ok(Sealed {
            key: id.clone(),
            data: seal::seal(key, &seal::purpose(uid, file), text)?,
        })
    }

    /// Makes a new key, and gives the entries that seal everything under it. What a lost key sealed
    /// is taken from `file`.
    ///
    /// # Errors
    /// When something can neither be opened nor taken from its file; then no key was made.
    pub fn renew(
        &self,
        who: &Who,
        file: impl Fn(&Database, &str) -> Option<Secret>,
    ) -> Result<(KeyId, Vec<NewEntry>), VaultError> {
        let book = (self.book)();
        let mut opened = Vec::new();
        for (name, row) in book.rows().filter(|(_, row)| row.has_secrets()) {
            let db = &row.database;
            let (mut now, mut next) = (Vec::new(), Vec::new());
            for (of, kept) in &row.secrets {
                let open = |sealed| self.unseal(name, db.uid, of, sealed);
                let text = match (open(&kept.sealed), file(db, of)) {
                    (Ok(text), _) | (Err(VaultError::KeyLost { .. }), Some(text)) => text,
                    (Err(error), _) => return Err(error),
                };
                if let Some(offered) = &kept.next {
                    // One that is lost is replaced by the one that is known: the server is given
                    // that again.
                    let offered = open(offered).unwrap_or_else(|_| text.clone());
                    next.push((of.clone(), offered));
                }
                now.push((of.clone(), text));
            }
            if !now.is_empty() {
                opened.push((name.clone(), db.uid, now, next));
            }
        }
        let key = {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            match &self.folder {
                Some(folder) => ring.add(folder)?,
                None => return Err(VaultError::NoRandom("keys lie in no folder".to_owned())),
            }
        };
        let mut entries = Vec::new();
        for (name, uid, now, next) in opened {
            let seal = |texts: Vec<(String, Secret)>| -> Result<BTreeMap<_, _>, VaultError> {
                let sealed = texts.into_iter().map(|(of, text)| {
                    let sealed = self.seal(uid, &of, &text)?;
                    Ok((of, sealed))
                });
                sealed.collect()
            };
            let entry = |change, message: String| NewEntry {
                who: who.clone(),
                name: Some(name.clone()),
                outcome: Outcome::Done,
                message,
                change,
            };
            let offered = seal(next)?;
            let secrets = seal(now)?;
            let message = format!("its secrets are sealed under key {key}");
            entries.push(entry(Change::Sealed { uid, secrets }, message));
            if !offered.is_empty() {
                let message = format!("its offered secrets are sealed under key {key}");
                let secrets = offered;
                entries.push(entry(Change::SecretsOffered { uid, secrets }, message));
            }
        }
        Ok((key, entries))
    }

    /// Every key that is there or needed: its id, whether its file is there, and how many secrets
    /// it opens; oldest first.
    pub fn keys(&self) -> Vec<(KeyId, bool, usize)> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: BTreeMap<KeyId, (bool, usize)> =
            ring.ids().map(|id| (id.clone(), (true, 0))).collect();
        for (_, row) in (self.book)().rows() {
            for kept in row.secrets.values() {
                for sealed in std::iter::once(&kept.sealed).chain(&kept.next) {
                    all.entry(sealed.key.clone()).or_insert((false, 0)).1 += 1;
                }
            }
        }
        let each = all.into_iter();
        each.map(|(id, (there, opens))| (id, there, opens))
            .collect()
    }

    /// What the ledger has of a database: of this one, and of no other of its name.
    fn row(&self, db: &Database) -> Option<Arc<Row>> {
        let row = (self.book)().kept_row(&db.name)?;
        (row.database.uid == db.uid).then_some(row)
    }

    fn unseal(
        &self,
        name: &DbName,
        uid: Uid,
        file: &str,
        sealed: &Sealed,
    ) -> Result<Secret, VaultError> {
        let key = match self.key(&sealed.key) {
            Some(key) => key,
            None => self.key_again(name, &sealed.key)?,
        };
        seal::open(&key, &seal::purpose(uid, file), &sealed.data).ok_or_else(|| {
            VaultError::Damaged {
                name: name.clone(),
                file: file.to_owned(),
                key: sealed.key.clone(),
            }
        })
    }

    fn key(&self, id: &KeyId) -> Option<[u8; seal::KEY]> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.key(id).copied()
    }

    /// A key that was put back while the daemon runs.
    fn key_again(&self, name: &DbName, id: &KeyId) -> Result<[u8; seal::KEY], VaultError> {
        let lost = |folder: String| VaultError::KeyLost {
            key: id.clone(),
            folder,
            names: name.to_string(),
        };
        let Some(folder) = &self.folder else {
            return Err(lost("memory".to_owned()));
        };
        let read = Keyring::read(folder)?;
        let key = read.key(id).copied();
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = read;
        key.ok_or_else(|| lost(folder.display().to_string()))
    }
}

/// A secret as the ledger keeps it.
fn kept<'r>(row: Option<&'r Row>, db: &Database, file: &str) -> Result<&'r KeptSecret, VaultError> {
    let kept = row.and_then(|row| row.secrets.get(file));
    kept.ok_or_else(|| VaultError::NotSealed {
        name: db.name.clone(),
        file: file.to_owned(),
    })
}

/// A new secret of this kind.
///
/// # Errors
/// When the system gives no random numbers.
pub fn make(kind: SecretKind) -> Result<Secret, VaultError> {
    match kind {
        SecretKind::Password => password(),
        SecretKind::Key { before } => {
            let mut random = [0_u8; 32];
            getrandom::fill(&mut random).map_err(|e| VaultError::NoRandom(e.to_string()))?;
            let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Secret::new(format!("{before}{digits}")))
        }
    }
}

/// A random password of letters and digits: safe in every URL, file and SQL text.
///
/// # Errors
/// When the system gives no random numbers.
pub fn password() -> Result<Secret, VaultError> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(PASSWORD);
    while password.len() < PASSWORD {
        let mut random = [0_u8; 64];
        getrandom::fill(&mut random).map_err(|e| VaultError::NoRandom(e.to_string()))?;
        // 248 is four times 62: above it, the first letters would be likelier.
        let fair = random.iter().filter(|b| **b < 248);
        for byte in fair.take(PASSWORD - password.len()) {
            password.push(char::from(LETTERS[usize::from(byte % 62)]));
        }
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests;
