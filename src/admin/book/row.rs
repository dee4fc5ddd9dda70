//! What is known of one database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::account::FurtherAccounts;
use crate::model::action::START;
use crate::model::database::Source;
use crate::model::view::Phase;
use crate::model::{
    Away, Backup, BackupId, Cost, DataIdentity, Database, DbName, End, Hibernation, KeptSecrets,
    Measure, Override, Reason, Share, Timestamp, Told, Tombstone, Took, WantedState, Who,
};

/// Everything the ledger says about one database.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The last good spec, with all defaults. Shared: what most entries change of a row is not this.
    pub database: Arc<Database>,
    /// When that was admitted.
    pub admitted_at: Timestamp,
    /// When it was first admitted.
    pub created_at: Timestamp,
    /// What its owner and the admins were told.
    pub told: Told,
    /// The final backup that it hibernates on, if it does. Ended by whatever ends that measure.
    pub hibernates: Option<BackupId>,
    /// Its sealed secrets.
    pub secrets: KeptSecrets,
    /// Its accounts besides its own; those that were removed are remembered.
    pub accounts: FurtherAccounts,
    /// When the account's password was shown, and to whom. Ended by another password.
    pub password_shown: Option<(Timestamp, Who)>,
    /// Whether its first start was finished: it has data.
    pub initialised: bool,
    /// Since when, if it was.
    pub initialised_at: Option<Timestamp>,
    /// What the engine itself calls that data, once a server has answered on it. Ended by whatever puts
    /// other data in its place, and by a person's `Released`.
    pub identity: Option<DataIdentity>,
    /// Its backups, those of an earlier database of this name included. Their ids hold the name
    /// under which they were taken.
    pub backups: BTreeMap<BackupId, Backup>,
    /// The restore in place that is under way: what is restored, and where the data that was there
    /// is kept.
    pub restoring: Option<(BackupId, PathBuf)>,
    /// The name that it is getting, and where its spec comes from then. Ended by `Renamed`, or by
    /// `RenameEnded`.
    pub renaming: Option<(DbName, Source)>,
    /// Names that it had before, each with the entry that ended it.
    pub formerly: Vec<(DbName, u64)>,
    /// The backup that it is being made of: nobody touches it before its data is there.
    pub copying: Option<BackupId>,
    /// The folder that what it takes to run it is written to, while it is being released. Ended by
    /// `Ejected`, or by `EjectEnded`.
    pub ejecting: Option<PathBuf>,
    /// The folder with what it takes to run it, once it was released.
    pub ejected_to: Option<PathBuf>,
    /// The entry that its last backup was begun with; 0: none was.
    pub backup_begun: u64,
    /// The entries that those of its backups were begun with that were begun here.
    pub began: BTreeMap<BackupId, u64>,
    /// Whether lost data is to come back by itself, whatever the spec says. Ended by a restore, and by its
    /// first answer.
    pub recover: bool,
    /// Final backups that were begun before it was last said what is wanted of it: they are of no later
    /// retirement, whatever the clock says.
    pub earlier_finals: BTreeSet<BackupId>,
    /// Since when it is retired, and with which final backup. Ended by another wanted state.
    pub retired: Option<(Timestamp, Option<BackupId>)>,
    /// Whether the stores say so, too.
    pub tombstone: Tombstone,
    /// How far it is gone, long after it was retired.
    pub end: Option<End>,
    /// When the last override ended.
    pub resumed_at: Option<Timestamp>,
    /// A person's override in force. Ended by `Resumed`, never by the clock alone.
    pub over: Option<Override>,
    /// Hands off the whole host: the same for all rows. Ended by `HandsOn`, never by the clock alone.
    pub host: Option<Override>,
    /// What a person let go. Ended when its steps have ended well, by another spec, or when it is void.
    pub approved: Option<Approved>,
    /// The approval that the steps last begun go by. A daemon that died meanwhile goes on with it.
    pub under: Option<String>,
    /// When a step that takes its server away was last begun while that answered.
    pub disrupted_at: Option<Timestamp>,
    /// Since when it is away, and why, as far as its next answer measures that.
    pub away: Option<(Away, Timestamp)>,
    /// How long it was away the last times, oldest first.
    pub took: Vec<Took>,
    /// Since when and why it is left alone. Ended by `Released`.
    pub quarantined: Option<(Timestamp, String)>,
    /// Problems of a newer spec that was refused. Ended by a good one.
    pub refused: Option<Vec<String>>,
    /// The file that a person released its spec from: no file changes it by coming back. Ended by one that
    /// is taken, as it says what is in force.
    pub left_file: Option<PathBuf>,
    /// The phase last observed.
    pub phase: Phase,
    /// Its reason.
    pub reason: Option<Reason>,
    /// One line about it.
    pub message: String,
    /// Since when that is so.
    pub since: Timestamp,
    /// When a person last asked for a restart. Ended by the next start, whatever the clock says
    /// about the two.
    pub restart_asked: Option<Timestamp>,
    /// When a person last asked to forget failed attempts.
    pub retry_asked: Option<Timestamp>,
}

