//! The ledger at the daemon's start: where the journal is harmed, or shorter than what the tables of
//! `mydb_admin`, the stores or the length beside it prove, it is made whole from the tables, and from what
//! the stores hold of it, before anything is added to it. Journal and tables may have been set back
//! together: then only the stores tell.

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::admin::audit::{believe_file, knows_key};
use crate::admin::journal::{self, FILE_NAME, FileStorage, MAX_LINE, follow};
use crate::admin::tables::{Access, TablesHarm, last_line, last_record, newer_step, records_from};
use crate::admin::{
    Book, Head, JournalError, Keyring, Ledger, NewEntry, TablesError, read_offline,
};
use crate::engine::{self, ADMIN_SECRET};
use crate::model::{Change, Clock, Database, DbName, Outcome, Secret, Site, Uid};
use crate::runtime::DataDirs;
use crate::runtime::host::HostDirs;
use crate::settings::Settings;
use crate::specs;

use super::rejoin::Shipped;
use super::{daemon, home};

/// The folder below the journal's that another one is put together in.
const MENDED: &str = "mended";
/// Longest wait for an answer: without one the journal is believed.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// What knows how far a journal went, and has its lines.
#[async_trait]
pub(super) trait Witness: Send + Sync {
    /// See [`newer_step`].
    async fn newer(&self) -> Result<Option<i64>, TablesError>;

    /// See [`last_record`].
    async fn last(&self) -> Result<u64, TablesError>;

    /// See [`last_line`].
    async fn last_line(&self) -> Result<Option<String>, TablesError>;

    /// See [`records_from`].
    async fn from(&self, head: Head, each: Each<'_>) -> Result<Head, TablesError>;
}

/// Takes lines, one after the other.
type Each<'a> = &'a mut (dyn FnMut(&str) -> Result<(), TablesError> + Send);

#[async_trait]
impl Witness for Access {
    async fn newer(&self) -> Result<Option<i64>, TablesError> {
        newer_step(self).await
    }

    async fn last(&self) -> Result<u64, TablesError> {
        last_record(self).await
    }

    async fn last_line(&self) -> Result<Option<String>, TablesError> {
        last_line(self).await
    }

    async fn from(&self, head: Head, each: Each<'_>) -> Result<Head, TablesError> {
        records_from(self, head, each).await
    }
}

/// Has pieces of a journal: the stores.
#[async_trait]
pub(super) trait Pieces: Send + Sync {
    /// What there is behind the end of the journal with this book, for a person, whether it goes on from there
    /// or not; what does not answer in time has nothing.
    ///
    /// # Errors
    /// Why nobody can be asked.
    async fn ahead(&self, book: &Book) -> Result<Option<String>, String>;

    /// Adds to the journal in a folder what follows its end.
    ///
    /// # Errors
    /// Why nothing can be known of that, for a person.
    async fn join(&self, coming: &Path) -> Result<(), String>;
}

/// Whoever may have what a journal lost.
#[derive(Clone, Copy, Default)]
struct Helpers<'a> {
    tables: Option<&'a dyn Witness>,
    stores: Option<&'a dyn Pieces>,
}

/// Opens the ledger of an instance.
///
/// # Errors
/// When a newer program made the tables of `mydb_admin`, or the keys here are others than the ledger's; when
/// the journal is harmed, or shorter than it was, and cannot be made whole. Nothing was changed then.
/// One that is whole and only shorter than the tables is used as it is where they cannot be joined.
pub(super) async fn open(
    settings: &Settings,
    site: &Site,
    clock: Arc<dyn Clock>,
) -> Result<Ledger, String> {
    let folder = settings.state_dir.join("journal");
    let ring = Keyring::read(&home::keys(&settings.state_dir)).map_err(|e| e.to_string())?;
    let access = access(settings, site).await;
    let stores = Shipped {
        settings,
        instance: &site.instance,
    };
    let helpers = Helpers {
        tables: access.as_ref().map(|access| access as &dyn Witness),
        stores: Some(&stores),
    };
    open_in(&folder, helpers, &ring, clock).await
}

