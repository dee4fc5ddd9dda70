//! What a backup is made of, and where it lies.
//!
//! ```text
//! <mode>/<instance>/<name>/<uid>/<slot>/<attempt>/
//!    spec.yaml  globals.sql.zst.age  …  restore.sh  RESTORE.md
//!    manifest.json          written last: without it there is no backup
//! <mode>/<instance>/<name>/<uid>/tombstone.json    it is retired
//! <mode>/<instance>/@journal/
//!    <piece>.jsonl.zst.age  the ledger since then; each tells its place in the chain, and its lines
//!                           are checked by it: no manifest
//! ```

use chrono::Datelike;
use serde::{Deserialize, Serialize};

use super::check_key;
use crate::model::{
    Backup, BackupId, BackupKind, BackupState, Contents, DbName, EngineKind, Segment, Slot,
    Timestamp, Uid,
};

/// The file that makes a backup one.
pub const MANIFEST: &str = "manifest.json";
/// The file that says that a database is retired.
pub const TOMBSTONE: &str = "tombstone.json";
/// No manifest is larger: a database of a hundred thousand tables needs about 10 MB.
pub const MANIFEST_LIMIT: usize = 64 << 20;
/// The folder of the ledger's pieces.
const JOURNAL: &str = "@journal";
/// What the name of such a piece ends with.
const SEGMENT: &str = ".jsonl.zst.age";
/// The format written by this version.
pub const VERSION: u32 = 1;

/// Everything about a backup that somebody needs who has nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The format; a higher one is not read.
    pub version: u32,
    /// The database's name then.
    pub name: DbName,
    /// Its identity.
    pub uid: Uid,
    /// Its engine.
    pub engine: EngineKind,
    /// The server's own version.
    pub server_version: String,
    /// The image's reference.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// The instant it stands for.
    pub slot: Slot,
    /// The attempt at that slot.
    pub attempt: u32,
    /// Why it was taken.
    pub kind: BackupKind,
    /// When the dump began.
    pub started: Timestamp,
    /// When the last file was stored.
    pub finished: Timestamp,
    /// The files, in the order in which they are restored.
    pub files: Vec<File>,
    /// What it holds.
    pub contents: Contents,
    /// Ids of the keys that read it; none: it is not encrypted.
    pub keys: Vec<String>,
    /// The ledger's last entry when it was taken.
    pub ledger_head: u64,
    /// Up to where the copy of the ledger surely goes that lies in it; only a backup of `mydb_admin`
    /// has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_copy: Option<LedgerCopy>,
}

/// A place in the ledger's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerCopy {
    /// The entry's number.
    pub seq: u64,
    /// Its record's checksum, in hexadecimal.
    pub hash: String,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its name.
    pub name: String,
    /// What it is to the engine: the part's name, `globals.sql`. `None`: for people.
    pub part: Option<String>,
    /// The database inside the server that it holds, where it is one's.
    pub database: Option<String>,
    /// Bytes as stored.
    pub bytes: u64,
    /// SHA-256 as stored, in hexadecimal.
    pub sha256: String,
    /// Bytes before compression and encryption.
    pub plain_bytes: u64,
    /// SHA-256 before compression and encryption.
    pub plain_sha256: String,
    /// Milliseconds from the begin of the tool that wrote it until every store had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let broken = |e: serde_json::Error| format!("the manifest cannot be read: {e}");
        let head: Head = serde_json::from_slice(bytes).map_err(broken)?;
        if head.version > VERSION {
            return Err(format!(
                "the manifest is of format {}; this version of db4sci reads up to {VERSION}",
                head.version
            ));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(broken)?;
        // A name becomes part of keys and paths; whoever writes to the store must not choose others.
        let elsewhere =
            |file: &&File| file.name.contains('/') || check_key("", &file.name).is_err();
        if let Some(file) = manifest.files.iter().find(elsewhere) {
            return Err(format!(
                "the manifest names a file that no backup has: `{}`",
                file.name.escape_debug()
            ));
        }
        in_time("manifest", &[manifest.started, manifest.finished])?;
        Ok(manifest)
    }

    /// Its text.
    ///
    /// # Errors
    /// Never for a manifest that was made by this program.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec_pretty(self).map_err(|e| e.to_string())
    }

    /// Bytes of all files in the store.
    pub fn bytes(&self) -> u64 {
        let all = self.files.iter().map(|f| f.bytes);
        all.fold(0, u64::saturating_add)
    }

    /// The backup, as far as a manifest tells: stored, and not known to be proven. `place` is where its
    /// store is, `prefix` where it lies there.
    pub fn backup(&self, store: &str, place: &str, prefix: &str) -> Backup {
        Backup {
            id: self.id(store),
            uid: self.uid,
            kind: self.kind,
            state: BackupState::Stored,
            started: self.started,
            finished: Some(self.finished),
            verified: None,
            bytes: self.bytes(),
            sha256: None,
            url: format!("{place} {}", prefix.trim_end_matches('/')),
            error: None,
            keep_until: None,
            note: String::new(),
        }
    }

    /// The id of this backup in a store.
    pub fn id(&self, store: &str) -> BackupId {
        BackupId {
            name: self.name.clone(),
            slot: self.slot,
            attempt: self.attempt,
            store: store.to_owned(),
        }
    }
}

