//! The sealing keys: `keys/seal-NUMBER-MARK.key`, one a file, 64 hexadecimal digits, mode 0600.
//!
//! The key with the highest number seals; all open. None is ever removed or overwritten here.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::VaultError;
use super::seal::{self, KEY, Proof};
use crate::admin::book::Book;
use crate::admin::journal::Sealer;
use crate::admin::keyfile;
use crate::model::KeyId;

/// Whoever reads this knows what such a file is.
const PREFIX: &str = "seal-";
const SUFFIX: &str = ".key";

/// The keys of an instance.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: BTreeMap<KeyId, [u8; KEY]>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl Keyring {
    /// A keyring of one key, which no file holds: for simulations.
    pub fn of(key: [u8; KEY]) -> Self {
        Keyring {
            keys: [(id_of(1, &key), key)].into(),
        }
    }

    /// Reads all keys of a folder; none when there is no such folder.
    ///
    /// # Errors
    /// A file that cannot be read, or does not hold the key that its name says.
    pub fn read(folder: &Path) -> Result<Self, VaultError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Keyring::default()),
            Err(e) => return Err(VaultError::io(folder, &e)),
        };
        let mut keys = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(|e| VaultError::io(folder, &e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            let id = name.strip_prefix(PREFIX);
            let Some(id) = id.and_then(|rest| rest.strip_suffix(SUFFIX)) else {
                continue;
            };
            let id: KeyId = id.parse().map_err(|_| VaultError::KeyFile(path.clone()))?;
            let text = keyfile::read(&path).map_err(|e| VaultError::io(&path, &e))?;
            // One that vanished meanwhile is no key of a name, either.
            let text = text.unwrap_or_default();
            let key = decode(text.trim_ascii_end())
                .filter(|key| id_of(id.number, key) == id)
                .ok_or_else(|| VaultError::KeyFile(path.clone()))?;
            keys.insert(id, key);
        }
        Ok(Keyring { keys })
    }

    /// Makes a new key in a folder; from now on it seals.
    ///
    /// # Errors
    /// When the file cannot be written; then the keyring is as it was.
    pub fn add(&mut self, folder: &Path) -> Result<KeyId, VaultError> {
        let mut key = [0_u8; KEY];
        getrandom::fill(&mut key).map_err(|e| VaultError::NoRandom(e.to_string()))?;
        let number = self.keys.keys().map(|id| id.number).max().unwrap_or(0) + 1;
        let id = id_of(number, &key);
        let path = Keyring::file(folder, &id);
        let text = format!("{}\n", encode(&key));
        keyfile::write(&path, &text).map_err(|e| VaultError::io(&path, &e))?;
        self.keys.insert(id.clone(), key);
        Ok(id)
    }

    /// The file of a key.
    pub fn file(folder: &Path, id: &KeyId) -> PathBuf {
        folder.join(format!("{PREFIX}{id}{SUFFIX}"))
    }

    /// The id of the key that seals.
    pub fn current(&self) -> Option<&KeyId> {
        self.keys.keys().next_back()
    }

    /// All ids, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    /// What seals the ledger's records with the key that is the newest now.
    pub fn sealer(&self) -> Sealer {
        let ring = self.clone();
        Arc::new(move |bytes| ring.prove(bytes))
    }

    /// A seal of bytes, `KEY:HEX`; `None` when there is no key.
    pub(super) fn prove(&self, bytes: &[u8]) -> Option<String> {
        let (id, key) = self.sealing()?;
        Some(format!("{id}:{}", seal::prove(key, bytes)))
    }

    /// What a seal says of bytes.
    pub fn judge(&self, seal: &str, bytes: &[u8]) -> Proof {
        let parts = seal.split_once(':');
        let Some((Ok(id), digits)) = parts.map(|(id, digits)| (id.parse::<KeyId>(), digits)) else {
            return Proof::Wrong;
        };
        match self.key(&id) {
            None => Proof::NoKey(id),
            Some(key) if seal::proves(key, bytes, digits) => Proof::Good,
            Some(_) => Proof::Wrong,
        }
    }

    /// Whether it opens all that is sealed in a book; `folder` is where it was read.
    ///
    /// # Errors
    /// The first key that is missing, and what is sealed under it.
    pub fn opens(&self, folder: &Path, book: &Book) -> Result<(), VaultError> {
        let mut needed: BTreeMap<&KeyId, Vec<&str>> = BTreeMap::new();
        for (name, row) in book.rows().filter(|(_, row)| row.has_secrets()) {
            for kept in row.secrets.values() {
                for sealed in std::iter::once(&kept.sealed).chain(&kept.next) {
                    let names = needed.entry(&sealed.key).or_default();
                    if names.last() != Some(&name.as_str()) {
                        names.push(name.as_str());
                    }
                }
            }
        }
        match needed.into_iter().find(|(id, _)| self.key(id).is_none()) {
            None => Ok(()),
            Some((id, names)) => Err(VaultError::KeyLost {
                key: id.clone(),
                folder: folder.display().to_string(),
                names: names.join(", "),
            }),
        }
    }

    pub(super) fn sealing(&self) -> Option<(&KeyId, &[u8; KEY])> {
        self.keys.last_key_value()
    }

    pub(super) fn key(&self, id: &KeyId) -> Option<&[u8; KEY]> {
        self.keys.get(id)
    }
}

fn id_of(number: u32, key: &[u8; KEY]) -> KeyId {
    let digest: [u8; 32] = Sha256::digest(key).into();
    KeyId {
        number,
        mark: encode(&digest[..4]),
    }
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &[u8]) -> Option<[u8; KEY]> {
    let digit = |c: u8| (c as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if text.len() != 2 * KEY {
        return None;
    }
    let mut key = [0; KEY];
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}
