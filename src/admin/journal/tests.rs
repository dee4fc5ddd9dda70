use std::io::Cursor as Bytes;

use proptest::prelude::*;

use super::*;
use crate::admin::testing::{admitted, database, entry, note};
use crate::model::Class;

/// Opens a journal on these bytes and returns the numbers of its entries.
fn open(storage: &MemoryStorage) -> Result<(Journal, Vec<Entry>, Option<Torn>), JournalError> {
    let mut entries = Vec::new();
    let (journal, torn) = Journal::open(Box::new(storage.clone()), &mut |record| {
        entries.push(record.entry);
        Ok(())
    })?;
    // Every second line has a seal.
    journal.sealing().begin(Arc::new(|bytes| {
        let odd = bytes.len() % 2 == 1;
        odd.then(|| format!("0001-00000000:{:016x}", bytes.len()))
    }));
    Ok((journal, entries, torn))
}

/// A disk with groups of entries, one sync each; and the entries.
fn written(groups: &[usize]) -> (MemoryStorage, Vec<Entry>) {
    let storage = MemoryStorage::new();
    let (mut journal, ..) = open(&storage).unwrap();
    let mut all = Vec::new();
    for group in groups {
        let units: Vec<Vec<Entry>> = (0..*group)
            .map(|i| {
                let seq = all.len() as u64 + 1;
                let message = "x".repeat(seq as usize * 37 % 300 + i);
                let entry = note(seq, &message);
                all.push(entry.clone());
                vec![entry]
            })
            .collect();
        journal.append(units).unwrap();
    }
    (storage, all)
}

fn harm(error: JournalError) -> Harm {
    match error {
        JournalError::Harm(harm) => harm,
        other => panic!("not harm: {other}"),
    }
}

#[test]
fn what_was_appended_is_read_again() {
    let (storage, all) = written(&[1, 5, 2]);
    assert_eq!(storage.syncs(), 3, "one sync a group");
    let (mut journal, entries, torn) = open(&storage).unwrap();
    assert_eq!((entries, torn), (all, None));
    assert_eq!(journal.head().seq, 8);

    let genomics = entry(9, admitted(database("genomics", 32011)));
    let records = journal.append(vec![vec![genomics.clone()]]).unwrap();
    assert_eq!(records[0].prev, {
        let lines = storage.bytes();
        let eighth = lines.split(|b| *b == b'\n').nth(7).unwrap();
        record::verify(eighth).unwrap()
    });
    let (journal, entries, _) = open(&storage).unwrap();
    assert_eq!(entries.last(), Some(&genomics));
    assert_eq!(journal.head(), records[0].head());
}

#[test]
fn a_record_is_one_line_of_json_that_says_what_it_is() {
    let (storage, _) = written(&[1]);
    let text = String::from_utf8(storage.bytes()).unwrap();
    assert_eq!(text.lines().count(), 1);
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["entry"]["seq"], 1);
    assert_eq!(line["prev"], "0".repeat(64));
    assert!(text.starts_with("{\"hash\":\""));
}

#[test]
fn a_number_out_of_turn_is_not_written() {
    let (storage, _) = written(&[2]);
    let (mut journal, ..) = open(&storage).unwrap();
    let before = storage.bytes();
    let error = journal.append(vec![vec![note(5, "")]]).err().unwrap();
    assert!(matches!(error, JournalError::Unfit { .. }), "{error}");
    assert_eq!(storage.bytes(), before);
}

#[test]
fn a_full_disk_leaves_nothing_behind_and_the_next_append_works() {
    let (storage, mut all) = written(&[3]);
    let (mut journal, ..) = open(&storage).unwrap();
    let before = storage.bytes();
    for after in [0, 1, 100, 300] {
        storage.fail_next(Fault::DiskFull { after });
        let error = journal.append(vec![vec![note(4, &"y".repeat(400))]]);
        let error = error.err().unwrap();
        assert!(matches!(error, JournalError::DiskFull { .. }), "{error}");
        assert_eq!(error.class(), Class::Transient);
        assert_eq!(storage.bytes(), before);
    }
    storage.set_full(true);
    assert!(journal.probe().is_err());
    storage.set_full(false);
    journal.probe().unwrap();
    assert_eq!(storage.bytes(), before, "a probe leaves nothing");
    journal.append(vec![vec![note(4, "now")]]).unwrap();
    all.push(note(4, "now"));
    assert_eq!(open(&storage).unwrap().1, all);
}

