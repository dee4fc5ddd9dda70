//! How an object of a backup begins, of which no more is needed.

use std::io::{self, Read};
use std::sync::Arc;

use futures_util::StreamExt;

use super::BackupError;
use crate::store::BackupStore;
use crate::store::seal::{self, Identity};

/// So much of an object surely holds the first block of its text, however it was sealed and compressed.
const BEGINNING: usize = 512 << 10;
/// Archives are made of blocks of this size.
const BLOCK: usize = 512;

/// The first block of the text of a sealed and compressed object; the rest is not read.
///
/// # Errors
/// `Damaged` when it cannot be opened or unfolded; as the store does.
pub async fn first_block(
    store: &Arc<dyn BackupStore>,
    key: &str,
    identities: Vec<Identity>,
) -> Result<[u8; BLOCK], BackupError> {
    let mut stream = store.get(key).await?;
    let mut beginning = Vec::new();
    while beginning.len() < BEGINNING
        && let Some(piece) = stream.next().await
    {
        beginning.extend_from_slice(&piece?);
    }
    drop(stream);
    let reading = tokio::task::spawn_blocking(move || {
        let mut block = [0; BLOCK];
        let opened = seal::open(&identities, beginning.as_slice())?;
        zstd::Decoder::new(opened)?.read_exact(&mut block)?;
        Ok::<_, io::Error>(block)
    });
    let read = reading
        .await
        .map_err(|e| super::tool("read a beginning", e.to_string()))?;
    read.map_err(|why| BackupError::Damaged(format!("{}: {key}: {why}", store.place())))
}