async fn open_in(
    folder: &Path,
    helpers: Helpers<'_>,
    ring: &Keyring,
    clock: Arc<dyn Clock>,
) -> Result<Ledger, String> {
    refuse_newer(helpers).await?;
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    let had = journal::length(folder).map_err(told)?;
    let storage = FileStorage::open(folder).map_err(told)?;
    let (why, readable) = match Ledger::open(storage, clock.clone()).await {
        Ok((ledger, report)) => {
            daemon::tell_torn(&report);
            match shorter(helpers, ring, &ledger.book()).await? {
                Some(why) => (why, true),
                None => return Ok(ledger),
            }
        }
        Err(JournalError::Harm(harm)) => (harm.to_string(), false),
        Err(error) => return Err(daemon::chain(&error)),
    };
    let known = Known {
        had,
        harmed: !readable,
    };
    let whole = mend(folder, helpers, clock.as_ref(), ring, known).await;
    if let (Err(error), true) = (&whole, readable) {
        // Two histories: a person decides, and databases are healed meanwhile. The applier tells, or what
        // keeps everything frozen.
        tracing::error!(why, error, "the journal is shorter than it was");
        return daemon::open_ledger(folder, clock).await;
    }
    let (kept, head) = whole.map_err(|e| {
        format!(
            "{why}. What it lost may be in mydb_admin's tables, or in the stores: {e}. If \
             mydb_admin is down, start its container, and then db4sci run again; see \
             docs/runbooks/lost-memory.md"
        )
    })?;
    let ledger = daemon::open_ledger(folder, clock).await?;
    ledger.seal_with(ring.sealer());
    let message = format!(
        "the journal was not whole ({why}); it was made whole up to entry {}; the one that lay there is kept as {}",
        head.seq,
        kept.display()
    );
    tracing::warn!(message);
    let entry = NewEntry::of(&DbName::mydb_admin(), Outcome::Done, message, Change::Noted);
    ledger.append(entry).await.map_err(|e| e.to_string())?;
    Ok(ledger)
}

/// Why a journal that reads well is not all that there was; `None`: nothing says so.
async fn shorter(
    helpers: Helpers<'_>,
    ring: &Keyring,
    book: &Book,
) -> Result<Option<String>, String> {
    let ends = book.head().seq;
    let proven = match helpers.tables {
        Some(tables) => tokio::time::timeout(ANSWER, tables.last()).await.ok(),
        None => None,
    };
    // What does not answer proves nothing.
    if let Some(last) = proven.and_then(Result::ok).filter(|last| *last > ends) {
        if ends == 0 {
            refuse_strange_keys(helpers, ring).await?;
        }
        let why = format!("it ends at entry {ends}, and mydb_admin's tables hold {last}");
        return Ok(Some(why));
    }
    // A host without any memory is one that was lost: a person brings it back.
    let ahead = match helpers.stores.filter(|_| ends > 0) {
        Some(stores) => stores.ahead(book).await?,
        None => None,
    };
    Ok(ahead.map(|there| format!("it ends at entry {ends}, and {there}")))
}

/// Refuses tables that a newer program made, before anything is written: it may have written entries that
/// this one would misread. One that does not answer now is looked at by the applier.
async fn refuse_newer(helpers: Helpers<'_>) -> Result<(), String> {
    let Some(tables) = helpers.tables else {
        return Ok(());
    };
    match tokio::time::timeout(ANSWER, tables.newer()).await {
        Ok(Ok(Some(version))) => Err(TablesHarm::Newer { version }.to_string()),
        Ok(Ok(None) | Err(_)) | Err(_) => Ok(()),
    }
}

/// Refuses keys that are not those of the tables, where the journal itself says nothing: what is begun with
/// them would be another history. Where there is none at all, the history counts first: it is made whole
/// from the tables, and the vault tells which key is lost.
async fn refuse_strange_keys(helpers: Helpers<'_>, ring: &Keyring) -> Result<(), String> {
    let Some(tables) = helpers.tables.filter(|_| ring.current().is_some()) else {
        return Ok(());
    };
    match tokio::time::timeout(ANSWER, tables.last_line()).await {
        Ok(Ok(Some(line))) => knows_key(ring, line.as_bytes()),
        Ok(Ok(None) | Err(_)) | Err(_) => Ok(()),
    }
}

/// How many entries the tables of `mydb_admin` hold, if they answer and hold any.
pub(super) async fn tables_hold(settings: &Settings, site: &Site) -> Option<u64> {
    let access = access(settings, site).await?;
    let last = tokio::time::timeout(ANSWER, last_record(&access)).await;
    last.ok()?.ok().filter(|last| *last > 0)
}

/// How to reach `mydb_admin` without the ledger; `None`: there is none, or it never was made here.
async fn access(settings: &Settings, site: &Site) -> Option<Access> {
    let rules = daemon::rules(settings, None).ok()?;
    let db = specs::mydb_admin(&rules, None, Uid(uuid::Uuid::nil())).ok()?;
    let dirs = HostDirs::new(&settings.state_dir);
    let password = dirs.secret_file(site, &db, ADMIN_SECRET).await.ok()??;
    Some(reach(&db, site, password))
}

/// How to reach the server of `mydb_admin` as its superuser.
pub(super) fn reach(db: &Database, site: &Site, password: Secret) -> Access {
    let target = engine::recipe(db.engine).target(db, site, password);
    Access {
        host: target.host,
        port: target.port,
        superuser: target.user,
        superuser_password: target.password,
        password: Secret::new(""),
        // The ledger, which knows it, may be what is being looked for.
        identity: None,
    }
}

