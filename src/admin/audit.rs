//! Whether the log is as it was written: the journal against its own chain and seals, the tables
//! against the journal.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::journal::{Head, MAX_LINE, Record, follow, read_line, seal_of, verify};
use super::ledger::{Ledger, LedgerError};
use super::tables::{LogRow, Tables, TablesError};
use super::vault::{Keyring, Proof};
use crate::model::audit::{Finding, Findings, NAMED};

/// Entries that are compared in one step.
const STEP: usize = 1024;
/// Entries whose rows are compared every few seconds.
const NEWEST: usize = 32;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The journal cannot be read: it is harmed itself.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The tables cannot be read.
    #[error(transparent)]
    Tables(#[from] TablesError),
}

/// Whether lines that lay elsewhere are this instance's; `last` is the last one of them, and each follows
/// the one before it. A seal covers all that came before it, so the last one speaks for all. Whoever can
/// write there can make lines and chain them, but seals only with a key that is not here.
///
/// Where there is no key at all, the chain alone counts: a lost key must not lose the history.
///
/// # Errors
/// When nobody with a key of this instance wrote it; for a person.
pub fn believe(ring: &Keyring, last: &[u8]) -> Result<(), String> {
    if ring.current().is_none() {
        return Ok(());
    }
    let entry = read_line(last).map_or(0, |record| record.entry.seq);
    let forged = |what: &str| {
        format!(
            "entry {entry} was not written by this daemon: {what}; nobody without the keys can seal one"
        )
    };
    match seal_of(last).map(|(seal, bytes)| ring.judge(seal, bytes)) {
        Some(Proof::Good) => Ok(()),
        Some(Proof::Wrong) => Err(forged("its seal is wrong")),
        None => Err(forged("it has no seal")),
        Some(Proof::NoKey(key)) => Err(format!(
            "entry {entry} is sealed with the key {key}, which is not among the keys here, so that nobody \
             can say who wrote it; put seal-{key}.key into keys/"
        )),
    }
}

/// Whether the key that a line is sealed with is among those here. A line without a seal needs none.
///
/// # Errors
/// The key that is missing; for a person.
pub fn knows_key(ring: &Keyring, line: &[u8]) -> Result<(), String> {
    let entry = read_line(line).map_or(0, |record| record.entry.seq);
    match seal_of(line).map(|(seal, bytes)| ring.judge(seal, bytes)) {
        Some(Proof::NoKey(key)) => Err(format!(
            "entry {entry} of the ledger is sealed with the key {key}, and keys/ has others or none: these are \
             not this ledger's keys, or that one is lost; nothing was written. Put seal-{key}.key into \
             keys/; without a copy, see docs/runbooks/lost-key.md"
        )),
        Some(Proof::Good | Proof::Wrong) | None => Ok(()),
    }
}

/// As [`believe`], of the records in a journal's file.
///
/// # Errors
/// As [`believe`], and when the file cannot be read.
pub fn believe_file(ring: &Keyring, path: &Path) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut reader = BufReader::new(File::open(path).map_err(told)?);
    let (mut line, mut last) = (Vec::new(), None);
    loop {
        line.clear();
        let mut part = reader.by_ref().take(MAX_LINE as u64 + 1024);
        if part.read_until(b'\n', &mut line).map_err(told)? == 0 {
            break;
        }
        // What is no record is none of the journal's.
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if verify(text).is_some() {
            last = Some(text.to_vec());
        }
    }
    last.map_or(Ok(()), |last| believe(ring, &last))
}

/// What was found of the journal.
#[derive(Debug, Default)]
pub struct Chain {
    /// Entries that were read.
    pub entries: u64,
    /// Of them, those whose seal is good.
    pub sealed: u64,
    /// What is not as it was written.
    pub findings: Findings,
    /// Keys that are missing, and the entries that nobody can judge without them.
    pub keys: BTreeMap<String, u64>,
}

