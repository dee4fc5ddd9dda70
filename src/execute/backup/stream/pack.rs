//! From a tool to the stores.
//!
//! Two threads a stream do the work, as a pipe of programs would: one compresses, the other encrypts. What is
//! in memory is a few pieces for each store.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::meter::Meter;
use super::{Summing, Sums};
use crate::engine::backup::Watch;
use crate::store::seal::{self, Recipient};

/// Bytes that go to a store at once.
const PIECE: usize = 1 << 20;
/// Bytes that are read, and handed on between the threads, at once.
pub(super) const BLOCK: usize = 256 << 10;
/// Pieces that wait for a store, and blocks that wait for the other thread.
pub(in crate::execute::backup) const AHEAD: usize = 4;
/// zstd's own default: more costs time, and saves little.
pub(in crate::execute::backup) const LEVEL: i32 = 3;

/// Hands pieces to the stores; one that has given up is passed over.
pub(super) struct ToStores {
    pub(super) piece: Vec<u8>,
    pub(super) stores: Vec<mpsc::Sender<Bytes>>,
    pub(super) meter: Arc<Meter>,
}

impl ToStores {
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let piece = Bytes::from(full);
        self.meter.add(piece.len());
        self.stores
            .retain(|store| store.blocking_send(piece.clone()).is_ok());
        if self.stores.is_empty() {
            // Whoever writes into the pipe finds it broken, and fails.
            return Err(io::Error::new(ErrorKind::BrokenPipe, "no store takes more"));
        }
        Ok(())
    }
}

impl Write for ToStores {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&buf[..n]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands what was compressed to the thread that encrypts, in blocks.
pub(super) struct ToSealing {
    pub(super) block: Vec<u8>,
    /// `None` after the last block: one that is cut off never says it.
    pub(super) blocks: SyncSender<Option<Vec<u8>>>,
}

impl ToSealing {
    fn send(&mut self, next: Vec<u8>) -> io::Result<()> {
        let full = std::mem::replace(&mut self.block, next);
        self.hand(Some(full))
    }

    fn hand(&self, block: Option<Vec<u8>>) -> io::Result<()> {
        self.blocks
            .send(block)
            .map_err(|_| io::Error::new(ErrorKind::BrokenPipe, "it is not encrypted any more"))
    }

    /// The end is reached, and nothing is missing.
    fn end(mut self) -> io::Result<()> {
        self.send(Vec::new())?;
        self.hand(None)
    }
}

impl Write for ToSealing {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&buf[..n]);
        if self.block.len() == BLOCK {
            self.send(Vec::with_capacity(BLOCK))?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a dump to its end and compresses it; gives the bytes of the dump and their sum.
fn compress(
    mut from: File,
    watch: &mut dyn Watch,
    blocks: SyncSender<Option<Vec<u8>>>,
) -> io::Result<(u64, String)> {
    let to = ToSealing {
        block: Vec::with_capacity(BLOCK),
        blocks,
    };
    let mut packed = Summing::new(zstd::Encoder::new(to, LEVEL)?);
    let mut buffer = vec![0; BLOCK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                watch.take(&buffer[..n]);
                packed.write_all(&buffer[..n])?;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let (encoder, bytes, sha256) = packed.end();
    encoder.finish()?.end()?;
    Ok((bytes, sha256))
}

/// Encrypts the blocks; gives the stored bytes and their sum, or nothing when the blocks were cut off:
/// then what is stored has no end, either.
pub(super) fn encrypt(
    blocks: Receiver<Option<Vec<u8>>>,
    recipients: &[Recipient],
    to: ToStores,
) -> io::Result<Option<(u64, String)>> {
    let mut sealed = seal::seal(recipients, Summing::new(to))?;
    loop {
        match blocks.recv() {
            Ok(Some(block)) => sealed.write_all(&block)?,
            Ok(None) => break,
            Err(_) => return Ok(None),
        }
    }
    let (mut last, bytes, sha256) = sealed.finish()?.end();
    last.send()?;
    Ok(Some((bytes, sha256)))
}

/// Reads a dump to its end and sends it on: zstd, then age. Blocks.
pub(in crate::execute::backup) fn pack(
    from: File,
    watch: &mut dyn Watch,
    recipients: &[Recipient],
    stores: Vec<mpsc::Sender<Bytes>>,
    meter: Arc<Meter>,
) -> io::Result<Sums> {
    let to = ToStores {
        piece: Vec::with_capacity(PIECE),
        stores,
        meter,
    };
    let (send, blocks) = sync_channel(AHEAD);
    let (compressed, encrypted) = thread::scope(|scope| {
        let sealing = scope.spawn(|| encrypt(blocks, recipients, to));
        let compressed = compress(from, watch, send);
        let encrypted = sealing.join();
        (compressed, encrypted.unwrap_or_else(|e| resume_unwind(e)))
    });
    // Where the stores take no more, that is why nothing more could be handed over.
    let encrypted = encrypted?;
    let (plain_bytes, plain_sha256) = compressed?;
    let (bytes, sha256) = encrypted.ok_or(ErrorKind::UnexpectedEof)?;
    Ok(Sums {
        bytes,
        sha256,
        plain_bytes,
        plain_sha256,
    })
}