#[test]
fn a_failed_sync_is_no_success_and_its_bytes_go() {
    let (storage, all) = written(&[3]);
    let (mut journal, ..) = open(&storage).unwrap();
    storage.fail_next(Fault::SyncFails);
    let error = journal.append(vec![vec![note(4, "lost")]]).err().unwrap();
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
    assert_eq!(open(&storage).unwrap().1, all);
    journal.append(vec![vec![note(4, "kept")]]).unwrap();
    assert_eq!(open(&storage).unwrap().1.last(), Some(&note(4, "kept")));
}

#[test]
fn of_a_torn_unit_nothing_counts() {
    let (storage, all) = written(&[2]);
    let (mut journal, ..) = open(&storage).unwrap();
    let start = storage.bytes().len();
    let unit = vec![note(3, "a"), note(4, "b"), note(5, "c")];
    journal.append(vec![unit]).unwrap();
    let whole = storage.bytes();
    for cut in start..whole.len() {
        let torn = MemoryStorage::holding(whole[..cut].to_vec());
        let (_, entries, report) = open(&torn).unwrap();
        assert_eq!(entries, all, "cut at {cut}");
        assert_eq!(report.map_or(0, |t| t.bytes), (cut - start) as u64);
        assert_eq!(torn.bytes(), whole[..start]);
    }
}

#[test]
fn a_page_that_never_reached_the_disk_is_a_torn_tail_even_before_good_records() {
    let (storage, all) = written(&[4, 6]);
    let whole = storage.bytes();
    let ends: Vec<usize> = (0..whole.len()).filter(|i| whole[*i] == b'\n').collect();
    let second_group = ends[3] + 1;
    for record in 4..9 {
        // From the middle of one record into the next one; the last one stays good.
        let (from, to) = (ends[record - 1] + 20, ends[record] - 20);
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        let torn = MemoryStorage::holding(bytes);
        let (_, entries, report) = open(&torn).unwrap();
        assert_eq!(entries, all[..record]);
        assert!(report.unwrap().offset >= second_group as u64);
    }
    // The same in the first group, which the second one knows to have been on disk.
    let mut bytes = whole.clone();
    bytes[ends[1] + 20..ends[2] - 20].fill(0);
    let harmed = MemoryStorage::holding(bytes.clone());
    let found = harm(open(&harmed).err().unwrap());
    assert_eq!(found.record, 3);
    assert_eq!(harmed.bytes(), bytes, "nothing is written at harm");
}

#[test]
fn a_removed_repeated_or_reordered_record_is_harm() {
    let (storage, _) = written(&[1, 1, 1, 1]);
    let bytes = storage.bytes();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for (order, first_bad) in [
        (vec![0, 2, 3], 2),
        (vec![0, 1, 1, 2, 3], 3),
        (vec![0, 2, 1, 3], 2),
        (vec![1, 2, 3], 1),
    ] {
        let bytes = order.iter().flat_map(|i| lines[*i].to_vec()).collect();
        let found = harm(open(&MemoryStorage::holding(bytes)).err().unwrap());
        assert_eq!(found.record, first_bad, "{order:?}: {found}");
    }
}

#[test]
fn a_record_of_a_newer_program_is_not_called_damaged() {
    let (storage, _) = written(&[2]);
    let (journal, ..) = open(&storage).unwrap();
    let known = record::encode(journal.head().hash, 2, 0, note(3, ""), None).unwrap();
    let newer = known
        .line
        .replace("\"kind\":\"noted\"", "\"kind\":\"dreamt\"");
    // Seal it again, as the newer program would.
    let sealed = newer.trim_end().split_once("\",").unwrap().1;
    let hash: String = {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(sealed.as_bytes());
        digest.iter().map(|b| format!("{b:02x}")).collect()
    };
    let mut bytes = storage.bytes();
    bytes.extend_from_slice(format!("{{\"hash\":\"{hash}\",{sealed}\n").as_bytes());
    let error = open(&MemoryStorage::holding(bytes)).err().unwrap();
    assert!(
        matches!(error, JournalError::Newer { record: 3, .. }),
        "{error}"
    );
}

#[test]
fn an_entry_that_the_fold_objects_to_is_harm_and_nothing_is_written() {
    let (storage, _) = written(&[3]);
    let mut bytes = storage.bytes();
    bytes.extend_from_slice(b"torn");
    let storage = MemoryStorage::holding(bytes.clone());
    let error = Journal::open(Box::new(storage.clone()), &mut |record| {
        (record.entry.seq < 2)
            .then_some(())
            .ok_or_else(|| "no such database".to_owned())
    });
    assert_eq!(harm(error.err().unwrap()).record, 2);
    assert_eq!(storage.bytes(), bytes);
}