impl Row {
    /// A database that was just admitted.
    pub fn new(database: Database, at: Timestamp) -> Self {
        Row {
            database: Arc::new(database),
            admitted_at: at,
            created_at: at,
            told: Told::default(),
            hibernates: None,
            secrets: KeptSecrets::new(),
            accounts: FurtherAccounts::new(),
            password_shown: None,
            initialised: false,
            initialised_at: None,
            identity: None,
            backups: BTreeMap::new(),
            restoring: None,
            renaming: None,
            formerly: Vec::new(),
            copying: None,
            ejecting: None,
            ejected_to: None,
            backup_begun: 0,
            began: BTreeMap::new(),
            recover: false,
            earlier_finals: BTreeSet::new(),
            retired: None,
            tombstone: Tombstone::None,
            end: None,
            resumed_at: None,
            over: None,
            host: None,
            approved: None,
            under: None,
            disrupted_at: None,
            away: None,
            took: Vec::new(),
            quarantined: None,
            refused: None,
            left_file: None,
            phase: Phase::Pending,
            reason: None,
            message: String::new(),
            since: at,
            restart_asked: None,
            retry_asked: None,
        }
    }

    /// Another spec is in force.
    pub(super) fn replace(&mut self, database: Database) {
        match (&self.database.source, &database.source) {
            (_, Source::File(_)) => self.left_file = None,
            (Source::File(path), Source::Row | Source::Api) => self.left_file = Some(path.clone()),
            (Source::Row | Source::Api | Source::Builtin, Source::Row | Source::Api)
            | (_, Source::Builtin) => {}
        }
        self.database = Arc::new(database);
        self.enforce();
    }

    /// The word over the spec that is in force: the host's goes before its own.
    pub fn word(&self) -> Option<&Override> {
        self.host.as_ref().or(self.over.as_ref())
    }

    /// The state that is in force: the host's, the override's, hibernation's, otherwise the spec's.
    pub fn wanted(&self) -> WantedState {
        match self.host {
            Some(_) => WantedState::Maintenance,
            None if matches!(self.hibernation(), Hibernation::Done(_)) => WantedState::Stopped,
            None => self.steered(),
        }
    }

    /// Whether its passwords are of use: those of data that was removed open nothing any more, and their
    /// files went with it.
    pub fn has_secrets(&self) -> bool {
        !matches!(self.end, Some(End::Removed(_)))
    }

    /// The state that is in force once hands are off the host no more.
    pub fn steered(&self) -> WantedState {
        use crate::model::OverrideState;
        match self.over.as_ref().map(|over| over.state) {
            Some(OverrideState::Running) => WantedState::Running,
            Some(OverrideState::Stopped) => WantedState::Stopped,
            Some(OverrideState::Maintenance) => WantedState::Maintenance,
            None => self.database.state,
        }
    }

    /// Since when it is to be retired, if it is: whatever it was before, an override that ended since
    /// let it be written to.
    pub fn retire_asked(&self) -> Timestamp {
        self.resumed_at
            .map_or(self.admitted_at, |at| at.max(self.admitted_at))
    }

    /// It is said anew what is wanted of it.
    pub(super) fn forget_finals(&mut self) {
        let last = self.backups.values().filter(|b| b.kind.is_last());
        self.earlier_finals = last.map(|b| b.id.clone()).collect();
    }

    /// Why nothing can be wanted of a database that is gone, or on its way.
    pub fn gone(&self) -> Option<String> {
        let name = &self.database.name;
        let back = match &self.retired {
            Some((_, Some(last))) => {
                format!("its last backup is {last}: db4sci restore {name} --from {last} --as NEW")
            }
            Some((_, None)) | None => "it never had data".to_owned(),
        };
        Some(match self.end? {
            End::Removing => {
                format!("`{name}` was retired, and its data is being removed; {back}")
            }
            End::Removed(at) => format!(
                "`{name}` was retired, and its data removed at {}; {back}. To let another database \
                 have the name: db4sci delete {name} --forget",
                at.format("%F %T UTC")
            ),
            End::Ejected(at) => self.ejected(at),
        })
    }

    /// What it takes of its owner's limits: nothing once it is gone, or released.
    pub fn share(&self) -> Option<Share> {
        match self.end {
            Some(_) => None,
            None => Share::of(&self.database),
        }
    }

    /// Why no override can be put over it: what a retired database would write is in no final backup.
    pub fn over_refused(&self) -> Option<String> {
        let name = &self.database.name;
        let retired = self
            .retired
            .as_ref()
            .map(|_| format!("`{name}` is retired; take it back first: db4sci undelete {name}"));
        self.gone()
            .or(retired)
            .or_else(|| self.on_its_way())
            .or_else(|| self.host_refused())
    }

