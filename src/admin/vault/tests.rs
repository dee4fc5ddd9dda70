use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::admin::testing::{admitted, database, entry, new};
use crate::model::{Change, Entry};

/// A book with one database, whose entries can be added to.
struct Case {
    folder: tempfile::TempDir,
    book: Arc<std::sync::Mutex<Book>>,
    db: Database,
}

impl Case {
    fn new() -> Self {
        let db = database("genomics", 32011);
        let case = Case {
            folder: tempfile::tempdir().unwrap(),
            book: Arc::new(std::sync::Mutex::new(Book::new())),
            db: db.clone(),
        };
        case.take(admitted(db));
        case
    }

    fn take(&self, new: crate::admin::NewEntry) {
        let mut book = self.book.lock().unwrap();
        book.check(&new).unwrap();
        let entry: Entry = entry(book.head().seq + 1, new);
        book.apply(&entry).unwrap();
    }

    fn vault(&self) -> Result<Vault, VaultError> {
        let book = self.book.clone();
        Vault::open(&self.keys(), move || Arc::new(book.lock().unwrap().clone()))
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn sealed(&self, vault: &Vault, file: &str, text: &str) -> BTreeMap<String, Sealed> {
        let sealed = vault.seal(self.db.uid, file, &Secret::new(text)).unwrap();
        [(file.to_owned(), sealed)].into()
    }

    fn change(&self, change: Change) {
        self.take(new("genomics", change));
    }
}

fn modes(folder: &Path) -> Vec<u32> {
    let files = fs::read_dir(folder).unwrap().flatten();
    files
        .map(|f| f.metadata().unwrap().permissions().mode() & 0o777)
        .collect()
}

#[test]
fn the_first_key_is_made_and_kept() {
    let case = Case::new();
    let vault = case.vault().unwrap();
    assert_eq!(modes(&case.keys()), [0o600]);
    assert_eq!(modes(case.folder.path()), [0o700]);
    let (uid, secrets) = (case.db.uid, case.sealed(&vault, "user", "hunter2"));
    case.change(Change::Sealed { uid, secrets });
    let again = case.vault().unwrap();
    assert_eq!(modes(&case.keys()), [0o600], "no second key");
    assert_eq!(again.secret(&case.db, "user").unwrap().expose(), "hunter2");
    let missing = again.secret(&case.db, "admin").unwrap_err();
    assert!(matches!(missing, VaultError::NotSealed { .. }), "{missing}");
    // Of another database of that name, there is nothing.
    let other = Database {
        uid: Uid(uuid::Uuid::new_v4()),
        ..case.db.clone()
    };
    assert!(again.secret(&other, "user").is_err());
}

#[test]
fn a_change_has_both_texts_until_it_is_taken() {
    let case = Case::new();
    let vault = case.vault().unwrap();
    let uid = case.db.uid;
    let secrets = case.sealed(&vault, "user", "old");
    case.change(Change::Sealed { uid, secrets });
    assert_eq!(vault.next(&case.db, "user").unwrap(), None);
    let secrets = case.sealed(&vault, "user", "new");
    case.change(Change::SecretsOffered { uid, secrets });
    let texts = || {
        let next = vault.next(&case.db, "user").unwrap();
        let next = next.map(|s| s.expose().to_owned());
        (
            vault.secret(&case.db, "user").unwrap().expose().to_owned(),
            next,
        )
    };
    assert_eq!(texts(), ("old".to_owned(), Some("new".to_owned())));
    // Sealed anew under another key in the middle of it: both stay.
    let secrets = case.sealed(&vault, "user", "old");
    case.change(Change::Sealed { uid, secrets });
    assert_eq!(texts(), ("old".to_owned(), Some("new".to_owned())));
    let names = vec!["user".to_owned()];
    case.change(Change::SecretsTaken { uid, names });
    assert_eq!(texts(), ("new".to_owned(), None));
}

#[test]
fn a_lost_key_is_replaced_though_data_that_was_removed_was_sealed_under_it() {
    let case = Case::new();
    let vault = case.vault().unwrap();
    let uid = case.db.uid;
    let secrets = case.sealed(&vault, "user", "old");
    case.change(Change::Sealed { uid, secrets });
    for key in std::fs::read_dir(case.keys()).unwrap() {
        std::fs::remove_file(key.unwrap().path()).unwrap();
    }
    assert!(matches!(case.vault(), Err(VaultError::KeyLost { .. })));
    {
        let mut book = case.book.lock().unwrap();
        let removed = entry(
            book.head().seq + 1,
            new("genomics", Change::Removed { uid }),
        );
        book.apply(&removed).unwrap();
    }
    let vault = case.vault().unwrap();
    let (_, entries) = vault
        .renew(&crate::model::Who::Daemon, |_, _| None)
        .unwrap();
    assert!(entries.is_empty(), "{entries:?}");
}

#[test]
fn old_keys_stay_readable_and_the_newest_seals() {
    let case = Case::new();
    let vault = case.vault().unwrap();
    let (uid, secrets) = (case.db.uid, case.sealed(&vault, "user", "hunter2"));
    case.change(Change::Sealed { uid, secrets });
    let mut ring = Keyring::read(&case.keys()).unwrap();
    let newest = ring.add(&case.keys()).unwrap();
    let vault = case.vault().unwrap();
    assert_eq!(vault.secret(&case.db, "user").unwrap().expose(), "hunter2");
    assert_eq!(case.sealed(&vault, "user", "x")["user"].key, newest);
    assert_eq!(newest.number, 2);
}

#[test]
fn a_lost_key_is_told_and_no_other_is_made() {
    let case = Case::new();
    let vault = case.vault().unwrap();
    let (uid, secrets) = (case.db.uid, case.sealed(&vault, "user", "hunter2"));
    let key = secrets["user"].key.clone();
    case.change(Change::Sealed { uid, secrets });
    let file = Keyring::file(&case.keys(), &key);
    let aside = case.folder.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    let error = case.vault().err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, VaultError::KeyLost { .. }), "{text}");
    assert!(
        text.contains("genomics") && text.contains(&key.to_string()),
        "{text}"
    );
    assert_eq!(fs::read_dir(case.keys()).unwrap().count(), 0);

    // Another key under its name is no help, and the right one is found while the vault is open.
    fs::write(&file, format!("{}\n", "ab".repeat(32))).unwrap();
    assert!(matches!(case.vault().err(), Some(VaultError::KeyFile(_))));
    fs::remove_file(&file).unwrap();
    let book = case.book.clone();
    let open = Vault::read_only(&case.keys(), move || Arc::new(book.lock().unwrap().clone()));
    let open = open.unwrap();
    let lost = open.secret(&case.db, "user").unwrap_err();
    assert!(matches!(lost, VaultError::KeyLost { .. }), "{lost}");
    fs::rename(&aside, &file).unwrap();
    assert_eq!(open.secret(&case.db, "user").unwrap().expose(), "hunter2");
}

#[test]
fn a_key_that_others_may_read_is_put_right() {
    let case = Case::new();
    let vault = case.vault().unwrap();
    let key = case.sealed(&vault, "user", "x")["user"].key.clone();
    let file = Keyring::file(&case.keys(), &key);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    case.vault().unwrap();
    assert_eq!(modes(&case.keys()), [0o600]);
    let shown = format!("{:?}", Keyring::read(&case.keys()).unwrap());
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        shown.contains("number: 1") && !shown.contains(text.trim()),
        "{shown}"
    );
}

#[test]
fn a_password_is_long_and_plain() {
    let made = password().unwrap();
    assert_eq!(made.expose().len(), 32);
    assert!(made.expose().chars().all(|c| c.is_ascii_alphanumeric()));
    assert_ne!(made, password().unwrap());
}

#[test]
fn a_key_is_256_random_bits_after_what_the_server_expects() {
    let kind = SecretKind::Key { before: "1;" };
    let made = make(kind).unwrap();
    let digits = made.expose().strip_prefix("1;").unwrap();
    assert_eq!(digits.len(), 64);
    assert!(digits.chars().all(|c| c.is_ascii_hexdigit()), "{digits}");
    assert_ne!(made, make(kind).unwrap());
}