/// Says that a database is retired, beside its backups: whoever recovers a lost host from a memory
/// that is older than that does not bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TombstoneFile {
    /// The format; a higher one is not read.
    pub version: u32,
    /// The database's name.
    pub name: DbName,
    /// Its identity.
    pub uid: Uid,
    /// Since when.
    pub retired: Timestamp,
    /// Its final backup; `None`: it never had data.
    pub last: Option<BackupId>,
}

impl TombstoneFile {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes)
            .map_err(|e| format!("the tombstone cannot be read: {e}"))?;
        if read.version > VERSION {
            return Err(format!(
                "the tombstone is of format {}; this version of db4sci reads up to {VERSION}",
                read.version
            ));
        }
        in_time("tombstone", &[read.retired])?;
        Ok(read)
    }
}

/// Refuses instants beyond which times are no longer reckoned with.
fn in_time(what: &str, instants: &[Timestamp]) -> Result<(), String> {
    let beyond = |at: &&Timestamp| !(1970..=9999).contains(&at.year());
    match instants.iter().find(beyond) {
        None => Ok(()),
        Some(at) => Err(format!("the {what} is of no year that can be: {at}")),
    }
}

/// Where an instance's backups lie in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `<mode>/<instance>/`
    root: String,
}

impl Layout {
    /// The layout of an instance.
    pub fn new(mode: &str, instance: &str) -> Self {
        Layout {
            root: format!("{mode}/{instance}/"),
        }
    }

    /// What all keys of the instance begin with.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Where the tombstone of a database lies.
    pub fn tombstone(&self, name: &DbName, uid: Uid) -> String {
        format!("{}{name}/{uid}/{TOMBSTONE}", self.root)
    }

    /// What all keys of the ledger's pieces begin with. No database's name begins so.
    pub fn journal(&self) -> String {
        format!("{}{JOURNAL}/", self.root)
    }

    /// The key of a piece of the ledger.
    pub fn segment(&self, segment: &Segment) -> String {
        format!("{}{segment}{SEGMENT}", self.journal())
    }

    /// What all keys of a database's backups begin with.
    pub fn database(&self, name: &DbName) -> String {
        format!("{}{name}/", self.root)
    }