#[test]
fn readers_see_the_records_after_any_number() {
    let (storage, all) = written(&[200, 200, 200]);
    let (journal, ..) = open(&storage).unwrap();
    for after in [0, 1, 254, 255, 256, 257, 511, 512, 599, 600, 10_000] {
        let mut seen = Vec::new();
        journal
            .reader()
            .after(after, &mut |record| {
                seen.push(record.entry);
                true
            })
            .unwrap();
        let expected: Vec<Entry> = all.iter().filter(|e| e.seq > after).cloned().collect();
        assert_eq!(seen, expected, "after {after}");
    }
}

#[test]
fn a_file_is_made_once_and_only_the_last_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    let journal_folder = folder.path().join("journal");
    let storage = FileStorage::open(&journal_folder).unwrap();
    let (mut journal, _) = Journal::open(Box::new(storage), &mut |_| Ok(())).unwrap();
    journal.append(vec![vec![note(1, "first")]]).unwrap();

    let mode = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    let file = journal_folder.join(FILE_NAME);
    assert_eq!((mode(&journal_folder), mode(&file)), (0o700, 0o600));

    let mut entries = Vec::new();
    let source = FileStorage::read_only(&journal_folder).unwrap();
    read_all(source.as_ref(), &mut |_, record| {
        entries.push(record.entry);
        Ok(())
    })
    .unwrap();
    assert_eq!(entries, [note(1, "first")]);

    // With its folder it is gone; alone, it is put there again.
    std::fs::remove_file(&file).unwrap();
    journal.append(vec![vec![note(2, "second")]]).unwrap();
    let mut read = 0;
    let source = FileStorage::read_only(&journal_folder).unwrap();
    read_all(source.as_ref(), &mut |_, _| {
        read += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!((read, mode(&file)), (2, 0o600));
    std::fs::remove_dir_all(&journal_folder).unwrap();
    let error = journal.append(vec![vec![note(3, "into nothing")]]);
    let error = error.err().unwrap();
    assert!(matches!(error, JournalError::Gone { .. }), "{error}");
    assert!(!file.exists());
}

#[test]
fn room_is_held_ahead_and_the_length_says_nothing_of_it() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(folder.path()).unwrap();
    let file = folder.path().join(FILE_NAME);
    let (mut journal, _) = Journal::open(Box::new(storage), &mut |_| Ok(())).unwrap();
    let taken = || std::fs::metadata(&file).unwrap().blocks() * 512;
    assert_eq!(taken(), 0, "nothing before it is written to");
    let (mut seq, mut most) = (0, 0);
    while most <= storage::RESERVE {
        seq += 1;
        let long = "x".repeat(60_000);
        journal.append(vec![vec![note(seq, &long)]]).unwrap();
        let length = std::fs::metadata(&file).unwrap().len();
        let ahead = taken().saturating_sub(length);
        assert!(
            ahead >= storage::RESERVE / 2 - 8192,
            "{ahead} bytes are held after {length}"
        );
        most = length;
    }
    // A failed append gives it back, and the next one takes it again.
    journal.probe().unwrap();
    journal.append(vec![vec![note(seq + 1, "on")]]).unwrap();
    assert!(taken() >= std::fs::metadata(&file).unwrap().len() + storage::RESERVE / 2);
    drop(journal);
    let (journal, torn) = Journal::open(
        Box::new(FileStorage::open(folder.path()).unwrap()),
        &mut |_| Ok(()),
    )
    .unwrap();
    assert_eq!((journal.head().seq, torn), (seq + 1, None));
}

