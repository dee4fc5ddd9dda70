//! A bucket's server and the way to it, failing.

use std::time::{Duration, Instant};

use db4sci::model::Secret;
use db4sci::store::s3::S3Store;
use db4sci::store::{BackupStore, StoreError};

use super::gateway::{BUCKET, Gateway, SECRET};
use super::proxy::{Fault, Proxy, SLOW_DOWN};
use super::{keys, pattern, read, write};

const TOO_MANY: &str = "429 Too Many Requests";
/// More requests than anybody repeats.
const ALWAYS: u32 = 1_000;

/// The error is one a person can act on, and says no secret.
#[track_caller]
fn tells(error: &StoreError, words: &[&str]) {
    let said = format!("{error} {error:?}");
    for word in words.iter().copied().chain([BUCKET, "http://127.0.0.1:"]) {
        assert!(said.contains(word), "no {word} in: {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_bucket_are_told_with_the_servers_code() {
    let gateway = Gateway::start();
    let right = gateway.settings(gateway.address());

    let mut wrong = right.clone();
    wrong.secret_key = Secret::new("another-secret");
    let store = S3Store::new(&wrong);
    for error in [
        write(&store, "a/b", &pattern(9)).await.unwrap_err(),
        store.list("").await.unwrap_err(),
        read(&store, "a/b").await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        tells(&error, &["SignatureDoesNotMatch", "credentials file"]);
        assert!(!error.to_string().contains("another-secret"));
    }

    let mut nobody = right.clone();
    nobody.access_key = "nobody".to_owned();
    let error = S3Store::new(&nobody).list("").await.unwrap_err();
    // Servers have codes of their own for that.
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    tells(&error, &["refused ("]);

    let mut elsewhere = right;
    elsewhere.bucket = "db4sci-test-gone".to_owned();
    let gone = S3Store::new(&elsewhere);
    for error in [
        write(&gone, "a/b", &pattern(9)).await.unwrap_err(),
        gone.list("").await.unwrap_err(),
        // Nobody takes what lies in it for damaged.
        read(&gone, "a/b").await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        tells(&error, &["NoSuchBucket", "make the bucket"]);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_given_up_in_the_end() {
    let gateway = Gateway::start();
    let proxy = Proxy::to(gateway.address()).await;
    let store = S3Store::new(&gateway.settings(proxy.address()));
    let whole = pattern(40 << 20);
    for status in [TOO_MANY, SLOW_DOWN] {
        proxy.set(Fault::Busy(status), 3);
        let key = format!("busy/{}", &status[..3]);
        write(&store, &key, &whole).await.unwrap();
        // One object of three parts: begun, three parts, finished; and three answers that said: later.
        assert_eq!(proxy.requests(), 5 + 3, "{status}");
        assert!(read(&gateway.store(), &key).await.unwrap() == whole);
    }

    proxy.set(Fault::Busy(SLOW_DOWN), ALWAYS);
    let error = write(&store, "busy/never", &pattern(9)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    tells(&error, &["SlowDown", "busy/never"]);
    assert!(proxy.requests() < 10, "{}", proxy.requests());
    let left = keys(&gateway.store(), "busy/").await;
    assert_eq!(left, ["busy/429", "busy/503"]);
}

/// Takes the minute after which an answer is given up.
#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_a_deadline_and_asked_again() {
    let gateway = Gateway::start();
    let proxy = Proxy::to(gateway.address()).await;
    let store = S3Store::new(&gateway.settings(proxy.address()));
    proxy.set(Fault::Held, 1);
    let whole = pattern(9 << 20);
    let begun = Instant::now();
    write(&store, "hang/some", &whole).await.unwrap();
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(30), "nothing hung: {took:?}");
    assert!(took < Duration::from_secs(180), "{took:?}");
    assert!(read(&gateway.store(), "hang/some").await.unwrap() == whole);
}

#[tokio::test]
async fn a_broken_line_costs_a_part_again_and_no_byte() {
    let gateway = Gateway::start();
    let proxy = Proxy::to(gateway.address()).await;
    let store = S3Store::new(&gateway.settings(proxy.address()));
    let whole = pattern(40 << 20);
    for (n, fault) in [Fault::CutUp(5 << 20), Fault::CutDown(20)]
        .into_iter()
        .enumerate()
    {
        proxy.set(fault, 2);
        let key = format!("cut/{n}");
        write(&store, &key, &whole).await.unwrap();
        // Five would do for one object of three parts.
        assert!(proxy.requests() > 5, "{}", proxy.requests());
        assert!(
            read(&gateway.store(), &key).await.unwrap() == whole,
            "{key}"
        );
    }

    // An answer that breaks off is an error, never a shorter object.
    proxy.set(Fault::CutDown(8 << 20), ALWAYS);
    let error = read(&store, "cut/0").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    tells(&error, &["cut/0"]);

    // Never through: the object is given up, and nothing of it shows.
    proxy.set(Fault::CutUp(5 << 20), ALWAYS);
    let error = write(&store, "cut/never", &whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    tells(&error, &["cut/never"]);
    assert_eq!(keys(&gateway.store(), "cut/").await, ["cut/0", "cut/1"]);
}

#[tokio::test]
async fn a_server_that_is_down_is_told_with_its_address() {
    let gateway = Gateway::start();
    let store = gateway.store();
    let address = gateway.address().to_string();
    drop(gateway);
    let error = store.list("").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    tells(&error, &[&address]);
}

/// Parts are on their way while the next one is being filled: a slow server does not stop a dump
/// at each part.
#[tokio::test]
async fn parts_are_sent_while_the_next_ones_come() {
    let gateway = Gateway::start();
    let proxy = Proxy::to(gateway.address()).await;
    let store = S3Store::new(&gateway.settings(proxy.address()));
    let whole = pattern(48 << 20);
    let mut upload = store.put("slow/data").await.unwrap();
    upload.write(whole.slice(..8 << 20)).await.unwrap();
    // The upload is begun with the first part, whose answer is not waited for.
    upload.write(whole.slice(8 << 20..16 << 20)).await.unwrap();
    proxy.set(Fault::Held, ALWAYS);
    let more = upload.write(whole.slice(16 << 20..32 << 20));
    let taken = tokio::time::timeout(Duration::from_secs(20), more).await;
    taken
        .expect("it takes a part while others are on their way")
        .unwrap();
    proxy.open_gate();
    upload.write(whole.slice(32 << 20..)).await.unwrap();
    assert_eq!(upload.finish().await.unwrap(), 48 << 20);
    assert!(read(&gateway.store(), "slow/data").await.unwrap() == whole);
}
