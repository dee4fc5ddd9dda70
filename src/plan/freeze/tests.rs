use super::*;
use crate::model::{Slot, Timestamp};

fn id(name: &str, day: u32, store: &str) -> BackupId {
    let at: Timestamp = format!("2026-03-{day:02}T02:00:00Z").parse().unwrap();
    BackupId {
        name: name.parse().unwrap(),
        slot: Slot::at(at),
        attempt: 1,
        store: store.to_owned(),
    }
}

fn uid(n: u128) -> Uid {
    Uid(uuid::Uuid::from_u128(n))
}

fn known() -> Known {
    Known {
        uids: [(uid(1), "genomics".parse().unwrap())].into(),
        past: [(uid(3), "genomics".parse().unwrap())].into(),
        backups: [id("genomics", 1, "local"), id("old", 1, "local")].into(),
        ..Known::default()
    }
}

fn labelled(name: &str, uid: Option<Uid>, generation: Option<u64>) -> Labelled {
    Labelled {
        name: name.to_owned(),
        uid,
        generation,
    }
}

fn found(
    containers: &[(&str, Option<u128>)],
    local: &[BackupId],
    offsite: Result<&[BackupId], &str>,
) -> Found {
    // `was-…` is the name that a database had before it was renamed.
    let whose = |id: &BackupId| match id.name.as_str() {
        "genomics" | "was-genomics" => uid(1),
        "was-before" => uid(3),
        _ => uid(2),
    };
    let all = |ids: &[BackupId]| ids.iter().map(|id| (id.clone(), whose(id))).collect();
    Found {
        containers: Ok(containers
            .iter()
            .map(|(name, n)| labelled(name, n.map(uid), None))
            .collect()),
        strange: BTreeMap::new(),
        stores: [
            ("local".to_owned(), Ok(all(local))),
            (
                "offsite".to_owned(),
                offsite.map(all).map_err(str::to_owned),
            ),
        ]
        .into(),
    }
}

