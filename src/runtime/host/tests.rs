use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use chrono::DateTime;
use tempfile::TempDir;

use super::*;
use crate::model::trial::{Earlier, Refused, Trial};
use crate::model::{
    DataIdentity, IdentityFile, Marker, MarkerState, SecretFile, SecretKind, SecretText, Uid,
};
use crate::runtime::NamedFolder;
use crate::runtime::fixture::{database, site};

mod guard;

/// A volume, a state directory and one database.
struct Place {
    temp: TempDir,
    dirs: HostDirs,
    site: Site,
    db: Database,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (volume, state_dir) = (temp.path().join("volume"), temp.path().join("state"));
        fs::create_dir(&volume).unwrap();
        fs::create_dir(&state_dir).unwrap();
        Place {
            dirs: HostDirs::new(&state_dir),
            site: site(&state_dir),
            db: database("genomics", &volume),
            temp,
        }
    }

    fn data(&self) -> PathBuf {
        self.db.data_dir().join("data")
    }

    async fn present(&self) -> DataSeen {
        match self.dirs.look(&self.db, None).await {
            Seen::Present(seen) => seen,
            other => panic!("{other:?}"),
        }
    }

    async fn unknown(&self) -> String {
        match self.dirs.look(&self.db, None).await {
            Seen::Unknown(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// As after the first Ready.
    async fn initialised() -> Self {
        let place = Place::new();
        place.dirs.prepare(&place.db).await.unwrap();
        fs::write(place.data().join("PG_VERSION"), "17\n").unwrap();
        place.dirs.mark_initialised(&place.db).await.unwrap();
        place
    }
}

fn now() -> Timestamp {
    DateTime::from_timestamp(1_795_363_378, 0).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn refusal(error: DirError) -> String {
    match error {
        DirError::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_place_is_prepared_and_marked() {
    let place = Place::new();
    assert!(place.dirs.look(&place.db, None).await.is_absent());
    place.dirs.prepare(&place.db).await.unwrap();
    assert_eq!(
        place.present().await,
        DataSeen {
            marker: Some(Marker {
                uid: place.db.uid,
                state: MarkerState::Initialising
            }),
            dirs_exist: true,
            empty: true,
            sentinel: false,
            inner_uid: None,
            identity: None,
            tight: None,
        }
    );
    assert_eq!(mode(&place.data()), 0o700);
    place.dirs.prepare(&place.db).await.unwrap();
}

#[tokio::test]
async fn a_prepared_lock_is_never_replaced() {
    let place = Place::new();
    place.dirs.prepare(&place.db).await.unwrap();
    let lock = place.db.marker_dir().join("lock");
    let before = fs::metadata(&lock).unwrap().ino();
    place.dirs.prepare(&place.db).await.unwrap();
    assert_eq!(fs::metadata(&lock).unwrap().ino(), before);
}

#[tokio::test]
async fn marking_puts_the_uid_inside_and_may_be_repeated() {
    let place = Place::initialised().await;
    place.dirs.mark_initialised(&place.db).await.unwrap();
    let seen = place.present().await;
    assert_eq!(seen.marker.unwrap().state, MarkerState::Initialised);
    assert_eq!(seen.inner_uid, Some(place.db.uid));
    assert!(seen.sentinel && !seen.empty);
}

#[tokio::test]
async fn our_own_file_alone_is_an_empty_folder() {
    let place = Place::initialised().await;
    fs::remove_file(place.data().join("PG_VERSION")).unwrap();
    let seen = place.present().await;
    assert!(seen.empty && !seen.sentinel);
}

#[tokio::test]
async fn an_empty_folder_is_never_marked_as_initialised() {
    let place = Place::new();
    place.dirs.prepare(&place.db).await.unwrap();
    let error = place.dirs.mark_initialised(&place.db).await.unwrap_err();
    assert!(refusal(error).contains("PG_VERSION"));
}

#[tokio::test]
async fn a_missing_volume_is_unknown_and_never_absent() {
    let place = Place::new();
    fs::remove_dir(&place.db.volume.path).unwrap();
    assert!(place.unknown().await.contains("is the volume mounted?"));
    assert!(place.dirs.prepare(&place.db).await.is_err());
}

#[tokio::test]
async fn an_unmounted_volume_whose_folder_is_there_is_unknown() {
    let place = Place::initialised().await;
    let away = place.temp.path().join("away");
    fs::rename(&place.db.volume.path, &away).unwrap();
    fs::create_dir(&place.db.volume.path).unwrap();
    assert!(place.unknown().await.contains("is the volume mounted?"));
    let other = database("proteomics", &place.db.volume.path);
    assert!(place.dirs.prepare(&other).await.is_err());
    assert_eq!(fs::read_dir(&place.db.volume.path).unwrap().count(), 0);
    fs::remove_dir(&place.db.volume.path).unwrap();
    fs::rename(&away, &place.db.volume.path).unwrap();
    place.present().await;
}

#[tokio::test]
async fn another_volume_in_its_stead_is_unknown() {
    let place = Place::initialised().await;
    let identity = place.db.volume.path.join(".db4sci/.volume");
    fs::write(identity, "another\n").unwrap();
    assert!(place.unknown().await.contains("another volume"));
}

#[tokio::test]
async fn a_folder_with_something_and_no_marker_is_refused() {
    let place = Place::new();
    fs::create_dir_all(place.data()).unwrap();
    fs::write(place.data().join("thesis.txt"), "").unwrap();
    let seen = place.present().await;
    assert!(seen.marker.is_none() && !seen.empty);
    let why = refusal(place.dirs.prepare(&place.db).await.unwrap_err());
    assert!(
        why.contains("thesis.txt") && why.contains("nothing was changed"),
        "{why}"
    );
    assert!(!place.db.marker_dir().exists());
}

#[tokio::test]
async fn a_stranger_beside_the_data_folders_is_refused_too() {
    let place = Place::new();
    fs::create_dir_all(place.data()).unwrap();
    fs::write(place.db.data_dir().join("thesis.txt"), "").unwrap();
    let why = refusal(place.dirs.prepare(&place.db).await.unwrap_err());
    assert!(why.contains("thesis.txt"), "{why}");
}

#[tokio::test]
async fn another_database_s_place_is_refused() {
    let place = Place::initialised().await;
    let mut other = place.db.clone();
    other.uid = Uid(uuid::Uuid::new_v4());
    for error in [
        place.dirs.prepare(&other).await.unwrap_err(),
        place.dirs.mark_initialised(&other).await.unwrap_err(),
        place
            .dirs
            .set_aside_half_made(&other, now())
            .await
            .unwrap_err(),
    ] {
        assert!(refusal(error).contains(&place.db.uid.to_string()));
    }
}

#[tokio::test]
async fn lost_folders_of_initialised_data_are_not_made_anew() {
    let place = Place::initialised().await;
    fs::remove_dir_all(place.db.data_dir()).unwrap();
    let seen = place.present().await;
    assert!(!seen.dirs_exist && seen.empty && !seen.sentinel);
    refusal(place.dirs.prepare(&place.db).await.unwrap_err());
    assert!(!place.db.data_dir().exists());
}

#[tokio::test]
async fn half_made_data_is_moved_aside_and_kept() {
    let place = Place::new();
    place.dirs.prepare(&place.db).await.unwrap();
    fs::write(place.data().join("PG_VERSION"), "17\n").unwrap();
    let aside = place
        .dirs
        .set_aside_half_made(&place.db, now())
        .await
        .unwrap();
    assert!(aside.join("data/PG_VERSION").exists());
    assert_eq!(
        place
            .dirs
            .set_aside_half_made(&place.db, now())
            .await
            .unwrap(),
        aside
    );
    let seen = place.present().await;
    assert!(!seen.dirs_exist);
    place.dirs.prepare(&place.db).await.unwrap();
    assert!(place.present().await.dirs_exist);
}

#[tokio::test]
async fn initialised_data_is_never_moved_aside() {
    let place = Place::initialised().await;
    refusal(
        place
            .dirs
            .set_aside_half_made(&place.db, now())
            .await
            .unwrap_err(),
    );
    // A crash between the two steps of marking.
    fs::write(place.db.marker_dir().join("state"), "initialising\n").unwrap();
    refusal(
        place
            .dirs
            .set_aside_half_made(&place.db, now())
            .await
            .unwrap_err(),
    );
    place.dirs.mark_initialised(&place.db).await.unwrap();
}

#[tokio::test]
async fn only_mydb_admin_is_given_up_and_what_was_left_is_kept() {
    let place = Place::initialised().await;
    refusal(place.dirs.give_up(&place.db, now()).await.unwrap_err());
    assert!(place.data().join("PG_VERSION").exists());

    let admin = Database {
        name: "mydb_admin".parse().unwrap(),
        ..place.db.clone()
    };
    place.dirs.prepare(&admin).await.unwrap();
    let (data, _) = admin.data_mounts().next().unwrap();
    fs::write(data.join("PG_VERSION"), "17\n").unwrap();
    place.dirs.mark_initialised(&admin).await.unwrap();
    fs::remove_file(data.join("PG_VERSION")).unwrap();
    fs::write(data.join("left"), "evidence").unwrap();
    let kept = place.dirs.give_up(&admin, now()).await.unwrap();
    assert!(kept.join("data/left").exists());
    // Killed after it, it is done once more; then a first start may be prepared.
    place.dirs.give_up(&admin, now()).await.unwrap();
    place.dirs.prepare(&admin).await.unwrap();
    assert!(data.exists() && !data.join("PG_VERSION").exists());
    // What belongs to another database is not touched.
    let other = Database {
        uid: crate::model::Uid(uuid::Uuid::from_u128(99)),
        ..admin
    };
    refusal(place.dirs.give_up(&other, now()).await.unwrap_err());
}

#[tokio::test]
async fn what_is_removed_is_this_database_s_and_nobody_else_s() {
    let place = Place::initialised().await;
    let remove = async |db: &Database| place.dirs.remove(&place.site, db).await;
    let other = Database {
        uid: Uid(uuid::Uuid::from_u128(99)),
        ..place.db.clone()
    };
    refusal(remove(&other).await.unwrap_err());
    let aside = place.db.volume.path.join(".db4sci/.aside");
    // Of many, two are its own.
    let others = ["b", "c", "d", "e", "f"].map(|name| (name, other.uid));
    for (name, uid) in others
        .into_iter()
        .chain([("a", place.db.uid), ("g", place.db.uid)])
    {
        fs::create_dir_all(aside.join(name).join("data")).unwrap();
        fs::write(aside.join(name).join("data/db4sci-uid"), format!("{uid}\n")).unwrap();
    }
    let secrets = place.site.secrets_dir(&place.db.name);
    fs::create_dir_all(&secrets).unwrap();
    fs::write(secrets.join("admin"), "secret").unwrap();
    // Not while a server holds the lock.
    let lock = fs::File::open(place.db.marker_dir().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(refusal(remove(&place.db).await.unwrap_err()).contains("a server runs"));
    assert!(place.data().join("PG_VERSION").exists() && aside.join("a").exists());
    drop(lock);
    remove(&place.db).await.unwrap();
    for gone in [
        &place.db.data_dir(),
        &place.db.marker_dir(),
        &secrets,
        &aside.join("a"),
        &aside.join("g"),
    ] {
        assert!(!gone.exists(), "{}", gone.display());
    }
    assert!(aside.join("b").exists());
    assert_eq!(place.dirs.look(&place.db, None).await, Seen::Absent);
    // Once more, as after a crash.
    remove(&place.db).await.unwrap();
    // What no marker claims stays.
    fs::create_dir_all(place.data()).unwrap();
    fs::write(place.data().join("PG_VERSION"), "17\n").unwrap();
    refusal(remove(&place.db).await.unwrap_err());
    assert!(place.data().join("PG_VERSION").exists());
}

#[tokio::test]
async fn a_removal_that_was_cut_off_goes_on() {
    let place = Place::initialised().await;
    // Half of the data is gone; the marker still says whose it is.
    fs::remove_dir_all(place.data()).unwrap();
    place.dirs.remove(&place.site, &place.db).await.unwrap();
    assert!(!place.db.data_dir().exists() && !place.db.marker_dir().exists());
}

#[tokio::test]
async fn data_under_a_running_server_is_not_moved_aside() {
    let place = Place::new();
    place.dirs.prepare(&place.db).await.unwrap();
    let lock = fs::File::open(place.db.marker_dir().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let why = refusal(
        place
            .dirs
            .set_aside_half_made(&place.db, now())
            .await
            .unwrap_err(),
    );
    assert!(why.contains("a server runs"), "{why}");
}

#[tokio::test]
async fn a_linked_data_folder_is_unknown() {
    let place = Place::new();
    symlink("/etc", place.db.data_dir()).unwrap();
    assert!(place.unknown().await.contains("symbolic link"));
    place.dirs.prepare(&place.db).await.unwrap_err();
}

#[tokio::test]
async fn a_damaged_marker_is_unknown() {
    let place = Place::initialised().await;
    fs::write(place.db.marker_dir().join("state"), "").unwrap();
    assert!(place.unknown().await.contains("neither"));
}

#[tokio::test]
async fn files_are_written_and_secrets_are_kept() {
    let place = Place::new();
    place.dirs.prepare(&place.db).await.unwrap();
    let wanted = FilesWanted {
        secrets: vec![SecretFile {
            name: "admin".to_owned(),
            from: None,
            kind: SecretKind::Password,
        }],
        config: vec![("my.conf".to_owned(), "a = 1\n".to_owned())],
        settings: [("a".to_owned(), "1".to_owned())].into(),
        config_text: Some("a = 1\n".to_owned()),
        config_tried: Some("a = 2\n".to_owned()),
        trial: Trial {
            open: Some(Earlier::default()),
            refused: Some(Refused::default()),
        },
        certificate: Some("3f9c2a1b".to_owned()),
        owner: place.db.layout.uid,
    };
    let secrets = [SecretText {
        name: "admin".to_owned(),
        text: Secret::new("hunter2hunter2"),
    }];
    let (dirs, site, db) = (&place.dirs, &place.site, &place.db);
    let named = FilesNamed {
        secrets: wanted.secrets.clone(),
        config: &["my.conf"],
    };
    let look = async |sealed: &[SecretText]| {
        let seen = dirs.files(site, db, &named, sealed).await;
        seen.present().cloned().unwrap()
    };
    let before = look(&secrets).await;
    assert!(!before.complete && !before.secrets);
    dirs.write_files(site, db, &wanted).await.unwrap();
    assert!(look(&secrets).await.complete && !look(&secrets).await.secrets);
    dirs.write_secrets(site, db, &secrets).await.unwrap();
    let dir = site.secrets_dir(&db.name);
    assert_eq!(mode(&dir), 0o500);
    assert_eq!(mode(&dir.join("admin")), 0o400);
    assert_eq!(
        look(&secrets).await,
        FilesSeen {
            complete: true,
            secrets: true,
            settings: wanted.settings.clone().into(),
            config: wanted.config_text.clone(),
            config_tried: wanted.config_tried.clone(),
            trial: wanted.trial.clone(),
            certificate: None,
            in_use: wanted.certificate.clone(),
        }
    );
    assert!(!look(&[]).await.secrets, "nothing is sealed");
    let kept = dirs.secret_file(site, db, "admin").await.unwrap();
    assert_eq!(kept.as_ref(), Some(&secrets[0].text));
    assert_eq!(dirs.secret_file(site, db, "other").await.unwrap(), None);

    // Another text in the file, or none, shows; writing puts it right.
    fs::remove_dir_all(&dir).unwrap();
    assert!(!look(&secrets).await.secrets);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("admin"), "another").unwrap();
    assert!(!look(&secrets).await.secrets);
    dirs.write_secrets(site, db, &secrets).await.unwrap();
    assert!(look(&secrets).await.secrets);
    assert_eq!(mode(&dir.join("admin")), 0o400);

    let spec = fs::read_to_string(place.db.marker_dir().join("spec.yaml")).unwrap();
    assert!(
        spec.contains("genomics") && !spec.contains("hunter2"),
        "{spec}"
    );

    fs::write(place.site.guard_dir().join("guard.sh"), "exit 0").unwrap();
    assert!(
        !look(&secrets).await.complete,
        "an old guard is written anew"
    );
}

#[tokio::test]
async fn a_password_of_a_person_is_one_line() {
    let place = Place::new();
    place.dirs.prepare(&place.db).await.unwrap();
    let from = place.temp.path().join("password");
    fs::write(&from, "two\nlines\n").unwrap();
    let error = place.dirs.given_password(&from).await.unwrap_err();
    assert!(refusal(error).contains("one line"));
    fs::write(&from, "hunter2\n").unwrap();
    let secret = place.dirs.given_password(&from).await.unwrap();
    assert_eq!(secret.expose(), "hunter2");
}

#[tokio::test]
async fn a_file_name_leads_nowhere_else() {
    let place = Place::new();
    for name in ["../x", "a/b", ".hidden", ""] {
        refusal(
            place
                .dirs
                .secret_file(&place.site, &place.db, name)
                .await
                .unwrap_err(),
        );
    }
}

#[tokio::test]
async fn evidence_is_kept_for_root_only() {
    let place = Place::new();
    let files = [("container.log".to_owned(), "PANIC".to_owned())];
    let folder = place
        .dirs
        .keep_evidence(&place.site, &place.db, now(), &files)
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(folder.join("container.log")).unwrap(),
        "PANIC"
    );
    assert_eq!(mode(&folder), 0o700);
    // The newest of several is shown.
    let more = [("why.txt", "again"), ("log.txt", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let later = now() + chrono::TimeDelta::days(1);
    let dirs = &place.dirs;
    let newer = dirs.keep_evidence(&place.site, &place.db, later, &more);
    let newer = newer.await.unwrap().display().to_string();
    let kept = dirs
        .evidence(&place.site, &place.db)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (kept.folder.clone(), kept.files, kept.data),
        (
            newer,
            vec!["log.txt".to_owned(), "why.txt".to_owned()],
            None
        )
    );
    // It says where the data is, as it was noted last.
    let newer = Path::new(&kept.folder);
    for at in ["/v/.db4sci/.aside/x-1", "/v/x"] {
        dirs.note_data(newer, Path::new(at), "moved").await.unwrap();
        let kept = dirs.evidence(&place.site, &place.db).await.unwrap();
        assert_eq!(kept.unwrap().data.as_deref(), Some(at));
    }
    let note = newer.join("data-place.txt");
    assert_eq!(mode(&note), 0o600);
    assert_eq!(fs::read_to_string(note).unwrap(), "/v/x\nmoved\n");
}

#[tokio::test]
async fn without_evidence_there_is_none_and_what_a_folder_takes_is_told_with_the_room() {
    let place = Place::initialised().await;
    let none = place.dirs.evidence(&place.site, &place.db).await;
    assert_eq!(none.unwrap(), None);
    let before = place.dirs.taken(&place.db).await.unwrap().1;
    fs::write(place.data().join("more"), vec![7; 100_000]).unwrap();
    let (room, taken) = place.dirs.taken(&place.db).await.unwrap();
    assert!(
        room.size > 0 && taken >= before + 100_000,
        "{room:?} {taken}"
    );
}

#[tokio::test]
async fn a_lost_marker_is_made_anew_where_the_uid_inside_proves_whose_data_it_is() {
    let place = Place::initialised().await;
    fs::remove_dir_all(place.db.marker_dir()).unwrap();
    assert_eq!(place.present().await.marker, None);
    place.dirs.mark_initialised(&place.db).await.unwrap();
    let state = place.present().await.marker.unwrap().state;
    assert_eq!(state, MarkerState::Initialised);

    fs::remove_dir_all(place.db.marker_dir()).unwrap();
    fs::remove_file(place.data().join("db4sci-uid")).unwrap();
    refusal(place.dirs.mark_initialised(&place.db).await.unwrap_err());
}

#[tokio::test]
async fn initialised_data_without_the_uid_inside_is_not_claimed() {
    let place = Place::initialised().await;
    fs::remove_file(place.data().join("db4sci-uid")).unwrap();
    let why = refusal(place.dirs.mark_initialised(&place.db).await.unwrap_err());
    assert!(why.contains("other data lies there"), "{why}");
}

/// The same database under another name, and all its folders.
async fn renamed(place: &Place) -> Database {
    let to = Database {
        name: "gen-2".parse().unwrap(),
        ..place.db.clone()
    };
    for folder in [
        place.site.secrets_dir(&place.db.name),
        place.site.config_dir(&place.db.name),
        place
            .site
            .state_dir
            .join("quarantine")
            .join(place.db.name.as_str())
            .join("then"),
    ] {
        fs::create_dir_all(folder).unwrap();
    }
    to
}

async fn moves(place: &Place, from: &Database, to: &Database) -> Result<(), DirError> {
    for which in NamedFolder::ALL {
        place.dirs.move_folder(&place.site, from, to, which).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_databases_folders_go_with_its_name_and_back() {
    let place = Place::initialised().await;
    let to = renamed(&place).await;
    let aside = place.db.volume.path.join(".db4sci/.aside");
    for old in ["genomics-before-x", "someone-elses"] {
        let data = aside.join(old).join("data");
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("db4sci-uid"), place.db.uid.to_string()).unwrap();
    }
    let before = place.present().await;
    // Cut off after any of them, it goes on; and twice is once.
    for which in NamedFolder::ALL {
        place
            .dirs
            .move_folder(&place.site, &place.db, &to, which)
            .await
            .unwrap();
        moves(&place, &to, &place.db).await.unwrap();
        assert_eq!(place.present().await, before, "{which:?}");
        moves(&place, &place.db, &to).await.unwrap();
        moves(&place, &place.db, &to).await.unwrap();
        assert!(place.dirs.look(&place.db, None).await.is_absent());
        assert_eq!(place.dirs.look(&to, None).await.present(), Some(&before));
        let named = |db: &Database| {
            let site = &place.site;
            [site.secrets_dir(&db.name), site.config_dir(&db.name)].map(|path| path.exists())
        };
        assert_eq!((named(&place.db), named(&to)), ([false; 2], [true; 2]));
        assert!(aside.join("gen-2-before-x").exists() && aside.join("someone-elses").exists());
        moves(&place, &to, &place.db).await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_in_the_way_or_of_another_database_is_never_moved_over() {
    let place = Place::initialised().await;
    let to = renamed(&place).await;
    fs::create_dir(to.data_dir()).unwrap();
    let error = moves(&place, &place.db, &to).await.unwrap_err();
    assert!(refusal(error).contains("is in the way of"));
    fs::remove_dir(to.data_dir()).unwrap();
    let other = Database {
        uid: Uid(uuid::Uuid::from_u128(7)),
        ..place.db.clone()
    };
    let error = moves(&place, &other, &to).await.unwrap_err();
    assert!(refusal(error).contains("is marked as the place of"));
    let nobodys = Database {
        name: "nothing".parse().unwrap(),
        ..place.db.clone()
    };
    let error = moves(&place, &nobodys, &to).await.unwrap_err();
    assert!(refusal(error).contains("there is no marker"));
    let _server = super::place::hold(&place.db).unwrap();
    let error = moves(&place, &place.db, &to).await.unwrap_err();
    assert!(refusal(error).contains("a server runs on"));
    assert!(place.data().exists());
}

/// Four bytes that say whose data it is.
fn identity_file(path: &'static str) -> IdentityFile {
    IdentityFile {
        path,
        length: 4,
        read: |bytes| (bytes.len() == 4).then(|| DataIdentity::new(String::from_utf8_lossy(bytes))),
        needed: true,
    }
}

#[tokio::test]
async fn the_engine_s_own_identity_is_read_where_it_lies() {
    let place = Place::initialised().await;
    let (folder, file) = (place.data().join("global"), identity_file("global/control"));
    let seen = || async {
        match place.dirs.look(&place.db, Some(file)).await {
            Seen::Present(seen) => Ok(seen.identity.map(|i| i.to_string())),
            Seen::Unknown(why) => Err(why),
            Seen::Absent => panic!("nothing is there"),
        }
    };
    assert_eq!(seen().await, Ok(None), "without its folder");
    fs::create_dir(&folder).unwrap();
    assert_eq!(seen().await, Ok(None), "without the file");
    let path = folder.join("control");
    fs::write(&path, "471").unwrap();
    assert_eq!(seen().await, Ok(None), "cut off");
    fs::write(&path, "4711 and much more").unwrap();
    assert_eq!(seen().await, Ok(Some("4711".to_owned())));
    assert_eq!(place.present().await.identity, None, "nobody asked");
}

#[tokio::test]
async fn an_identity_that_cannot_be_read_is_unknown_and_no_link_leads_to_another_one() {
    let place = Place::initialised().await;
    let (folder, file) = (place.data().join("global"), identity_file("global/control"));
    let unknown = || async {
        match place.dirs.look(&place.db, Some(file)).await {
            Seen::Unknown(why) => why,
            other => panic!("{other:?}"),
        }
    };
    let elsewhere = place.temp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("control"), "4711").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    assert!(unknown().await.contains("symbolic link"));
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("control"), folder.join("control")).unwrap();
    assert!(unknown().await.contains("control"));
    fs::remove_file(folder.join("control")).unwrap();
    fs::create_dir(folder.join("control")).unwrap();
    assert!(unknown().await.contains("not a plain file"));
}