    /// Why nothing is wanted of it now, if hands are off the whole host.
    pub fn host_refused(&self) -> Option<String> {
        let by = self.host.as_ref()?;
        let why = if by.reason.is_empty() {
            String::new()
        } else {
            format!(" ({})", by.reason)
        };
        Some(format!(
            "hands are off the whole host since {}, by {}{why}; first: db4sci maintenance off --all",
            by.since.format("%F %T UTC"),
            by.who
        ))
    }

    /// Brings what its server is held to in line with what was told about its life.
    pub(super) fn enforce(&mut self) {
        let measure = self.told.measure();
        let read_only = measure >= Some(Measure::ReadOnly);
        if self.database.read_only != read_only {
            Arc::make_mut(&mut self.database).read_only = read_only;
        }
        if measure != Some(Measure::Hibernation) {
            self.hibernates = None;
        }
    }

    /// Whether its users are held to reading, or it hibernates, or would if no person wanted it to
    /// run.
    pub fn held_back(&self) -> bool {
        let woken = self.told.enforced.is_some() && self.over.is_some();
        woken || self.told.measure() >= Some(Measure::ReadOnly)
    }

    /// How far its hibernation is. A person's word over the spec goes before it.
    pub fn hibernation(&self) -> Hibernation<'_> {
        let of_now = self.word().is_none() && self.database.state == WantedState::Running;
        let asked = self
            .told
            .enforced
            .filter(|e| e.measure == Measure::Hibernation);
        match (&self.hibernates, asked) {
            _ if !of_now => Hibernation::None,
            (_, None) => Hibernation::None,
            (Some(backup), Some(_)) => Hibernation::Done(backup),
            (None, Some(asked)) => Hibernation::Asked(asked.since),
        }
    }

    /// Takes notice of steps that are about to be taken.
    pub(super) fn begin(&mut self, at: Timestamp, approval: Option<&String>, cost: Option<Cost>) {
        self.under = approval.cloned();
        if cost.is_some() {
            self.disrupted_at = Some(at);
        }
        match cost {
            Some(Cost::Restart) => self.away = Some((Away::Restart, at)),
            Some(Cost::Recreate) => self.away = Some((Away::Recreate, at)),
            Some(Cost::Stop | Cost::None) => self.away = None,
            None if !self.initialised && self.away.is_none() => {
                self.away = Some((Away::Create, at));
            }
            None => {}
        }
    }

    /// Takes notice of a backup that begins. One that is begun while its server is down although it had
    /// data is what it is down for: the others are taken of a server that answers.
    pub(super) fn begin_backup(&mut self) {
        if self.phase == Phase::Degraded && self.initialised && self.away.is_none() {
            self.away = Some((Away::Rest, self.since));
        }
    }

    /// Takes notice of the last step of a lane: what it went by is used up.
    pub(super) fn end_lane(&mut self, action: &str) {
        if action == START {
            self.restart_asked = None;
        }
        if let Some(under) = self.under.take() {
            self.approved.take_if(|approved| approved.hash == under);
        }
    }

    /// Takes notice of what it is from now on.
    pub(super) fn observe(
        &mut self,
        at: Timestamp,
        phase: Phase,
        reason: Option<Reason>,
        message: &str,
    ) {
        if (self.phase, self.reason) != (phase, reason) {
            self.since = at;
        }
        (self.phase, self.reason) = (phase, reason);
        message.clone_into(&mut self.message);
        // What is lost after that is another loss, which nobody has decided about.
        self.recover &= phase != Phase::Ready;
        self.measure(at, phase);
    }

    /// An answer ends what is measured, and what somebody must mend first is no measure.
    fn measure(&mut self, at: Timestamp, phase: Phase) {
        match phase {
            Phase::Ready => {
                let Some((why, since)) = self.away.take() else {
                    return;
                };
                let millis = (at - since).num_milliseconds();
                // A clock that was set back measures nothing.
                let Ok(millis) = u64::try_from(millis) else {
                    return;
                };
                let seconds = u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX);
                self.took.push(Took { why, seconds });
                let same = self.took.iter().filter(|t| t.why == why).count();
                if same > REMEMBERED
                    && let Some(oldest) = self.took.iter().position(|t| t.why == why)
                {
                    self.took.remove(oldest);
                }
            }
            Phase::Pending | Phase::Creating | Phase::Degraded => {}
            Phase::Stopped
            | Phase::Maintenance
            | Phase::Restoring
            | Phase::Held
            | Phase::Retired
            | Phase::Ejected => self.away = None,
        }
    }
}

/// How many times of each kind are remembered.
const REMEMBERED: usize = 5;

/// A person's leave for steps that would wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The steps' hash.
    pub hash: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: Who,
}