#[test]
fn a_file_that_is_no_longer_the_one_it_was_takes_nothing() {
    let whole = |folder: &std::path::Path| {
        let source = FileStorage::read_only(folder).unwrap();
        read_all(source.as_ref(), &mut |_, _| Ok(()))
    };
    let append = |folder: &std::path::Path, class: Class, harm: &dyn Fn(&std::path::Path)| {
        let storage = FileStorage::open(folder).unwrap();
        let (mut journal, _) = Journal::open(Box::new(storage), &mut |_| Ok(())).unwrap();
        let first = journal.head().seq + 1;
        journal.append(vec![vec![note(first, "first")]]).unwrap();
        assert!(whole(folder).is_ok());
        harm(&folder.join(FILE_NAME));
        let harmed = std::fs::read(folder.join(FILE_NAME)).unwrap();
        for _ in 0..2 {
            let second = journal.append(vec![vec![note(first + 1, "second")]]);
            let error = second.err().unwrap();
            assert_eq!(error.class(), class, "{error}");
        }
        assert_eq!(
            std::fs::read(folder.join(FILE_NAME)).unwrap(),
            harmed,
            "no hole is made, and nothing cut"
        );
    };
    let folder = tempfile::tempdir().unwrap();
    append(folder.path(), Class::Permanent, &|file| {
        let bytes = std::fs::read(file).unwrap();
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, bytes).unwrap();
    });
    // What is missing of it can be written back.
    append(folder.path(), Class::Transient, &|file| {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_len(5).unwrap();
    });
    let lost = whole(folder.path()).err().unwrap().to_string();
    assert!(lost.contains("it ends there, and had"), "{lost}");
    let error = Journal::open(
        Box::new(FileStorage::open(folder.path()).unwrap()),
        &mut |_| Ok(()),
    );
    assert!(
        matches!(error, Err(JournalError::Harm(_))),
        "nor is it cut back to what can be read"
    );
    std::fs::remove_file(folder.path().join(LENGTH)).unwrap();
    // What was never there is not missed.
    let storage = FileStorage::open(folder.path()).unwrap();
    Journal::open(Box::new(storage), &mut |_| Ok(())).unwrap();
    assert!(whole(folder.path()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_cut_anywhere_leaves_a_prefix(groups in prop::collection::vec(1usize..5, 1..6), cut in 0.0..1.0f64) {
        let (storage, all) = written(&groups);
        let whole = storage.bytes();
        let cut = (whole.len() as f64 * cut) as usize;
        let torn = MemoryStorage::holding(whole[..cut].to_vec());
        let (mut journal, entries, report) = open(&torn).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        prop_assert_eq!(&entries, &all[..lines]);
        let good = whole[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        prop_assert_eq!(report.map_or(0, |t| t.bytes), (cut - good) as u64);
        // What was torn away does not disturb what comes after it.
        let next = note(lines as u64 + 1, "after the crash");
        journal.append(vec![vec![next.clone()]]).unwrap();
        let (_, entries, _) = open(&torn).unwrap();
        prop_assert_eq!(entries.last(), Some(&next));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_harm(groups in prop::collection::vec(1usize..5, 1..6), at in 0.0..1.0f64, bit in 0u8..8) {
        let (storage, _) = written(&groups);
        let mut bytes = storage.bytes();
        let at = (bytes.len() as f64 * at) as usize;
        let record = bytes[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        bytes[at] ^= 1 << bit;
        let harmed = MemoryStorage::holding(bytes.clone());
        let found = harm(open(&harmed).err().unwrap());
        prop_assert_eq!(found.record, record);
        prop_assert_eq!(harmed.bytes(), bytes);
    }

    #[test]
    fn a_kill_between_write_and_sync_leaves_what_was_acknowledged(
        groups in prop::collection::vec(1usize..4, 1..4), kept in 0usize..2000,
    ) {
        let (storage, all) = written(&groups);
        let next = all.len() as u64 + 1;
        // The process dies after its write and before its sync: on the disk is any part of it.
        let mut dying = storage.clone();
        let (journal, ..) = open(&storage).unwrap();
        let unsynced: Vec<u8> = (0..3)
            .scan(journal.head(), |head, i| {
                let record =
                    record::encode(head.hash, next - 1, 0, note(next + i, "?"), None).unwrap();
                *head = record.head();
                Some(record.line.into_bytes().into_iter().chain([b'\n']))
            })
            .flatten()
            .collect();
        dying.write_at(storage.bytes().len() as u64, &unsynced).unwrap();
        let survivor = storage.crash(kept);
        prop_assert!(dying.sync().is_err(), "the dead process cannot write");
        let (_, entries, _) = open(&survivor).unwrap();
        prop_assert_eq!(&entries[..all.len()], &all[..]);
        prop_assert!(entries.len() <= all.len() + 3);
        prop_assert!(entries.iter().zip(1..).all(|(e, n)| e.seq == n));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut reader = Bytes::new(bytes);
        let _ = scan::scan(&mut reader, "any", Cursor::START, &mut |_, _| Ok(()));
    }
}
