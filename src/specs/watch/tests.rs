use std::fs;
use std::sync::Mutex;

use super::*;

/// How long a tick may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch over a folder: its ticks, and what it reported.
fn start_watch(dir: &Path) -> (mpsc::Receiver<()>, Arc<Mutex<Vec<String>>>) {
    let (sender, ticks) = mpsc::channel(1);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = reports.clone();
    let dir = dir.to_owned();
    tokio::spawn(watch(dir, sender, move |why| {
        told.lock().unwrap().push(why.to_owned());
    }));
    (ticks, reports)
}

async fn ticked(ticks: &mut mpsc::Receiver<()>) -> bool {
    timeout(PATIENCE, ticks.recv()).await.is_ok()
}

/// No tick for a while.
async fn quiet(ticks: &mut mpsc::Receiver<()>) -> bool {
    timeout(Duration::from_millis(700), ticks.recv())
        .await
        .is_err()
}

#[tokio::test]
async fn a_change_ticks_and_a_burst_ticks_about_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ticks, reports) = start_watch(dir.path());
    assert!(ticked(&mut ticks).await, "one at the start");
    for i in 0..50 {
        fs::write(dir.path().join(format!("{i}.yaml")), "a: 1").unwrap();
    }
    assert!(ticked(&mut ticks).await);
    assert!(quiet(&mut ticks).await || quiet(&mut ticks).await);
    fs::rename(dir.path().join("1.yaml"), dir.path().join("2.yaml")).unwrap();
    assert!(ticked(&mut ticks).await);
    assert!(reports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn reading_does_not_tick() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, "a: 1").unwrap();
    let (mut ticks, _) = start_watch(dir.path());
    assert!(ticked(&mut ticks).await);
    assert!(quiet(&mut ticks).await || quiet(&mut ticks).await);
    for _ in 0..5 {
        fs::read(&file).unwrap();
        fs::read_dir(dir.path()).unwrap().count();
    }
    assert!(quiet(&mut ticks).await);
}

#[tokio::test]
async fn a_folder_that_comes_later_and_one_that_is_replaced_are_watched() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("desired-state");
    let (mut ticks, reports) = start_watch(&dir);
    while reports.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    fs::create_dir(&dir).unwrap();
    assert!(ticked(&mut ticks).await, "it is there now");
    fs::rename(&dir, parent.path().join("old")).unwrap();
    fs::create_dir(&dir).unwrap();
    assert!(ticked(&mut ticks).await, "it was replaced");
    assert!(quiet(&mut ticks).await || quiet(&mut ticks).await);
    sleep(BEAT).await;
    fs::write(dir.join("a.yaml"), "a: 1").unwrap();
    assert!(ticked(&mut ticks).await, "the new one is watched");
    let reports = reports.lock().unwrap();
    assert!(reports[0].contains("is not watched"), "{reports:?}");
}
