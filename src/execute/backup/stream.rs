//! Between a tool and the stores: compression, encryption, sums, in bounded memory.
//!
//! Two threads a stream do the work, as a pipe of programs would: one compresses, the other encrypts.
//! What is in memory is a few pieces for each store.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::meter::Meter;
use crate::engine::backup::Watch;
use crate::store::StoreError;
use crate::store::seal::{self, Identity, Recipient};

/// Bytes that go to a store at once.
const PIECE: usize = 1 << 20;
/// Bytes that are read, and handed on between the threads, at once.
const BLOCK: usize = 256 << 10;
/// Pieces that wait for a store, and blocks that wait for the other thread.
pub(super) const AHEAD: usize = 4;
/// zstd's own default: more costs time, and saves little.
pub(super) const LEVEL: i32 = 3;

/// What went through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) plain_bytes: u64,
    pub(super) plain_sha256: String,
}

/// Sums of what is written, and on it goes.
struct Summing<W> {
    to: W,
    sum: Sha256,
    bytes: u64,
}

impl<W> Summing<W> {
    fn new(to: W) -> Self {
        Summing {
            to,
            sum: Sha256::new(),
            bytes: 0,
        }
    }

    fn end(self) -> (W, u64, String) {
        (self.to, self.bytes, hex(&self.sum.finalize()))
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.to.write(buf)?;
        self.sum.update(&buf[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A digest in hexadecimal.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Hands pieces to the stores; one that has given up is passed over.
struct ToStores {
    piece: Vec<u8>,
    stores: Vec<mpsc::Sender<Bytes>>,
    meter: Arc<Meter>,
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
struct ToSealing {
    block: Vec<u8>,
    /// `None` after the last block: one that is cut off never says it.
    blocks: SyncSender<Option<Vec<u8>>>,
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
fn encrypt(
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
pub(super) fn pack(
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
pub(super) fn unpack(
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Blind;

    impl Watch for Blind {
        fn take(&mut self, _: &[u8]) {}
        fn end(self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
            Ok(BTreeMap::new())
        }
    }

    fn pipe_with(text: Vec<u8>) -> File {
        let (read, write) = rustix::pipe::pipe().unwrap();
        std::thread::spawn(move || File::from(write).write_all(&text).unwrap());
        File::from(read)
    }

    /// Bytes that do not compress away.
    fn noise(n: usize) -> Vec<u8> {
        let mut x = 7_u64;
        let next = |_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (x >> 33) as u8
        };
        (0..n).map(next).collect()
    }

    fn packed(key: &Identity, text: Vec<u8>) -> (Sums, Vec<u8>) {
        let (send, mut receive) = mpsc::channel::<Bytes>(AHEAD);
        let taken = std::thread::spawn(move || {
            let mut all = Vec::new();
            while let Some(piece) = receive.blocking_recv() {
                all.extend_from_slice(&piece);
            }
            all
        });
        let sums = pack(
            pipe_with(text),
            &mut Blind,
            &[key.recipient()],
            vec![send],
            Arc::default(),
        )
        .unwrap();
        (sums, taken.join().unwrap())
    }

    fn unpacked(key: &Identity, stored: &[u8]) -> io::Result<(Sums, Vec<u8>)> {
        let (send, receive) = mpsc::channel(stored.len() / 1000 + 2);
        for piece in stored.chunks(1000) {
            send.blocking_send(Ok(Bytes::copy_from_slice(piece)))
                .unwrap();
        }
        drop(send);
        let mut text = Vec::new();
        let sums = unpack(receive, std::slice::from_ref(key), &mut text)?;
        Ok((sums, text))
    }

    #[test]
    fn what_was_packed_comes_out_again() {
        let key = Identity::generate();
        for size in [0, 1, 5000, 3 << 20] {
            let text = noise(size);
            let (sums, stored) = packed(&key, text.clone());
            assert_eq!(sums.bytes, stored.len() as u64);
            let (again, out) = unpacked(&key, &stored).unwrap();
            assert_eq!((again, out), (sums, text));
        }
    }

    #[test]
    fn damage_anywhere_is_found() {
        let key = Identity::generate();
        let (sums, stored) = packed(&key, noise(200_000));
        for at in (0..stored.len()).step_by(stored.len() / 40) {
            let mut flipped = stored.clone();
            flipped[at] ^= 0x10;
            let same = unpacked(&key, &flipped).is_ok_and(|(s, _)| s == sums);
            assert!(!same, "flipped at {at}");
            let same = unpacked(&key, &stored[..at]).is_ok_and(|(s, _)| s == sums);
            assert!(!same, "cut at {at}");
        }
        let (_, twice) = packed(&key, stored.clone());
        let same = unpacked(&key, &twice).is_ok_and(|(s, _)| s == sums);
        assert!(!same, "packed twice");
        let other = Identity::generate();
        assert!(unpacked(&other, &stored).is_err());
    }

    #[test]
    fn a_store_that_gives_no_more_is_no_damage_wherever_it_stops() {
        let key = Identity::generate();
        let (_, stored) = packed(&key, noise(200_000));
        for at in (0..stored.len()).step_by(stored.len() / 40) {
            let (send, receive) = mpsc::channel(2);
            let whole = Bytes::copy_from_slice(&stored[..at]);
            send.blocking_send(Ok(whole)).unwrap();
            let error = StoreError::Full {
                place: "there".to_owned(),
                what: "read".to_owned(),
            };
            send.blocking_send(Err(error)).unwrap();
            let error = unpack(receive, std::slice::from_ref(&key), &mut io::sink()).unwrap_err();
            let store = error.get_ref().and_then(|e| e.downcast_ref::<StoreError>());
            assert!(store.is_some(), "at {at}: {error}");
        }
    }

    #[test]
    fn a_dump_that_is_cut_off_has_no_end() {
        let key = Identity::generate();
        let (store, mut pieces) = mpsc::channel::<Bytes>(AHEAD);
        let to = ToStores {
            piece: Vec::new(),
            stores: vec![store],
            meter: Arc::default(),
        };
        let (send, blocks) = sync_channel(AHEAD);
        let mut whole = ToSealing {
            block: Vec::new(),
            blocks: send,
        };
        whole.write_all(&noise(BLOCK + 1)).unwrap();
        drop(whole);
        let recipients = [key.recipient()];
        let told = encrypt(blocks, &recipients, to).unwrap();
        assert_eq!(told, None);
        let mut stored = Vec::new();
        while let Some(piece) = pieces.blocking_recv() {
            stored.extend_from_slice(&piece);
        }
        assert!(unpacked(&key, &stored).is_err());

        let folder = File::open("/").unwrap();
        let (store, _pieces) = mpsc::channel(1);
        let result = pack(folder, &mut Blind, &recipients, vec![store], Arc::default());
        assert_eq!(result.unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_store_that_gives_up_breaks_the_dump_and_does_not_hang_it() {
        let key = Identity::generate();
        let (send, receive) = mpsc::channel(1);
        drop(receive);
        let result = pack(
            pipe_with(noise(4 << 20)),
            &mut Blind,
            &[key.recipient()],
            vec![send],
            Arc::default(),
        );
        assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