    /// The backup whose keys begin so in a store, and its database's uid.
    pub fn backup(&self, prefix: &str, store: &str) -> Option<(Uid, BackupId)> {
        let below = prefix.strip_prefix(&self.root)?.trim_end_matches('/');
        let parts: Vec<&str> = below.split('/').collect();
        let [name, uid, slot, attempt] = parts[..] else {
            return None;
        };
        let id = BackupId {
            name: name.parse().ok()?,
            slot: slot.parse().ok()?,
            attempt: attempt.parse().ok()?,
            store: store.to_owned(),
        };
        let uid = Uid(uid.parse().ok()?);
        // Other spellings of the same would be looked for where they do not lie.
        let written = self.attempt(&id.name, uid, id.slot, id.attempt);
        (written.trim_end_matches('/') == prefix.trim_end_matches('/')).then_some((uid, id))
    }

    /// What all keys of one attempt begin with.
    pub fn attempt(&self, name: &DbName, uid: Uid, slot: Slot, attempt: u32) -> String {
        format!("{}{attempt}/", self.slot(name, uid, slot))
    }

    /// What all keys of the attempts at a slot begin with.
    pub fn slot(&self, name: &DbName, uid: Uid, slot: Slot) -> String {
        format!("{}{name}/{uid}/{slot}/", self.root)
    }
}

/// The instance and the piece of the ledger that a key of a mode is, if it is one.
pub fn segment_of(key: &str) -> Option<(&str, Segment)> {
    let mut parts = key.split('/');
    let (_, instance) = (parts.next()?, parts.next()?);
    let (folder, file) = (parts.next()?, parts.next()?);
    let ours = folder == JOURNAL && parts.next().is_none();
    let segment = file.strip_suffix(SEGMENT)?.parse().ok()?;
    ours.then_some((instance, segment))
}

/// A text as part of a file's name: what is not a plain letter or digit is written `%41`.
pub fn file_name(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    // Long names of many bytes must still fit a file system's 255.
    if name.len() > 150 {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(text.as_bytes());
        let tail: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        name.truncate(130);
        name = format!("{}-{tail}", name.trim_end_matches('%'));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_never_make_one_file() {
        let names = [
            "a b",
            "a_b",
            "a%20b",
            "../x",
            "ünï",
            &"é".repeat(63),
            &"é".repeat(62),
        ];
        let mut files: Vec<String> = names.iter().map(|n| file_name(n)).collect();
        for file in &files {
            assert!(
                file.len() <= 200 && !file.contains('/') && !file.starts_with('.'),
                "{file}"
            );
        }
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len());
    }

    #[test]
    fn a_backup_is_known_by_where_it_lies() {
        let layout = Layout::new("prod", "host-1");
        let (uid, slot) = (
            Uid(uuid::Uuid::from_u128(7)),
            "20260301T020000Z".parse().unwrap(),
        );
        let name: DbName = "genomics".parse().unwrap();
        let prefix = layout.attempt(&name, uid, slot, 2);
        let id = BackupId {
            name,
            slot,
            attempt: 2,
            store: "local".to_owned(),
        };
        assert_eq!(layout.backup(&prefix, "local"), Some((uid, id)));
        assert_eq!(
            layout.backup(&prefix.replace("host-1", "host-2"), "local"),
            None
        );
        assert_eq!(layout.backup(&format!("{prefix}more/"), "local"), None);
    }

    #[test]
    fn a_piece_of_the_ledger_is_known_by_its_key() {
        let link = |seq, digit: &str| crate::model::Link::new(seq, &digit.repeat(64));
        let now = "2026-03-01T02:00:00Z".parse().unwrap();
        let segment = Segment::new(link(3, "a"), link(7, "b"), now);
        let key = Layout::new("prod", "host-1").segment(&segment);
        crate::store::check_key("there", &key).unwrap();
        assert_eq!(segment_of(&key), Some(("host-1", segment)));
        for other in [
            key.replace("@journal", "genomics"),
            key.replace(".age", ""),
            format!("{key}/x"),
        ] {
            assert_eq!(segment_of(&other), None, "{other}");
        }
    }

    #[test]
    fn a_manifest_of_a_later_format_is_refused_by_its_number() {
        let error = Manifest::read(br#"{"version": 9, "whatever": 1}"#).unwrap_err();
        assert!(error.contains("format 9"), "{error}");
    }
}
