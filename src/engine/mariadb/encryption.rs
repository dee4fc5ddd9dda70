//! Encryption at rest, by the server's own means and one key in a file.

use crate::engine::{ENCRYPTION_SECRET, SECRETS_TARGET};
use crate::model::{SecretFile, SecretKind};

/// Parameters that decide what is encrypted, and how.
pub(super) const KEPT: [&str; 16] = [
    "aria_encrypt_tables",
    "encrypt_binlog",
    "encrypt_tmp_disk_tables",
    "encrypt_tmp_files",
    "enforce_storage_engine",
    "file_key_management",
    "file_key_management_encryption_algorithm",
    "file_key_management_filekey",
    "file_key_management_filename",
    "innodb_default_encryption_key_id",
    "innodb_encrypt_log",
    "innodb_encrypt_tables",
    "innodb_encrypt_temporary_tables",
    "innodb_encryption_rotate_key_age",
    "innodb_encryption_rotation_iops",
    "innodb_encryption_threads",
];

/// All that the server can encrypt. FORCE: nobody makes a table without. Tables of MyISAM and Aria's
/// log stay plain whatever is set, so that users' tables are InnoDB's alone. The system tablespace
/// is encrypted by a thread in the background only.
const ENCRYPTED: &str = "plugin_load_add = file_key_management
file_key_management_encryption_algorithm = AES_CTR
innodb_encrypt_tables = FORCE
innodb_encrypt_log = 1
innodb_encrypt_temporary_tables = 1
innodb_encryption_threads = 1
aria_encrypt_tables = 1
encrypt_tmp_disk_tables = 1
encrypt_tmp_files = 1
encrypt_binlog = 1
enforce_storage_engine = InnoDB
";

/// What its configuration file says of it.
pub(super) fn settings() -> String {
    format!("{ENCRYPTED}file_key_management_filename = {SECRETS_TARGET}/{ENCRYPTION_SECRET}\n")
}

/// Its key.
pub(super) fn key() -> SecretFile {
    SecretFile {
        name: ENCRYPTION_SECRET.to_owned(),
        from: None,
        // The number by which the server calls its one key.
        kind: SecretKind::Key { before: "1;" },
    }
}
