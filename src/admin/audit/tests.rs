use std::sync::Arc;

use super::*;
use crate::admin::journal::{Journal, MemoryStorage};
use crate::admin::testing::{StoppedClock, new};
use crate::model::Change;

fn vault(key: u8) -> Vault {
    Vault::with(Keyring::of([key; 32]), || {
        Arc::new(crate::admin::Book::new())
    })
}

/// A ledger with so many entries, sealed with these keys, `0` for none, in their order.
async fn ledger(keys: &[u8]) -> (Ledger, MemoryStorage) {
    let storage = MemoryStorage::new();
    let opened = Ledger::open(storage.clone(), Arc::new(StoppedClock)).await;
    let (ledger, _) = opened.unwrap();
    for key in keys {
        match key {
            0 => ledger.seal_with(Arc::new(|_| None)),
            key => ledger.seal_with(vault(*key).sealer()),
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
        let chain = journal(&ledger, &vault(1)).await.unwrap();
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
    let vault = vault(1);
    let (seal, bytes) = seal_of(records[0].line.as_bytes()).unwrap();
    assert_eq!(vault.judge(seal, bytes), Proof::Good);
    let (other, _) = seal_of(records[1].line.as_bytes()).unwrap();
    assert_eq!(vault.judge(other, bytes), Proof::Wrong);
    assert!(bytes.starts_with(b"\"prev\":"), "what was before counts");
    for garbage in [
        "",
        ":",
        "0001-",
        "x:y",
        "0001-00000000:00",
        "0000-00000000:",
    ] {
        assert_ne!(vault.judge(garbage, bytes), Proof::Good, "{garbage}");
    }
    assert_eq!(seal_of(b""), None);
    assert_eq!(seal_of(b"{\"hash\":\""), None);
}

#[tokio::test]
async fn what_others_wrote_is_not_believed() {
    let (ledger, storage) = ledger(&[1, 1]).await;
    drop(ledger);
    // Somebody goes on without the key.
    let (mut journal, _) = Journal::open(Box::new(storage.clone()), &mut |_| Ok(())).unwrap();
    let entry = crate::admin::testing::entry(3, new("genomics", Change::Noted));
    let forged = journal.append(vec![vec![entry]]).unwrap();
    let bytes = storage.bytes();
    let lines: Vec<&[u8]> = bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .collect();
    let mut believed = Believed::with(Keyring::of([1; 32]));
    let judged: Vec<bool> = lines
        .iter()
        .map(|line| believed.judge(line).is_ok())
        .collect();
    assert_eq!(judged, [true, true, false]);
    let why = believed.judge(forged[0].line.as_bytes()).unwrap_err();
    assert!(
        why.starts_with("entry 3 was not written by this daemon"),
        "{why}"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    std::fs::write(&file, &bytes).unwrap();
    assert!(
        Believed::with(Keyring::of([1; 32]))
            .judge_file(&file)
            .is_err()
    );
    // Without the key nobody can say more than the chain does.
    let mut elsewhere = Believed::with(Keyring::default());
    assert!(elsewhere.judge(lines[0]).is_ok());
    assert!(elsewhere.judge(lines[2]).is_err());
}
