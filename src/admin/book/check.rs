//! The rules of admission: what a new entry must agree with.

use std::ops::Range;

use super::{Book, NewEntry, Row};
use crate::model::{
    Change, Database, DbName, End, Hibernation, Outcome, Override, Reason, Source, Timestamp, Uid,
    WantedState, Who,
};

/// Whether an end is the end of the word that is in force: a person may have said another one while the time of
/// the one before ran out.
fn is_of(since: Option<Timestamp>, word: Option<&Override>) -> Result<(), String> {
    match since {
        Some(since) if word.is_none_or(|word| word.since != since) => {
            Err("the word whose time is over is not in force any more".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

impl Book {
    /// Whether a new entry may be accepted.
    ///
    /// # Errors
    /// Why not, for a person. Nothing is changed either way.
    pub fn check(&self, new: &NewEntry) -> Result<(), String> {
        match &new.change {
            Change::Admitted { database } => self.check_admitted(new, database),
            Change::ImagePinned { uid, .. }
            | Change::Sealed { uid, .. }
            | Change::SecretsTaken { uid, .. }
            | Change::Initialised { uid }
            | Change::Inspected { uid, .. }
            | Change::RestoreEnded { uid }
            | Change::RecoverAsked { uid }
            | Change::RenameEnded { uid }
            | Change::Noticed { uid, .. }
            | Change::EjectEnded { uid }
            | Change::TombstoneSet { uid }
            | Change::TombstoneTaken { uid } => self.check_uid(new, *uid),
            Change::PasswordShown { uid, .. }
            | Change::AccountWanted { uid, .. }
            | Change::AccountMade { uid, .. }
            | Change::AccountUnwanted { uid, .. }
            | Change::AccountGone { uid, .. } => {
                self.check_uid(new, *uid)?;
                self.check_account(new)
            }
            Change::DataIdentified { uid, identity } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                let name = &row.database.name;
                match &row.identity {
                    _ if row.restoring.is_some() => Err(format!(
                        "other data is being put in the place of `{name}`'s; its identity is not known"
                    )),
                    Some(known) if known != identity => Err(format!(
                        "the data of `{name}` is {known}; it cannot become {identity}"
                    )),
                    Some(_) | None => Ok(()),
                }
            }
            Change::RestoreBegan { uid, .. } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                let refused = row.gone().or_else(|| row.on_its_way());
                let refused = refused.or_else(|| row.host_refused());
                refused.map_or(Ok(()), Err)
            }
            Change::RemovalBegan { uid } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                let name = &row.database.name;
                if let Some(why) = row.host_refused() {
                    return Err(format!("the data of `{name}` stays: {why}"));
                }
                match (&row.retired, row.wanted()) {
                    _ if row.end.is_some() => Err(format!("`{name}` is being removed already")),
                    (Some(_), WantedState::Retired) => Ok(()),
                    // Wanted again, or under an override: its data stays.
                    _ => Err(format!("`{name}` is not retired; its data is not removed")),
                }
            }
            Change::Removed { uid } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                match row.end {
                    Some(End::Removing) => Ok(()),
                    _ => Err(format!("`{}` is not being removed", row.database.name)),
                }
            }
            Change::Forgotten { uid } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                match row.end {
                    Some(End::Removed(_) | End::Ejected(_)) => Ok(()),
                    _ => Err(format!(
                        "the data of `{}` was not removed, so its name is not free",
                        row.database.name
                    )),
                }
            }
            Change::StartedOver { uid } => {
                self.check_uid(new, *uid)?;
                match &new.name {
                    Some(name) if name.is_mydb_admin() => Ok(()),
                    _ => Err(
                        "only mydb_admin may begin anew: what others held is nowhere else"
                            .to_owned(),
                    ),
                }
            }
            Change::Retired { uid, .. } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                // Wanted again while its final backup was proven, perhaps by an override: it goes on.
                match row.wanted() {
                    WantedState::Retired => Ok(()),
                    WantedState::Running | WantedState::Stopped | WantedState::Maintenance => Err(
                        format!("`{}` is not to be retired any more", row.database.name),
                    ),
                }
            }
            Change::Hibernated { uid, .. } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                if let Some(why) = row.host_refused() {
                    return Err(why);
                }
                match row.hibernation() {
                    Hibernation::Asked(_) => Ok(()),
                    // Woken while its final backup was proven: it goes on.
                    Hibernation::None | Hibernation::Done(_) => Err(format!(
                        "`{}` is not to hibernate any more",
                        row.database.name
                    )),
                }
            }
            // Backups outlive their database: those of an earlier uid are removed, too.
            Change::Backup { backup } => {
                self.check_backup(new, backup.uid, &backup.id)?;
                self.check_kept(new, backup)
            }
            Change::BackupRemoved { uid, id } => self.check_backup(new, *uid, id),
            Change::RenameBegan { uid, to, .. } => {
                self.check_uid(new, *uid)?;
                let old = &self.check_row(new)?.database.name;
                self.rename_refused(old, to).map_or(Ok(()), Err)
            }
            Change::EjectBegan { uid, .. } => {
                self.check_uid(new, *uid)?;
                let name = &self.check_row(new)?.database.name;
                self.eject_refused(name).map_or(Ok(()), Err)
            }
            Change::Ejected { uid, to } => {
                self.check_uid(new, *uid)?;
                match self.check_row(new)? {
                    row if row.ejecting.as_ref() == Some(to) => Ok(()),
                    row => Err(format!(
                        "`{}` is not being released to {}",
                        row.database.name,
                        to.display()
                    )),
                }
            }
            Change::Renamed { from, database } => self.check_renamed(new, from, database),
            Change::CopyBegan { uid, .. } => {
                self.check_uid(new, *uid)?;
                match self.check_row(new)? {
                    row if row.initialised => Err(format!(
                        "`{}` has data; a copy is made under a name of its own",
                        row.database.name
                    )),
                    _ => Ok(()),
                }
            }
            Change::CopyEnded { uid } => {
                self.check_uid(new, *uid)?;
                match self.check_row(new)? {
                    row if row.copying.is_none() => {
                        Err(format!("`{}` is no copy on its way", row.database.name))
                    }
                    row if row.initialised != (new.outcome == Outcome::Done) => Err(format!(
                        "`{}`: a copy ends well when it has its data, and only then",
                        row.database.name
                    )),
                    _ => Ok(()),
                }
            }
            Change::SecretsOffered { uid, secrets } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                // Sealing anew under another key offers the same ones again.
                let changing = row.secrets.values().any(|kept| kept.next.is_some());
                let anew = secrets.iter().all(|(name, sealed)| {
                    let next = row.secrets.get(name).and_then(|kept| kept.next.as_ref());
                    next.is_some_and(|next| next.key != sealed.key)
                });
                if changing && !anew {
                    return Err(format!(
                        "the passwords of `{}` are being changed already; it ends when its server answers",
                        row.database.name
                    ));
                }
                match secrets.keys().find(|name| !row.secrets.contains_key(*name)) {
                    Some(unknown) => Err(format!("there is no secret `{unknown}` to change yet")),
                    None => Ok(()),
                }
            }
            Change::Overridden { .. } | Change::RestartAsked => {
                let row = self.check_row(new)?;
                row.over_refused().map_or(Ok(()), Err)
            }
            Change::Resumed { since } => {
                let row = self.check_row(new)?;
                is_of(*since, row.over.as_ref())?;
                // Whose time is over is the daemon's to end at any time.
                let refused = row.host_refused().filter(|_| new.who != Who::Daemon);
                refused.map_or(Ok(()), Err)
            }
            Change::RetryAsked => {
                let row = self.check_row(new)?;
                let name = &row.database.name;
                match &row.quarantined {
                    // Other data was brought: that is an answer to what was wrong.
                    Some(_) if new.who != Who::Daemon => Err(format!(
                        "`{name}` is quarantined, and `retry` does not end that: read why (db4sci \
                         logs {name}), mend the cause, then: db4sci release {name} --reason TEXT"
                    )),
                    Some(_) | None => Ok(()),
                }
            }
            Change::Released { reason } => {
                let row = self.check_row(new)?;
                let name = &row.database.name;
                // Data that was put there by hand, and is called by another identity.
                let foreign = row.reason == Some(Reason::DataForeign) && row.identity.is_some();
                if row.quarantined.is_none() && !foreign {
                    return Err(format!(
                        "`{name}` is not quarantined: it is {}; there is nothing to release. Failed \
                         attempts are forgotten by: db4sci retry {name}",
                        row.phase
                    ));
                }
                if reason.trim().is_empty() {
                    return Err(format!(
                        "a release needs a reason, for the log: db4sci release {name} --reason TEXT"
                    ));
                }
                Ok(())
            }
            Change::Approved { uid, hash } => {
                self.check_uid(new, *uid)?;
                let row = self.check_row(new)?;
                match &row.approved {
                    Some(before) if before.hash == *hash => Err(format!(
                        "{hash} of `{}` is approved already, by {} at {}",
                        row.database.name,
                        before.who,
                        before.at.format("%F %T UTC")
                    )),
                    Some(_) | None => row.gone().map_or(Ok(()), Err),
                }
            }
            Change::ApprovalVoided { uid, .. } => self.check_uid(new, *uid),
            Change::HandsOff { .. } | Change::HandsOn { .. } if new.name.is_some() => Err(
                "hands are off the whole host, or on it: the entry names no database".to_owned(),
            ),
            Change::HandsOff { .. } => Ok(()),
            Change::HandsOn { since } => match self.host() {
                Some(word) => is_of(*since, Some(word)),
                None => Err(
                    "hands are not off the host; what is in maintenance by itself: db4sci get"
                        .to_owned(),
                ),
            },
            Change::AuditAcknowledged { .. } if self.log_harms().is_empty() => Err(
                "there is no harm of the log to acknowledge; what differs now: db4sci audit verify"
                    .to_owned(),
            ),
            Change::AuditAcknowledged { reason } if reason.trim().is_empty() => Err(
                "an acknowledgement needs a reason, for the log: db4sci audit acknowledge --reason TEXT"
                    .to_owned(),
            ),
            Change::AuditAcknowledged { .. }
            | Change::LogHarmed { .. }
            | Change::HistoryChosen { .. } => Ok(()),
            Change::Quarantined { .. } | Change::Observed { .. } => self.check_row(new).map(|_| ()),
            // A refused spec, a failed attempt or a note may concern what was never admitted.
            Change::SpecRefused { .. }
            | Change::Intended { .. }
            | Change::Acted { .. }
            | Change::Noted => Ok(()),
        }
    }

    pub(super) fn check_row(&self, new: &NewEntry) -> Result<&Row, String> {
        let kind = new.change.kind();
        let name = new
            .name
            .as_ref()
            .ok_or_else(|| format!("`{kind}` must name a database"))?;
        self.row(name)
            .ok_or_else(|| format!("there is no database `{name}`"))
    }

    fn check_uid(&self, new: &NewEntry, uid: Uid) -> Result<(), String> {
        let row = self.check_row(new)?;
        let has = row.database.uid;
        if has == uid {
            Ok(())
        } else {
            let name = &row.database.name;
            Err(format!(
                "`{name}` has uid {has}; what was done belongs to uid {uid}"
            ))
        }
    }

    fn check_admitted(&self, new: &NewEntry, database: &Database) -> Result<(), String> {
        let name = &database.name;
        if new.name.as_ref() != Some(name) {
            return Err(format!("the entry does not carry the name `{name}`"));
        }
        if name.is_mydb_admin() != (database.source == Source::Builtin) {
            return Err(format!(
                "`{}` is DB4Sci's own database; no spec may take its name",
                DbName::mydb_admin()
            ));
        }
        let earlier = self.row(name);
        if let Some(why) = earlier.and_then(Row::gone) {
            return Err(why);
        }
        if let Some(why) = earlier.and_then(Row::on_its_way) {
            return Err(why);
        }
        // Two of one identity would be two on one data folder.
        let mut others = self.rows().filter(|(other, _)| *other != name);
        if let Some((other, _)) = others.find(|(_, row)| row.database.uid == database.uid) {
            return Err(format!("uid {} is `{other}`'s", database.uid));
        }
        if earlier.is_none()
            && let Some(why) = self.name_taken(name)
        {
            return Err(why);
        }
        match earlier.map(|row| &row.database) {
            Some(old) if old.uid != database.uid => {
                return Err(format!(
                    "`{name}` has uid {}; it cannot become {}",
                    old.uid, database.uid
                ));
            }
            Some(old) if database.generation <= old.generation => {
                return Err(format!(
                    "`{name}` is at generation {}; generation {} is old: look again, and repeat \
                     the change",
                    old.generation, database.generation
                ));
            }
            None if database.generation == 0 => {
                return Err(format!("`{name}`: generations count from 1"));
            }
            Some(_) | None => {}
        }
        self.check_ports(database)
    }

    fn check_ports(&self, database: &Database) -> Result<(), String> {
        let wanted = ports(database);
        if wanted.end > u32::from(u16::MAX) + 1 {
            return Err(format!(
                "port {} and the {} ports that follow it do not fit below 65536",
                database.port,
                database.layout.ports.len().saturating_sub(1)
            ));
        }
        if database.state == WantedState::Retired {
            return Ok(());
        }
        let taken = self.rows().map(|(_, row)| &row.database).find(|other| {
            let theirs = ports(other);
            other.name != database.name
                && other.state != WantedState::Retired
                && theirs.start < wanted.end
                && wanted.start < theirs.end
        });
        match taken {
            None => Ok(()),
            Some(other) => Err(format!(
                "port {} belongs to `{}`; choose another one, or leave `port` out",
                database.port, other.name
            )),
        }
    }
}

fn ports(database: &Database) -> Range<u32> {
    let first = u32::from(database.port.get());
    let count = u32::try_from(database.layout.ports.len()).unwrap_or(u32::MAX);
    first..first.saturating_add(count)
}
