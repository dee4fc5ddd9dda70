//! The ledger at the daemon's start: where the journal is harmed, or shorter than what the tables of
//! `mydb_admin` prove, it is made whole from them before anything is added to it.

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::admin::audit::believe_file;
use crate::admin::journal::{FILE_NAME, FileStorage, MAX_LINE, follow};
use crate::admin::tables::{Access, last_record, records_from};
use crate::admin::{Head, JournalError, Keyring, Ledger, NewEntry, TablesError};
use crate::engine::{self, ADMIN_SECRET};
use crate::model::{Change, Clock, DbName, Outcome, Secret, Site, Uid};
use crate::runtime::DataDirs;
use crate::runtime::host::HostDirs;
use crate::settings::Settings;
use crate::specs;

use super::{daemon, home};

/// Longest wait for an answer: without one the journal is believed.
const ANSWER: Duration = Duration::from_secs(10);

/// What knows how far a journal went, and has its lines.
#[async_trait]
pub(super) trait Witness: Send + Sync {
    /// See [`last_record`].
    async fn last(&self) -> Result<u64, TablesError>;

    /// See [`records_from`].
    async fn from(&self, head: Head, each: Each<'_>) -> Result<Head, TablesError>;
}

/// Takes lines, one after the other.
type Each<'a> = &'a mut (dyn FnMut(&str) -> Result<(), TablesError> + Send);

#[async_trait]
impl Witness for Access {
    async fn last(&self) -> Result<u64, TablesError> {
        last_record(self).await
    }

