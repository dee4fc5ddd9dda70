//! What is left of `mydb_admin` on a host that lost its memory. Its tables may hold more of the ledger than the
//! stores do; and a ledger that goes on otherwise than they did can never be brought into them again.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crate::admin::audit::believe_file;
use crate::admin::journal::{FILE_NAME, read_line};
use crate::admin::tables::{Access, last_record, records_from};
use crate::admin::{Book, Keyring, TablesError, Vault, read_offline};
use crate::engine::ADMIN_SECRET;
use crate::model::{Clock, DbName, MarkerState, SystemClock, Timestamp};
use crate::runtime::Runtime;
use crate::runtime::docker::Docker;
use crate::settings::Settings;

use super::from_docker::{Alive, alive, give_up};
use super::{daemon, home, witness};

/// What there is.
pub(super) enum Beside {
    /// Nothing that a ledger could meet.
    Nothing,
    /// Its server, whose tables have nothing more.
    Same,
    /// Its server, whose tables go on where the ledger ended. They are in it now.
    More {
        /// The ledger with them.
        book: Box<Book>,
        /// When its last entry was accepted.
        as_of: Timestamp,
    },
    /// Its data without a server that could be asked.
    Data(Box<Alive>),
}

/// Looks for it, and adds to the ledger in a folder what its tables hold beyond that.
///
/// # Errors
/// When there is a server that cannot be asked, or whose tables tell another history; nothing was changed.
pub(super) async fn look(
    settings: &Settings,
    instance: &str,
    book: &Book,
    coming: &Path,
) -> Result<Beside, String> {
    let admin = DbName::mydb_admin();
    let Some(row) = book.row(&admin) else {
        return Ok(Beside::Nothing);
    };
    let listed = Docker::connect(None).list().await;
    let known = listed.as_ref().map_or(Vec::new(), Clone::clone);
    let (found, _) = alive(settings, instance, known, &mut Vec::new())?;
    let found = found.into_iter().find(|a| {
        a.db.name == admin && a.db.uid == row.database.uid && a.state == MarkerState::Initialised
    });
    let Some(found) = found else {
        return Ok(Beside::Nothing);
    };
    if let Err(error) = listed {
        return Err(format!(
            "what is left of mydb_admin is in {}, and whether its server runs cannot be known: {}; nothing was \
             changed",
            found.db.data_dir().display(),
            daemon::chain(&error)
        ));
    }
    let Some(container) = &found.container else {
        return Ok(Beside::Data(Box::new(found)));
    };
    let name = container.name.clone();
    let asked = joined(settings, instance, book, coming).await;
    asked.map_err(|why| {
        format!(
            "mydb_admin's container {name} is still here, and its tables may hold more than the stores do, but \
             {why}; nothing was changed. If it is down, start it (docker start {name}), and then db4sci recover \
             again. To do without what it alone holds: docker rm -f {name} first; its data is kept"
        )
    })
}

/// Takes the old data out of the way of a ledger that goes on without it.
///
/// # Errors
/// When that cannot be done; for a person.
pub(super) async fn set_aside(settings: &Settings, found: &Alive) -> Result<(), String> {
    give_up(&Docker::connect(None), settings, found, SystemClock.now()).await
}

async fn joined(
    settings: &Settings,
    instance: &str,
    book: &Book,
    coming: &Path,
) -> Result<Beside, String> {
    let access = access(settings, instance, book)?;
    let chain = |e: TablesError| daemon::chain(&e);
    let last = last_record(&access).await.map_err(chain)?;
    let head = book.head();
    if last <= head.seq {
        return Ok(Beside::Same);
    }
    let path = coming.join(FILE_NAME);
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut to = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .map_err(told)?;
    let mut as_of = None;
    let mut each = |line: &str| {
        as_of = read_line(line.as_bytes()).map(|record| record.entry.at);
        let written = to
            .write_all(line.as_bytes())
            .and_then(|()| to.write_all(b"\n"));
        written.map_err(TablesError::Io)
    };
    let upto = records_from(&access, head, &mut each).await;
    let upto = upto.map_err(chain)?.seq;
    let (Some(as_of), true) = (as_of, upto == last) else {
        return Err(format!(
            "they hold {last} entries, which go on otherwise after entry {upto} than what the stores have"
        ));
    };
    let ring = Keyring::read(&home::keys(&settings.state_dir)).map_err(|e| e.to_string())?;
    believe_file(&ring, &path)?;
    let (book, _) = read_offline(coming, 0).map_err(|e| daemon::chain(&e))?;
    Ok(Beside::More {
        book: Box::new(book),
        as_of,
    })
}

/// How to reach it, with the password that the ledger keeps.
fn access(settings: &Settings, instance: &str, book: &Book) -> Result<Access, String> {
    let ring = Keyring::read(&home::keys(&settings.state_dir)).map_err(|e| e.to_string())?;
    let book = Arc::new(book.clone());
    let row = book.row(&DbName::mydb_admin());
    let db = row.map(|row| row.database.clone());
    let db = db.ok_or("the ledger does not know it")?;
    let vault = Vault::with(ring, move || book.clone());
    let password = vault.secret(&db, ADMIN_SECRET).map_err(|e| e.to_string())?;
    let site = settings.site(instance.to_owned());
    Ok(witness::reach(&db, &site, password))
}
