use std::sync::Arc;

use super::*;
use crate::admin::journal::MemoryStorage;
use crate::admin::testing::{StoppedClock, new};
use crate::model::Change;

fn ring(key: u8) -> Keyring {
    Keyring::of([key; 32])
}

/// A ledger with so many entries, sealed with these keys, `0` for none, in their order.
async fn ledger(keys: &[u8]) -> (Ledger, MemoryStorage) {
    let storage = MemoryStorage::new();
    let opened = Ledger::open(storage.clone(), Arc::new(StoppedClock)).await;
    let (ledger, _) = opened.unwrap();
    for key in keys {
        match key {
            0 => ledger.seal_with(Arc::new(|_| None)),
            key => ledger.seal_with(ring(*key).sealer()),
        }
        ledger.append(new("genomics", Change::Noted)).await.unwrap();
    }
    (ledger, storage)
}

fn told(findings: &Findings) -> Vec<String> {
    findings.named.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_journal_is_judged_by_its_seals() {
    let wrong = |entry: u64, what: &str| {
        format!("entry {entry}: the journal: {what}, so it was not written by this daemon")
    };
    for (what, keys, sealed, unknown, expected) in [
        ("all sealed", &[1, 1, 1][..], 3, 0, vec![]),
        ("from before there were seals", &[0, 0, 1], 1, 0, vec![]),
        ("none at all", &[0, 0], 0, 0, vec![]),
        (
            "one without",
            &[1, 0, 1],
            2,
            0,
            vec![wrong(2, "it has no seal")],
        ),
        ("a key that is elsewhere", &[2, 2, 1], 1, 2, vec![]),
        (
            "none after a key that is elsewhere",
            &[2, 0],
            0,
            1,
            vec![wrong(2, "it has no seal")],
        ),
    ] {
        let (ledger, _) = ledger(keys).await;
        let chain = journal(&ledger, &ring(1)).await.unwrap();
        assert_eq!(chain.entries, keys.len() as u64, "{what}");
        assert_eq!(chain.sealed, sealed, "{what}");
        assert_eq!(chain.keys.values().sum::<u64>(), unknown, "{what}");
        assert_eq!(told(&chain.findings), expected, "{what}");
    }
}

#[tokio::test]
async fn a_seal_is_of_one_line_and_of_all_before_it() {
    let (ledger, _) = ledger(&[1, 1]).await;
    let records = ledger.on_disk(0, 10).await.unwrap();
    let ring = ring(1);
    let (seal, bytes) = seal_of(records[0].line.as_bytes()).unwrap();
    assert_eq!(ring.judge(seal, bytes), Proof::Good);
    let (other, _) = seal_of(records[1].line.as_bytes()).unwrap();
    assert_eq!(ring.judge(other, bytes), Proof::Wrong);
    assert!(bytes.starts_with(b"\"prev\":"), "what was before counts");
    for garbage in [
        "",
        ":",
        "0001-",
        "x:y",
        "0001-00000000:00",
        "0000-00000000:",
    ] {
        assert_ne!(ring.judge(garbage, bytes), Proof::Good, "{garbage}");
    }
    assert_eq!(seal_of(b""), None);
    assert_eq!(seal_of(b"{\"hash\":\""), None);
}

/// The lines of a journal with entries sealed with these keys.
async fn lines(keys: &[u8]) -> Vec<Vec<u8>> {
    let (_, storage) = ledger(keys).await;
    let bytes = storage.bytes();
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn lines_are_believed_when_a_key_that_is_here_sealed_the_last_one() {
    const NOBODY: &str = "was not written by this daemon";
    for (what, keys, expected) in [
        ("all sealed", &[1, 1][..], None),
        ("from before there were seals, and after", &[0, 1], None),
        ("a key was lost, and there is another one", &[1, 2, 1], None),
        ("none is sealed", &[0, 0], Some(NOBODY)),
        ("somebody goes on without a key", &[1, 1, 0], Some(NOBODY)),
        (
            "somebody goes on with a key of his own",
            &[1, 1, 2],
            Some("put seal-0001-"),
        ),
        (
            "all is of somebody's own key",
            &[2, 2],
            Some("put seal-0001-"),
        ),
    ] {
        let lines = lines(keys).await;
        let last = lines.last().unwrap();
        let believed = believe(&ring(1), last);
        match (believed, expected) {
            (Ok(()), None) => {}
            (Err(why), Some(words)) if why.contains(words) => {
                let entry = format!("entry {} ", keys.len());
                assert!(why.starts_with(&entry), "{what}: {why}");
            }
            (other, _) => panic!("{what}: {other:?}"),
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal");
        std::fs::write(&file, lines.join(&b'\n')).unwrap();
        assert_eq!(
            believe_file(&ring(1), &file),
            believe(&ring(1), last),
            "{what}"
        );
        // Without any key nobody can say more than the chain does.
        assert_eq!(believe_file(&Keyring::default(), &file), Ok(()), "{what}");
    }
}

#[tokio::test]
async fn a_seal_of_another_line_is_wrong() {
    let lines = lines(&[1, 1]).await;
    let of = |line: &[u8]| seal_of(line).unwrap().0.to_owned();
    let (first, second) = (of(&lines[0]), of(&lines[1]));
    let forged = String::from_utf8(lines[1].clone())
        .unwrap()
        .replace(&second, &first);
    let why = believe(&ring(1), forged.as_bytes()).unwrap_err();
    assert!(why.contains("its seal is wrong"), "{why}");
}
