//! One step each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::admin::NewEntry;
use crate::engine::{self, ADMIN_SECRET, USER_SECRET};
use crate::model::container::LABEL_UID;
use crate::model::view::DatabaseView;
use crate::model::{Action, Change, ContainerSpec, Database, ImageRef, Lane, Outcome, Seen};
use crate::runtime::RuntimeError;

use super::{Executor, StepError, accounts, certificates, evidence, reload, secrets, trial};

pub(super) async fn carry_out(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
    action: &Action,
    shown: Option<&DatabaseView>,
) -> Result<(), StepError> {
    let recipe = engine::recipe(db.engine);
    match action {
        Action::PullImage(reference) => pull(exec, db, reference).await?,
        Action::PinImage(image) => {
            let change = Change::ImagePinned {
                uid: db.uid,
                image: image.clone(),
            };
            note(
                exec,
                db,
                format!("{} is {image}", db.image.reference),
                change,
            )
            .await?;
        }
        Action::IdentifyData(identity) => {
            let change = Change::DataIdentified {
                uid: db.uid,
                identity: identity.clone(),
            };
            note(exec, db, format!("its data is {identity}"), change).await?;
        }
        Action::PrepareData => exec.dirs.prepare(db).await?,
        Action::SetAsideHalfMade => {
            let place = exec.dirs.set_aside_half_made(db, exec.clock.now()).await?;
            let message = format!("half-made data was moved to {}", place.display());
            let change = Change::Acted {
                action: action.kind().to_owned(),
            };
            note(exec, db, message, change).await?;
        }
        Action::WriteFiles => {
            secrets::write(exec, db, recipe).await?;
            let mut files = trial::to_start(exec, db).await;
            files.certificate = certificates::ensure(exec, db).await?;
            exec.dirs.write_files(&exec.site, db, &files).await?
        }
        Action::TakeBack => trial::take_back(exec, db, lane).await?,
        Action::ProveSettings => trial::prove(exec, db).await?,
        Action::WriteSecrets => secrets::write(exec, db, recipe).await?,
        Action::Reload(settings) => reload::reload(exec, db, lane, settings).await?,
        Action::Create(spec) => create(exec, db, spec).await?,
        Action::Start(id) => exec.runtime.start(id).await?,
        Action::Unpause(id) => exec.runtime.unpause(id).await?,
        Action::Rename(id, name) => exec.runtime.rename(id, name).await?,
        Action::Update(id, limits) => exec.runtime.update(id, *limits).await?,
        Action::SetPolicy(id, policy) => exec.runtime.set_policy(id, *policy).await?,
        Action::Stop(id, how) => exec.runtime.stop(id, how).await?,
        Action::Remove(id) => exec.runtime.remove(id).await?,
        Action::EnsureAccount => {
            let db = &as_reached(exec, db, lane, None).await?;
            let admin = exec.vault.secret(db, ADMIN_SECRET)?;
            let user = exec.vault.secret(db, USER_SECRET)?;
            let target = recipe.target(db, &exec.site, admin);
            exec.servers
                .run(&target, &recipe.account_statements(db, &user))
                .await?;
            let login = recipe.user_target(db, &exec.site, user);
            accounts::logs_in(exec.servers.login(&login).await)?;
        }
        Action::MakeAccount(user) => accounts::make(exec, db, lane, user).await?,
        Action::DropAccount(user) => accounts::remove(exec, db, lane, user).await?,
        Action::RotateSecrets => {
            let reached = as_reached(exec, db, lane, None).await?;
            secrets::rotate(exec, &reached, recipe).await?;
        }
        Action::MarkInitialised => {
            exec.dirs.mark_initialised(db).await?;
            super::failpoint::failpoint("mark_initialised.between");
            let change = Change::Initialised { uid: db.uid };
            note(
                exec,
                db,
                "its first start is over: from now on it has data".to_owned(),
                change,
            )
            .await?;
        }
        Action::Quarantine(why) => quarantine(exec, db, why, shown).await?,
    }
    Ok(())
}

/// The database as its server is reached now: another port, or another `tls`, may wait for its
/// window. `settings` are those in force, where they are known already.
pub(super) async fn as_reached(
    exec: &Executor,
    db: &Database,
    lane: &Lane,
    settings: Option<&BTreeMap<String, String>>,
) -> Result<Database, StepError> {
    let container = match &lane.container {
        Some(id) => exec.runtime.inspect(id.as_str()).await?,
        None => None,
    };
    let reached = match &container {
        Some(container) => db.at_port_of(container, &exec.site),
        None => Cow::Borrowed(db),
    };
    if let Some(settings) = settings {
        return Ok(reached.as_in_force(settings).into_owned());
    }
    let wanted = engine::recipe(db.engine).named(db);
    match exec.dirs.files(&exec.site, db, &wanted, &[]).await {
        Seen::Present(files) => Ok(reached.as_in_force(&files.settings).into_owned()),
        // Without an answer, the wish is the best guess: the server says no to a wrong one.
        Seen::Absent | Seen::Unknown(_) => Ok(reached.into_owned()),
    }
}

pub(super) async fn note(
    exec: &Executor,
    db: &Database,
    message: String,
    change: Change,
) -> Result<(), StepError> {
    exec.ledger
        .append(NewEntry::of(&db.name, Outcome::Done, message, change))
        .await?;
    Ok(())
}

/// Gets the image. A database whose image is known by its id goes on with that one only: a tag that
/// moved meanwhile is reported, not followed.
async fn pull(exec: &Executor, db: &Database, reference: &ImageRef) -> Result<(), StepError> {
    exec.runtime.pull(reference.as_str()).await?;
    match &db.image.pinned {
        Some(pinned) if exec.runtime.image(pinned.as_str()).await?.is_none() => {
            Err(StepError::Runtime(RuntimeError::Pull {
                reference: reference.to_string(),
                message: format!(
                    "the tag names another image by now, and {pinned} is gone from this host; \
                     load that one, or set another `image`"
                ),
                unknown: true,
            }))
        }
        Some(_) | None => Ok(()),
    }
}

/// Creates the container, unless one with this uid turns up: an earlier call may have happened
/// although its answer was lost.
async fn create(exec: &Executor, db: &Database, spec: &ContainerSpec) -> Result<(), StepError> {
    let uid = db.uid.to_string();
    let all = exec.runtime.list().await?;
    if let Some(found) = all.iter().find(|c| c.labels.get(LABEL_UID) == Some(&uid)) {
        let why = format!("container {} with its uid exists already", found.name);
        return Err(StepError::Moved(why));
    }
    match exec.runtime.create(spec).await {
        Ok(_) => Ok(()),
        Err(RuntimeError::NotFound(why)) => {
            Err(StepError::Moved(format!("the image went away: {why}")))
        }
        Err(other) => Err(other.into()),
    }
}

/// Keeps the evidence, then records the quarantine. The container was stopped before.
async fn quarantine(
    exec: &Executor,
    db: &Database,
    why: &str,
    shown: Option<&DatabaseView>,
) -> Result<(), StepError> {
    let source = evidence::Source {
        runtime: exec.runtime.as_ref(),
        dirs: exec.dirs.as_ref(),
        site: &exec.site,
    };
    let place = evidence::keep(&source, db, exec.clock.now(), why, shown).await?;
    let message = format!("{why}; evidence is in {}", place.display());
    note(
        exec,
        db,
        message,
        Change::Quarantined {
            why: why.to_owned(),
        },
    )
    .await
}
