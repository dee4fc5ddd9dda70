//! From a store to a tool.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{Summing, Sums, hex};
use crate::store::StoreError;
use crate::store::seal::{self, Identity};

/// Pieces of an object as they come, to be read by a thread.
struct FromStore {
    pieces: mpsc::Receiver<Result<Bytes, StoreError>>,
    piece: Bytes,
    sum: Sha256,
    bytes: u64,
    /// Why the store gave no more.
    failed: Option<StoreError>,
}

impl Read for FromStore {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let n = from.len().min(buf.len());
        buf[..n].copy_from_slice(&from[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for FromStore {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => {
                    self.piece = piece.map_err(|error| {
                        self.failed = Some(error.clone());
                        io::Error::other(error)
                    })?;
                    self.sum.update(&self.piece);
                    self.bytes += self.piece.len() as u64;
                }
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, n: usize) {
        let _ = self.piece.split_to(n);
    }
}

/// Decrypts and decompresses all of it.
fn opened(from: &mut FromStore, identities: &[Identity], to: &mut dyn Write) -> io::Result<()> {
    let opened = seal::open(identities, from)?;
    let mut decoder =
        zstd::Decoder::with_buffer(BufReader::with_capacity(256 << 10, opened))?.single_frame();
    io::copy(&mut decoder, to)?;
    // What stands behind the frame would be somebody else's: doubly compressed, or swapped.
    let mut rest = decoder.finish();
    if rest.fill_buf()?.is_empty() {
        Ok(())
    } else {
        Err(io::Error::new(
            ErrorKind::InvalidData,
            "there is more in it than one compressed stream",
        ))
    }
}

/// Reads an object to its end and sends its own text on. Blocks.
///
/// # Errors
/// The store's own as they are, and what is wrong with what it gave.
pub(in crate::execute::backup) fn unpack(
    pieces: mpsc::Receiver<Result<Bytes, StoreError>>,
    identities: &[Identity],
    to: &mut dyn Write,
) -> io::Result<Sums> {
    let mut from = FromStore {
        pieces,
        piece: Bytes::new(),
        sum: Sha256::new(),
        bytes: 0,
        failed: None,
    };
    let mut plain = Summing::new(to);
    // A store that gave no more is no damage, whatever those in between make of it.
    opened(&mut from, identities, &mut plain)
        .map_err(|error| from.failed.take().map_or(error, io::Error::other))?;
    let (_, plain_bytes, plain_sha256) = plain.end();
    // The end of the object itself must have been reached, too.
    if !from.fill_buf()?.is_empty() {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "there is more in the object than was encrypted",
        ));
    }
    Ok(Sums {
        bytes: from.bytes,
        sha256: hex(&from.sum.finalize()),
        plain_bytes,
        plain_sha256,
    })
}
