//! Stillness: where nothing changes any more, nothing is done. Neither by the reconciler nor by the desk, by
//! this daemon or the next one, while a store is away, or when the clock was set back: time alone makes
//! backups due, and those may be taken, tested and let go.

use chrono::TimeDelta;

use db4sci::model::{Change, Entry, Outcome};

use crate::host::Host;
use crate::rng::Rng;
use crate::shelf::Troubles;

/// How long it is watched after each thing that is no change.
const WATCHED: TimeDelta = TimeDelta::minutes(6);
/// Looks at whether it has come to rest, at most.
const LOOKS: usize = 30;

/// Why a certificate is made anew when the clock was set back behind its beginning.
const NOT_YET: &str = "its certificate is not valid yet";

type Done = Result<(), String>;

/// Whether an entry is of what time alone makes due, or says once more what is known. What is tried in vain
/// is told by each daemon, and nothing is done about it.
fn of_time(entry: &Entry) -> bool {
    let told = entry.outcome != Outcome::Done;
    told || matches!(
        entry.change,
        Change::Backup { .. }
            | Change::BackupRemoved { .. }
            | Change::Inspected { .. }
            | Change::Observed { .. }
    ) || is_remark(entry)
}

/// Whether a daemon says what a store does not list: each one does, once.
fn is_remark(entry: &Entry) -> bool {
    let what = "does not list what it should hold";
    matches!(entry.change, Change::Noted) && entry.message.contains(what)
}

/// What was done and written since an entry, other than that.
async fn done_since(host: &Host, seq: u64) -> Result<Vec<String>, String> {
    let ledger = &host.daemon.ledger;
    let new = ledger.book().head().seq.saturating_sub(seq);
    let most = usize::try_from(new).unwrap_or(usize::MAX);
    let records = match most {
        0 => Vec::new(),
        most => ledger.records(seq, most).await.map_err(|e| e.to_string())?,
    };
    let entries = records.iter().filter(|r| !of_time(&r.entry));
    let entries = entries.map(|r| r.entry.message.clone());
    let calls = host.journal.iter().map(|line| line.text.clone());
    Ok(entries.chain(calls).collect())
}

/// Watches it for a while; gives what was done.
async fn watch(host: &mut Host, time: TimeDelta) -> Result<Vec<String>, String> {
    host.journal.clear();
    let seq = host.daemon.ledger.book().head().seq;
    host.pass(time).await?;
    done_since(host, seq).await
}

/// All is where its wish leads to: nothing more is done.
pub async fn still(host: &mut Host) -> Done {
    let mut last = vec!["nothing yet".to_owned()];
    for _ in 0..LOOKS {
        last = watch(host, TimeDelta::minutes(1)).await?;
        if last.is_empty() {
            break;
        }
        host.approve_what_needs_it().await?;
    }
    if let Some(done) = last.first() {
        return Err(format!("it does not come to rest: {done}"));
    }
    for what in [
        "time passes",
        "a new daemon",
        "a store is away",
        "the clock is set back",
    ] {
        host.tell(format!("still: {what}"));
        match what {
            "a new daemon" => host.crash().await?,
            "a store is away" => away(host, true),
            "the clock is set back" => host.world.clock().jump(TimeDelta::hours(-5)),
            _ => {}
        }
        let mut done = watch(host, WATCHED).await?;
        // A certificate of later than now is refused by every client: that one is made anew, once.
        if done.iter().any(|done| done.contains(NOT_YET)) {
            only_certificates(&done)?;
            done = watch(host, WATCHED).await?;
        }
        away(host, false);
        if let Some(done) = done.first() {
            return Err(format!("nothing changed ({what}), and then: {done}"));
        }
    }
    // Back where it was.
    host.world.clock().jump(TimeDelta::hours(5));
    host.pass(TimeDelta::minutes(1)).await
}

/// Nothing else was done than to give servers another certificate while they run.
fn only_certificates(done: &[String]) -> Done {
    let steps = ["write_secrets ", "write_files ", "run "];
    let other = done.iter().find(|done| {
        let step = steps.iter().any(|step| done.starts_with(step));
        !step && !done.contains(NOT_YET)
    });
    other.map_or(Ok(()), |done| {
        Err(format!("the clock is set back, and then: {done}"))
    })
}

/// The first of the stores is away, or back.
fn away(host: &mut Host, away: bool) {
    let Some(books) = &host.books else { return };
    if let Some(store) = books.shelf.stores.values().next() {
        let troubles = Troubles {
            away,
            ..Troubles::default()
        };
        store.set(troubles, Rng::new(1));
    }
}
