//! The promises of `BackupStore`, held by each of its backends; and what a bucket's server and the
//! way to it can do wrong.
//!
//! `cargo test --test stores` needs `versitygw`, an S3 server that checks signatures, from
//! `dev/setup`, and fails without it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod gateway;
mod promises;
mod proxy;

use bytes::Bytes;
use db4sci::store::{BackupStore, StoreError};
use futures_util::StreamExt;

/// Bytes that differ from place to place, so that no two pieces can be mistaken for each other.
fn pattern(bytes: usize) -> Bytes {
    let words = (0..bytes.div_ceil(8) as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut all: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    all.truncate(bytes);
    all.into()
}

/// Writes an object in pieces of a size that divides nothing.
async fn write(store: &dyn BackupStore, key: &str, bytes: &Bytes) -> Result<u64, StoreError> {
    let mut upload = store.put(key).await?;
    for piece in bytes.chunks(1_234_567) {
        if let Err(error) = upload.write(Bytes::copy_from_slice(piece)).await {
            upload.abort().await;
            return Err(error);
        }
    }
    upload.finish().await
}

/// Reads an object whole.
async fn read(store: &dyn BackupStore, key: &str) -> Result<Vec<u8>, StoreError> {
    let mut stream = store.get(key).await?;
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

/// The keys below a prefix.
async fn keys(store: &dyn BackupStore, prefix: &str) -> Vec<String> {
    let all = store.list(prefix).await.unwrap();
    all.into_iter().map(|object| object.key).collect()
}
