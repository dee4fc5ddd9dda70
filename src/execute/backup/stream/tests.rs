use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::pack::{BLOCK, ToSealing, ToStores, encrypt};
use super::*;
use crate::engine::backup::Watch;
use crate::store::StoreError;
use crate::store::seal::Identity;

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
