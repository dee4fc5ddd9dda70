//! What every store promises.

use bytes::Bytes;
use chrono::TimeDelta;
use db4sci::model::{Clock, SystemClock};
use db4sci::store::local::LocalStore;
use db4sci::store::memory::MemoryStore;
use db4sci::store::{BackupStore, StoreError};
use futures_util::StreamExt;

use super::gateway::Gateway;
use super::{keys, pattern, read, write};

/// More than one page of a server's list, which has a thousand.
const MANY: usize = 1_050;

async fn keeps_its_promises(store: &dyn BackupStore) {
    // Bytes in, bytes out: none, a few, and more than fit one part of an upload.
    for (n, bytes) in [0, 1, 5 << 20, (35 << 20) + 1].into_iter().enumerate() {
        let key = format!("sizes/{n}/data.age");
        let whole = pattern(bytes);
        assert_eq!(write(store, &key, &whole).await.unwrap(), bytes as u64);
        assert!(read(store, &key).await.unwrap() == whole, "{key}");
        let listed = store.list(&format!("sizes/{n}/")).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].key.as_str(), listed[0].bytes),
            (&*key, bytes as u64)
        );
    }

    // Nothing shows before it is finished; given up or dropped, it never was.
    let begun = SystemClock.now();
    for ends in ["finish", "abort", "drop"] {
        let key = format!("unfinished/{ends}");
        let mut upload = store.put(&key).await.unwrap();
        upload.write(pattern(20 << 20)).await.unwrap();
        assert!(
            keys(store, "unfinished/")
                .await
                .iter()
                .all(|k| !k.contains(ends))
        );
        assert!(matches!(
            read(store, &key).await,
            Err(StoreError::Missing { .. })
        ));
        match ends {
            "finish" => assert_eq!(upload.finish().await.unwrap(), 20 << 20),
            "abort" => upload.abort().await,
            _ => drop(upload),
        }
    }
    assert_eq!(keys(store, "unfinished/").await, ["unfinished/finish"]);
    // What a dead process left goes once it is old; nothing younger does.
    assert_eq!(
        store.sweep("", begun - TimeDelta::hours(1)).await.unwrap(),
        0
    );
    // A part that was on its way when its upload was dropped may arrive after a sweep: another one
    // takes it.
    let old = SystemClock.now() + TimeDelta::hours(1);
    let mut sweeps = 0;
    while store.sweep("", old).await.unwrap() > 0 {
        sweeps += 1;
        assert!(sweeps < 100, "it never ends");
    }
    assert_eq!(keys(store, "unfinished/").await, ["unfinished/finish"]);

    // Removed is gone, twice is no error.
    store.delete("unfinished/finish").await.unwrap();
    store.delete("unfinished/finish").await.unwrap();
    assert!(keys(store, "unfinished/").await.is_empty());
    match read(store, "unfinished/finish").await.unwrap_err() {
        StoreError::Missing { key, .. } => assert_eq!(key, "unfinished/finish"),
        other => panic!("{other}"),
    }

    // Keys that could leave the store, or that some file system has no name for.
    for bad in [
        "",
        "/etc/passwd",
        "a/../b",
        "a//b",
        ".hidden",
        "a/.x",
        "a b",
        "a\nb",
        "ä",
    ] {
        let refused = store.put(bad).await.map(drop).unwrap_err();
        assert!(
            matches!(refused, StoreError::Refused { .. }),
            "{bad}: {refused}"
        );
    }

    // A prefix is one of characters, in order, however many there are.
    let names: Vec<String> = (0..MANY).map(|n| format!("many/{n:05}")).collect();
    futures_util::stream::iter(&names)
        .for_each_concurrent(8, |key| async move {
            write(store, key, &Bytes::from_static(b"x")).await.unwrap();
        })
        .await;
    assert_eq!(keys(store, "many/").await, names);
    assert_eq!(keys(store, "many/0000").await, names[..10]);
    assert!(keys(store, "manya").await.is_empty());
}

#[tokio::test]
async fn a_folder_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    keeps_its_promises(&LocalStore::new(folder.path())).await;
}

#[tokio::test]
async fn memory_keeps_them() {
    keeps_its_promises(&MemoryStore::default()).await;
}

#[tokio::test]
async fn a_bucket_keeps_them() {
    let gateway = Gateway::start();
    keeps_its_promises(&gateway.store()).await;
    // All of it below the prefix of the settings.
    let entries = std::fs::read_dir(gateway.bucket()).unwrap().flatten();
    let shown: Vec<_> = entries
        .map(|e| e.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(shown, ["institute"]);
}

/// Where a second attempt under the same key would be: the first stays.
#[tokio::test]
async fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (local, memory) = (LocalStore::new(folder.path()), MemoryStore::default());
    let stores: [&dyn BackupStore; 2] = [&local, &memory];
    for store in stores {
        write(store, "a/first", &pattern(10)).await.unwrap();
        let refused = write(store, "a/first", &pattern(20)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
        assert_eq!(read(store, "a/first").await.unwrap(), pattern(10));
    }
}