impl Chain {
    /// Judges the next record.
    fn judge(&mut self, before: Head, record: &Record, ring: &Keyring) {
        self.entries += 1;
        let seq = record.entry.seq;
        let line = record.line.as_bytes();
        if follow(before, line).is_none() {
            let what = "the journal: it does not follow the entry before it";
            self.findings.add(Finding::new(seq, what));
        }
        match seal_of(line).map(|(seal, bytes)| ring.judge(seal, bytes)) {
            Some(Proof::Good) => self.sealed += 1,
            Some(Proof::NoKey(key)) => *self.keys.entry(key.to_string()).or_default() += 1,
            Some(Proof::Wrong) => {
                let what = "the journal: its seal is wrong, so it was not written by this daemon";
                self.findings.add(Finding::new(seq, what));
            }
            // What came before the first seal is from before there were any.
            None if self.sealed == 0 && self.keys.is_empty() => {}
            None => {
                let what = "the journal: it has no seal, so it was not written by this daemon";
                self.findings.add(Finding::new(seq, what));
            }
        }
    }
}

/// Judges every entry of the journal as it lies on the disk.
///
/// # Errors
/// When it cannot be read.
pub async fn journal(ledger: &Ledger, ring: &Keyring) -> Result<Chain, AuditError> {
    let (mut chain, mut at) = (Chain::default(), Head::GENESIS);
    loop {
        let records = ledger.on_disk(at.seq, STEP).await?;
        for record in &records {
            chain.judge(at, record, ring);
            at = record.head();
        }
        if records.len() < STEP {
            return Ok(chain);
        }
    }
}

/// Compares the rows of `log` with the journal, and where `records`, the ledger's records that are kept
/// beside them: harmed tables may have none. How many entries were compared, and what differs.
///
/// # Errors
/// When one of the two cannot be read.
pub async fn tables(
    ledger: &Ledger,
    tables: &mut Tables,
    records: bool,
) -> Result<(u64, Findings), AuditError> {
    let mut still = tables.still().await?;
    let mut findings = Findings::default();
    for id in still.strays(NAMED).await? {
        findings.add(stray(id));
    }
    let mut at = 0;
    while at < still.end {
        let entries = ledger.on_disk(at, STEP).await?;
        let Some(upto) = entries.last().map(|r| r.entry.seq.min(still.end)) else {
            let foreign = still.rows(at, still.end).await?;
            foreign.into_keys().for_each(|id| findings.add(stray(id)));
            break;
        };
        let rows = still.rows(at, upto).await?;
        let lines = match records {
            true => Some(still.lines(at, upto).await?),
            false => None,
        };
        let entries = entries.iter().filter(|r| r.entry.seq <= upto);
        compare(entries, &rows, lines.as_ref(), &mut findings);
        at = upto;
    }
    Ok((at, findings))
}

/// Compares the newest rows of `log`, and the records beside them, with the ledger: so few that it can be
/// done every few seconds.
///
/// # Errors
/// When one of the two cannot be read.
pub async fn newest(ledger: &Ledger, tables: &mut Tables) -> Result<Findings, AuditError> {
    let mut still = tables.still().await?;
    let mut findings = Findings::default();
    let after = still.end.saturating_sub(NEWEST as u64);
    let entries = ledger.records(after, NEWEST).await?;
    let rows = still.rows(after, still.end).await?;
    let lines = still.lines(after, still.end).await?;
    let upto = still.end;
    let known = entries.iter().filter(|r| r.entry.seq <= upto);
    compare(known, &rows, Some(&lines), &mut findings);
    Ok(findings)
}

/// What of these entries' rows, and of the records that are kept beside them, is not as it was written.
fn compare<'r>(
    entries: impl Iterator<Item = &'r Record>,
    rows: &BTreeMap<i64, LogRow>,
    lines: Option<&BTreeMap<i64, String>>,
    findings: &mut Findings,
) {
    for record in entries {
        let written = LogRow::of(record);
        let row = match rows.get(&written.id) {
            None => Some("its row of log is gone".to_owned()),
            Some(row) => row.differs(&written),
        };
        let line = lines.and_then(|lines| match lines.get(&written.id) {
            None => Some("the ledger's record of it is gone".to_owned()),
            Some(line) if *line != record.line => {
                Some("the ledger's record of it is another one".to_owned())
            }
            Some(_) => None,
        });
        for what in row.into_iter().chain(line) {
            let what = format!("mydb_admin: {what}");
            findings.add(Finding::new(record.entry.seq, what));
        }
    }
}

fn stray(id: i64) -> Finding {
    let what = format!("mydb_admin: log has a row {id}, and there is no such entry");
    Finding::new(u64::try_from(id).unwrap_or(0), what)
}

#[cfg(test)]
mod tests;