    async fn from(&self, head: Head, each: Each<'_>) -> Result<Head, TablesError> {
        records_from(self, head, each).await
    }
}

/// Opens the ledger of an instance.
///
/// # Errors
/// When the journal is harmed and cannot be made whole; nothing was changed then. One that can be read
/// and is only too short is used as it is.
pub(super) async fn open(
    settings: &Settings,
    site: &Site,
    clock: Arc<dyn Clock>,
) -> Result<Ledger, String> {
    let folder = settings.state_dir.join("journal");
    let ring = Keyring::read(&home::keys(&settings.state_dir)).map_err(|e| e.to_string())?;
    let access = access(settings, site).await;
    let witness = access.as_ref().map(|access| access as &dyn Witness);
    open_in(&folder, witness, &ring, clock).await
}

async fn open_in(
    folder: &Path,
    witness: Option<&dyn Witness>,
    ring: &Keyring,
    clock: Arc<dyn Clock>,
) -> Result<Ledger, String> {
    let storage = FileStorage::open(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let (why, readable) = match Ledger::open(storage, clock.clone()).await {
        Ok((ledger, report)) => {
            daemon::tell_torn(&report);
            let proven = match witness {
                Some(witness) => tokio::time::timeout(ANSWER, witness.last()).await,
                None => return Ok(ledger),
            };
            match proven {
                Ok(Ok(last)) if last > report.head.seq => {
                    let ends = report.head.seq;
                    let why =
                        format!("it ends at entry {ends}, and mydb_admin's tables hold {last}");
                    (why, true)
                }
                // What does not answer proves nothing.
                Ok(Ok(_) | Err(_)) | Err(_) => return Ok(ledger),
            }
        }
        Err(JournalError::Harm(harm)) => (harm.to_string(), false),
        Err(error) => return Err(daemon::chain(&error)),
    };
    let whole = match witness {
        Some(witness) => mend(folder, witness, clock.as_ref(), ring).await,
        None => Err("its password is not on this host".to_owned()),
    };
    if let (Err(error), true) = (&whole, readable) {
        // Two histories: a person decides, and databases are healed meanwhile. The applier tells.
        tracing::error!(
            why,
            error,
            "the journal is shorter than mydb_admin's tables"
        );
        return daemon::open_ledger(folder, clock).await;
    }
    let (kept, head) = whole.map_err(|e| {
        format!(
            "{why}. What it lost may be in mydb_admin's tables: {e}. If that is down, start its \
             container, and then db4sci run again; see docs/runbooks/lost-memory.md"
        )
    })?;
    let ledger = daemon::open_ledger(folder, clock).await?;
    ledger.seal_with(ring.sealer());
    let message = format!(
        "the journal was harmed ({why}); it was made whole from mydb_admin's tables up to entry {}; the \
         harmed one is kept as {}",
        head.seq,
        kept.display()
    );
    tracing::warn!(message);
    let entry = NewEntry::of(&DbName::mydb_admin(), Outcome::Done, message, Change::Noted);
    ledger.append(entry).await.map_err(|e| e.to_string())?;
    Ok(ledger)
}

/// How to reach `mydb_admin` without the ledger; `None`: there is none, or it never was made here.
async fn access(settings: &Settings, site: &Site) -> Option<Access> {
    let rules = daemon::rules(settings, None).ok()?;
    let db = specs::mydb_admin(&rules, None, Uid(uuid::Uuid::nil())).ok()?;
    let dirs = HostDirs::new(&settings.state_dir);
    let password = dirs.secret_file(site, &db, ADMIN_SECRET).await.ok()??;
    let target = engine::recipe(db.engine).target(&db, site, password);
    Some(Access {
        host: target.host,
        port: target.port,
        superuser: target.user,
        superuser_password: target.password,
        password: Secret::new(""),
    })
}

/// Joins what is good in the journal with what the tables keep, and puts it into the journal's place.
/// Gives where the harmed one is kept, and the new head.
async fn mend(
    folder: &Path,
    witness: &dyn Witness,
    clock: &dyn Clock,
    ring: &Keyring,
) -> Result<(PathBuf, Head), String> {
    let journal = folder.join(FILE_NAME);
    let coming = folder.join("coming");
    let told = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&coming)
        .map_err(told(&coming))?;
    let mut to = BufWriter::new(file);
    let good = good_lines(&journal, Head::GENESIS, &mut to).map_err(told(&journal))?;
    let mut each = |line: &str| {
        let written = to
            .write_all(line.as_bytes())
            .and_then(|()| to.write_all(b"\n"));
        written.map_err(TablesError::Io)
    };
    let from_tables = witness.from(good, &mut each).await;
    let from_tables = from_tables.map_err(|e: TablesError| daemon::chain(&e))?;
    // Behind the harm there may be entries that never came into the tables.
    let head = good_lines(&journal, from_tables, &mut to).map_err(told(&journal))?;
    if head == good {
        let _ = fs::remove_file(&coming);
        return Err(format!(
            "mydb_admin's tables do not hold what follows entry {}",
            good.seq
        ));
    }
    let file = to.into_inner().map_err(|e| e.to_string())?;
    // Whoever is superuser there can write records, and chain them.
    believe_file(ring, &coming)?;
    file.sync_all().map_err(told(&coming))?;
    let kept = keep(&journal, clock)?;
    fs::rename(&coming, &journal).map_err(told(&journal))?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(told(folder))?;
    Ok((kept, head))
}

/// Gives a harmed journal another name beside its own, which nothing has yet.
fn keep(journal: &Path, clock: &dyn Clock) -> Result<PathBuf, String> {
    let now = clock.now().format("%Y%m%dT%H%M%SZ");
    for n in 1_u32.. {
        // Harmed again within a second, or killed before the new one was in its place.
        let again = if n == 1 {
            String::new()
        } else {
            format!("-{n}")
        };
        let kept = journal.with_file_name(format!("{FILE_NAME}.harmed-{now}{again}"));
        match fs::hard_link(journal, &kept) {
            Ok(()) => return Ok(kept),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(format!("{}: {e}", kept.display())),
        }
    }
    Err(format!("{}: too many harmed ones", journal.display()))
}

/// Writes the lines of a journal that follow a head one after the other; gives the new head.
fn good_lines(journal: &Path, mut head: Head, to: &mut dyn Write) -> std::io::Result<Head> {
    let mut reader = BufReader::new(fs::File::open(journal)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut reader, MAX_LINE as u64 + 1024)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(head);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(next) = follow(head, text) {
            to.write_all(text)?;
            to.write_all(b"\n")?;
            head = next;
        }
    }
}

#[cfg(test)]
mod tests;