/// What is known of a journal that lost something.
#[derive(Clone, Copy)]
struct Known {
    /// So many bytes of it were on disk.
    had: u64,
    /// It does not read well.
    harmed: bool,
}

/// Joins what is good in the journal with what tables and stores keep, and puts it into the journal's
/// place, once it is longer than what was good, or was harmed and the tables hold no more, and has the bytes
/// that the journal had. Gives where the harmed one is kept, and the new head.
async fn mend(
    folder: &Path,
    helpers: Helpers<'_>,
    clock: &dyn Clock,
    ring: &Keyring,
    known: Known,
) -> Result<(PathBuf, Head), String> {
    let journal = folder.join(FILE_NAME);
    let mended = folder.join(MENDED);
    home::make_folder(&mended, 0o700)?;
    let coming = mended.join(FILE_NAME);
    let done = whole(&journal, &coming, helpers, ring, known).await;
    let done = done.and_then(|head| {
        let kept = keep(&journal, clock)?;
        // It has at least the length that is known, so that this holds whenever the daemon dies.
        fs::rename(&coming, &journal)
            .and_then(|()| fs::File::open(folder)?.sync_all())
            .map_err(|e| format!("{}: {e}", journal.display()))?;
        Ok((kept, head))
    });
    if let Err(error) = fs::remove_dir_all(&mended) {
        tracing::warn!(path = %mended.display(), %error, "it stays, and should go");
    }
    done
}

/// Writes a whole journal, if there is one; gives its head.
async fn whole(
    journal: &Path,
    coming: &Path,
    helpers: Helpers<'_>,
    ring: &Keyring,
    Known { had, harmed }: Known,
) -> Result<Head, String> {
    let told = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(coming)
        .map_err(told(coming))?;
    let mut to = BufWriter::new(file);
    let good = good_lines(journal, Head::GENESIS, &mut to).map_err(told(journal))?;
    let mut each = |line: &str| {
        let written = to
            .write_all(line.as_bytes())
            .and_then(|()| to.write_all(b"\n"));
        written.map_err(TablesError::Io)
    };
    let mut missing = Vec::new();
    let mut head = good;
    let mut none_after = false;
    match helpers.tables {
        None => missing.push("mydb_admin's password is not on this host".to_owned()),
        Some(tables) => match tables.from(good, &mut each).await {
            Ok(upto) => {
                head = upto;
                none_after = tables.last().await.is_ok_and(|last| last <= upto.seq);
            }
            Err(error) => missing.push(format!("mydb_admin: {}", daemon::chain(&error))),
        },
    }
    // Behind the harm there may be entries that came nowhere else.
    head = good_lines(journal, head, &mut to).map_err(told(journal))?;
    to.flush().map_err(told(coming))?;
    let length = || fs::metadata(coming).map(|found| found.len());
    let is_whole = |head: Head, len: u64| head != good && len >= had;
    let enough = is_whole(head, length().map_err(told(coming))?);
    if let Some(stores) = helpers.stores
        && (!enough || stores.ahead(&read_book(coming)?).await?.is_some())
    {
        if let Err(why) = stores.join(coming).await {
            missing.push(why);
        }
        head = read_book(coming)?.head();
        let mut more = fs::OpenOptions::new()
            .append(true)
            .open(coming)
            .map_err(told(coming))?;
        head = good_lines(journal, head, &mut more).map_err(told(journal))?;
    }
    let has = length().map_err(told(coming))?;
    // All that was ever on disk is good, and the tables know of no more: what lies behind it was no entry.
    let lacks_nothing = harmed && head == good && has == had && had > 0 && none_after;
    if !is_whole(head, has) && !lacks_nothing {
        missing.push(format!("nothing there follows entry {}", head.seq));
        return Err(missing.join("; "));
    }
    // Whoever is superuser there can write records, and chain them.
    believe_file(ring, coming)?;
    let file = fs::File::open(coming).and_then(|file| file.sync_all());
    file.map_err(told(coming))?;
    Ok(head)
}

/// What a journal says that was put together.
fn read_book(coming: &Path) -> Result<Book, String> {
    let folder = coming.parent().unwrap_or(coming);
    let (book, _) = read_offline(folder, 0).map_err(|e| daemon::chain(&e))?;
    Ok(book)
}

/// Gives a harmed journal another name beside its own, which nothing has yet.
pub(super) fn keep(journal: &Path, clock: &dyn Clock) -> Result<PathBuf, String> {
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
pub(super) fn good_lines(
    journal: &Path,
    mut head: Head,
    to: &mut dyn Write,
) -> std::io::Result<Head> {
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