#[test]
fn everything_is_frozen_until_all_that_lives_is_known() {
    let (one, two) = (id("genomics", 1, "local"), id("genomics", 2, "local"));
    let there = id("genomics", 2, "offsite");
    let other = id("assays", 2, "offsite");
    let (renamed, before) = (id("was-genomics", 1, "local"), id("was-before", 1, "local"));
    let ours = &[("genomics", Some(1))][..];
    type Case<'a> = (Found, &'a [&'a str], Vec<BackupId>, &'a [&'a str]);
    let cases: Vec<Case<'_>> = vec![
        (
            found(ours, std::slice::from_ref(&one), Ok(&[])),
            &[],
            vec![],
            &[],
        ),
        // Known, and no longer there: told elsewhere, no reason to wait.
        (found(&[], &[], Ok(&[])), &[], vec![], &[]),
        // Of a name that is gone, but known.
        (
            found(ours, &[id("old", 1, "local")], Ok(&[])),
            &[],
            vec![],
            &[],
        ),
        (
            found(
                ours,
                &[one.clone(), two.clone()],
                Ok(std::slice::from_ref(&there)),
            ),
            &[],
            vec![two.clone(), there.clone()],
            &[],
        ),
        (
            found(&[("genomics", Some(1)), ("assays", Some(2))], &[], Ok(&[])),
            &[],
            vec![],
            &["container assays"],
        ),
        (
            found(&[("x", None)], &[], Ok(&[])),
            &[],
            vec![],
            &["container x"],
        ),
        (
            found(ours, &[], Ok(&[other.clone(), id("assays", 3, "offsite")])),
            &[],
            vec![],
            &["store offsite holds backups of assays"],
        ),
        (found(ours, &[], Ok(&[other])), &["offsite"], vec![], &[]),
        (
            found(ours, std::slice::from_ref(&two), Err("no route")),
            &[],
            vec![two.clone()],
            &["store offsite does not answer: no route"],
        ),
        (found(ours, &[], Err("no route")), &["offsite"], vec![], &[]),
        // Taken under a name that its database, or an earlier one, does not have any more.
        (
            found(ours, &[renamed.clone(), before.clone()], Ok(&[])),
            &[],
            vec![before, renamed],
            &[],
        ),
        // Another store's end does not give up this one.
        (
            found(ours, &[], Err("no route")),
            &["local"],
            vec![],
            &["store offsite does not answer"],
        ),
        // What it still holds of known names is known again.
        (
            found(ours, &[], Ok(std::slice::from_ref(&there))),
            &["offsite"],
            vec![there.clone()],
            &[],
        ),
    ];
    for (found, thawed, adopt, frozen) in cases {
        let thawed = thawed.iter().map(ToString::to_string).collect();
        let unknown = unknown(&known(), &found, &thawed);
        assert_eq!(unknown.adopt, adopt, "{found:?}");
        assert_eq!(unknown.frozen.len(), frozen.len(), "{found:?}: {unknown:?}");
        for (line, words) in unknown.frozen.iter().zip(frozen) {
            assert!(line.contains(words), "{line}: {words}");
        }
    }
    let silent = Found {
        containers: Err("no socket".to_owned()),
        stores: BTreeMap::new(),
        strange: BTreeMap::new(),
    };
    let unknown = unknown(&known(), &silent, &BTreeSet::new());
    assert_eq!(unknown.frozen, ["Docker does not answer: no socket"]);
}

#[test]
fn other_generations_and_missing_objects_are_told_and_freeze_nothing() {
    let of = |day| id("genomics", day, "local");
    let mut known = known();
    known.generations = [(uid(1), 5)].into();
    known.stored = (1..=5)
        .map(|day| (of(day), "genomics".parse().unwrap()))
        .collect();
    known.backups = known.stored.keys().cloned().collect();
    let told = |generation, local: Result<&[BackupId], &str>| {
        let mut found = found(&[], &[], Ok(&[]));
        found.containers = Ok(vec![labelled("genomics", Some(uid(1)), generation)]);
        let there = local.map(|ids| ids.iter().map(|id| (id.clone(), uid(1))).collect());
        found.stores = [("local".to_owned(), there.map_err(str::to_owned))].into();
        let unknown = unknown(&known, &found, &["local".to_owned()].into());
        assert_eq!(unknown.frozen, [""; 0]);
        unknown.remarks
    };
    let all: Vec<BackupId> = (1..=5).map(of).collect();
    assert_eq!(told(Some(5), Ok(&all)), []);
    assert_eq!(
        told(None, Ok(&all)),
        [],
        "made by a program that wrote none"
    );
    // A store that does not answer says nothing of what it holds.
    assert_eq!(told(Some(5), Err("no route")), []);
    let older = told(Some(3), Ok(&all));
    assert!(
        !older[0].notable
            && older[0]
                .what
                .contains("generation 3 of its spec, which is at 5")
    );
    let newer = told(Some(7), Ok(&all));
    assert!(
        newer[0].notable
            && newer[0]
                .what
                .contains("what was changed after that is lost")
    );
    let [one] = &told(Some(5), Ok(&all[..4]))[..] else {
        panic!()
    };
    assert!(
        one.notable && one.what.contains(&format!("hold: {}; see", of(5))),
        "{one:?}"
    );
    let [all_of_it] = &told(Some(5), Ok(&[]))[..] else {
        panic!()
    };
    assert!(
        all_of_it.what.contains(&format!("{} and 2 more", of(3))),
        "{all_of_it:?}"
    );
}

#[test]
fn refused_manifests_freeze_all_where_nobody_has_their_name() {
    let ids = [
        id("genomics", 1, "local"),
        id("assays", 1, "local"),
        id("assays", 2, "local"),
    ];
    let lines = refused(&known(), "local", &ids.into());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("the store local holds backups of assays, and there is"));
}

#[test]
fn another_history_in_a_store_freezes_all_until_a_person_gives_it_up() {
    let mut found = found(&[], &[], Ok(&[]));
    let strange = Strange {
        upto: 57,
        written: "2026-03-01T02:00:00Z".parse().unwrap(),
    };
    found.strange = [("offsite".to_owned(), strange)].into();
    let of = |thawed: &[&str]| {
        let thawed = thawed.iter().map(ToString::to_string).collect();
        unknown(&known(), &found, &thawed).frozen
    };
    for thawed in [&[][..], &["local"]] {
        let lines = of(thawed);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("the store offsite holds entries"),
            "{lines:?}"
        );
    }
    assert_eq!(of(&["offsite"]), [""; 0]);
}
