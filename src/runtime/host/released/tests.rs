use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::model::{Secret, SecretText, Uid};
use crate::runtime::fixture::{database, site};
use crate::runtime::host::HostDirs;
use crate::runtime::{DataDirs, DirError};

struct Place {
    temp: TempDir,
    dirs: HostDirs,
    site: Site,
    db: Database,
}

fn files() -> ReleasedFiles {
    ReleasedFiles {
        texts: vec![("compose.yaml".to_owned(), "services: {}\n".to_owned())],
        secrets: "secrets",
        config: "config",
    }
}

impl Place {
    /// A database with data, secrets and configuration.
    async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (volume, state_dir) = (temp.path().join("volume"), temp.path().join("state"));
        fs::create_dir(&volume).unwrap();
        fs::create_dir(&state_dir).unwrap();
        let place = Place {
            dirs: HostDirs::new(&state_dir),
            site: site(&state_dir),
            db: database("genomics", &volume),
            temp,
        };
        let (dirs, site, db) = (&place.dirs, &place.site, &place.db);
        dirs.prepare(db).await.unwrap();
        fs::write(place.data().join("PG_VERSION"), "17\n").unwrap();
        dirs.mark_initialised(db).await.unwrap();
        let secret = SecretText {
            name: "admin".to_owned(),
            text: Secret::new("hunter2hunter2"),
        };
        dirs.write_secrets(site, db, &[secret]).await.unwrap();
        let wanted = crate::model::FilesWanted {
            config: vec![("my.conf".to_owned(), "a = 1\n".to_owned())],
            owner: db.layout.uid,
            ..Default::default()
        };
        dirs.write_files(site, db, &wanted).await.unwrap();
        place
    }

    fn data(&self) -> PathBuf {
        self.db.data_dir().join("data")
    }

    fn to(&self) -> PathBuf {
        self.db.volume.path.join("genomics.ejected")
    }

    async fn write(&self, to: &Path) -> Result<(), DirError> {
        self.dirs
            .write_released(&self.site, &self.db, to, &files())
            .await
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn secrets_and_configuration_are_copied_for_root_and_the_server_alone() {
    let place = Place::new().await;
    let to = place.to();
    // Twice, as after a crash.
    for _ in 0..2 {
        place.write(&to).await.unwrap();
    }
    assert_eq!((mode(&to), mode(&to.join("secrets"))), (0o700, 0o500));
    let secret = to.join("secrets/admin");
    assert_eq!(mode(&secret), 0o400);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "hunter2hunter2");
    assert_eq!(
        fs::read_to_string(to.join("config/my.conf")).unwrap(),
        "a = 1\n"
    );
    assert!(!to.join("config/applied.json").exists());
    assert_eq!(
        fs::read_to_string(to.join("compose.yaml")).unwrap(),
        "services: {}\n"
    );

    // What others put there stays when it is taken back.
    place
        .dirs
        .remove_released(&place.db, &to, &files())
        .await
        .unwrap();
    assert!(!to.exists());
    place.write(&to).await.unwrap();
    fs::write(to.join("theirs"), "kept").unwrap();
    for _ in 0..2 {
        place
            .dirs
            .remove_released(&place.db, &to, &files())
            .await
            .unwrap();
    }
    assert!(to.join("theirs").exists() && !to.join("secrets").exists());
    assert!(place.data().join("PG_VERSION").exists());
}

#[tokio::test]
async fn a_folder_that_is_somebody_else_s_is_refused() {
    let place = Place::new().await;
    let to = place.to();
    fs::create_dir(&to).unwrap();
    fs::write(to.join("theirs"), "kept").unwrap();
    let why = place.write(&to).await.unwrap_err().to_string();
    assert!(why.contains("theirs") && why.contains("--to"), "{why}");
    fs::remove_file(to.join("theirs")).unwrap();
    fs::write(
        to.join("db4sci-uid"),
        format!("{}\n", Uid(uuid::Uuid::from_u128(9))),
    )
    .unwrap();
    let why = place.write(&to).await.unwrap_err().to_string();
    assert!(why.contains("another database"), "{why}");
    let removed = place.dirs.remove_released(&place.db, &to, &files()).await;
    assert!(removed.is_err() && to.join("db4sci-uid").exists());
}

#[tokio::test]
async fn secrets_are_not_written_where_others_could_lead_them_elsewhere() {
    let place = Place::new().await;
    let base = place.temp.path();
    let open = base.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    symlink(&place.db.volume.path, base.join("link")).unwrap();
    for (to, word) in [
        (open.join("x"), "can be changed by"),
        (base.join("link/x"), "no folder"),
        (base.join("missing/x"), "missing"),
        (base.join("open/../x"), "plain absolute path"),
        (PathBuf::from("x"), "plain absolute path"),
    ] {
        let why = place.write(&to).await.unwrap_err().to_string();
        assert!(why.contains(word), "{}: {why}", to.display());
        assert!(!to.exists(), "{}", to.display());
    }
    // With the sticky bit nobody puts another folder into the place of one's own.
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    place.write(&open.join("x")).await.unwrap();
}

#[tokio::test]
async fn what_is_marked_as_released_is_never_touched_again() {
    let place = Place::new().await;
    let (dirs, site, db) = (&place.dirs, &place.site, &place.db);
    // Not while a server runs on it.
    let lock = fs::File::open(db.marker_dir().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let why = dirs.mark_ejected(db, true).await.unwrap_err().to_string();
    assert!(why.contains("a server runs"), "{why}");
    drop(lock);
    for _ in 0..2 {
        dirs.mark_ejected(db, true).await.unwrap();
    }
    let state = fs::read_to_string(db.marker_dir().join("state")).unwrap();
    assert_eq!(state, "ejected\n");
    let renamed = Database {
        name: "gen".parse().unwrap(),
        ..db.clone()
    };
    let which = crate::runtime::NamedFolder::Data;
    let all = [
        dirs.prepare(db).await,
        dirs.mark_initialised(db).await,
        dirs.remove(site, db).await,
        dirs.move_folder(site, db, &renamed, which).await,
        dirs.set_aside_half_made(db, Default::default())
            .await
            .map(drop),
    ];
    for done in all {
        let why = done.unwrap_err().to_string();
        assert!(why.contains("released from db4sci"), "{why}");
    }
    assert!(place.data().join("PG_VERSION").exists());
    let other = Database {
        uid: Uid(uuid::Uuid::from_u128(9)),
        ..db.clone()
    };
    assert!(dirs.mark_ejected(&other, false).await.is_err());
    // Taken back, it is as it was.
    dirs.mark_ejected(db, false).await.unwrap();
    dirs.prepare(db).await.unwrap();
    dirs.mark_initialised(db).await.unwrap();
}
