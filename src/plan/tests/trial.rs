//! Settings that a server does not start with.

use std::sync::Arc;

use super::config::config;
use super::*;
use crate::engine::trial;

/// Its spec wants another value, and its files say it since a minute.
fn begun() -> Case {
    let mut case = Case::exited(1);
    let before = case.seen.files.present().cloned().unwrap();
    case.db
        .settings
        .insert("wal_level".to_owned(), "minimal".to_owned());
    write(&mut case, &before);
    case
}

/// Its files are written for its next start.
fn write(case: &mut Case, seen: &FilesSeen) {
    let recipe = engine::recipe(case.db.engine);
    let wanted = recipe.files(&trial::startable(&case.db, seen, case.retry_asked));
    let since = case.now - seconds(60);
    case.seen.files = Seen::Present(FilesSeen {
        settings: wanted.settings.clone().into(),
        config: wanted.config_text.clone(),
        trial: trial::begun(&case.db, seen, &wanted, case.retry_asked, since),
        ..seen.clone()
    });
}

fn files(case: &Case) -> FilesSeen {
    case.seen.files.present().cloned().unwrap()
}

/// Its files are taken back, by what its log says.
fn take_back(case: &mut Case, log: &str) {
    let seen = files(case);
    let before = seen.trial.open.clone().unwrap();
    let back = trial::taken_back(&case.db, &seen, &before, None, log, case.now).unwrap();
    case.seen.files = Seen::Present(FilesSeen {
        settings: back.settings.into(),
        config: back.config,
        trial: back.trial,
        ..seen
    });
}

fn fails(case: &mut Case, ago: &[i64]) {
    case.seen.attempts.failed_runs = ago.iter().map(|s| case.now - seconds(*s)).collect();
}

#[test]
fn settings_that_it_does_not_start_with_are_taken_back_after_its_second_run_with_them() {
    for (ago, back) in [
        (&[][..], false),
        (&[10][..], false),
        // Those before say nothing of these settings.
        (&[300, 200, 10][..], false),
        (&[30, 10][..], true),
        (&[50, 40, 30, 20, 10][..], true),
    ] {
        for status in [Status::Exited, Status::Restarting] {
            let mut case = begun();
            fails(&mut case, ago);
            case.container().status = status;
            let steps = case.steps();
            let stops = steps == ["set_policy", "stop"];
            match status {
                Status::Restarting => assert_eq!(stops, back, "{ago:?} {steps:?}"),
                _ => assert_eq!(steps.contains(&"take_back"), back, "{ago:?} {steps:?}"),
            }
        }
    }
    let mut case = begun();
    fails(&mut case, &[30, 10]);
    assert_eq!(case.steps(), ["take_back", "start"]);
    // What its spec says by now is tried first.
    case.db
        .settings
        .insert("wal_level".to_owned(), "logical".to_owned());
    assert!(!case.steps().contains(&"take_back"));
    // And what it was always started with is taken back by nobody.
    let mut case = Case::exited(1);
    fails(&mut case, &[30, 10]);
    assert!(!case.steps().contains(&"take_back"));
}

#[test]
fn what_was_taken_back_stays_back_and_is_told_until_the_spec_or_a_person_says_otherwise() {
    let mut case = begun();
    take_back(&mut case, "FATAL: no wal_level");
    // However often its files are written.
    for _ in 0..2 {
        let seen = files(&case);
        assert!(!seen.settings.contains_key("wal_level"));
        write(&mut case, &seen);
        assert_eq!(files(&case).trial.open, None);
    }
    assert_eq!(case.steps(), ["start"]);
    let running = Case::ready().seen;
    (case.seen.containers, case.seen.probe) = (running.containers, running.probe);
    case.is_left_alone_for(Reason::NeedsSpecChange);
    let told = case.held(Reason::NeedsSpecChange).message;
    for part in [
        "wal_level minimal (it has its default)",
        "FATAL: no wal_level",
        "db4sci retry",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let (phase, reason) = case.phase();
    assert_eq!(phase, crate::model::view::Phase::Ready);
    assert_eq!(reason, Some(Reason::NeedsSpecChange));

    // Another setting has its way, and the one that was refused does not come with it.
    let mut other = case.clone();
    other
        .db
        .settings
        .insert("max_connections".to_owned(), "55".to_owned());
    let waits = other.held(Reason::OutsideWindow).message;
    assert!(
        waits.contains("max_connections") && !waits.contains("wal_level"),
        "{waits}"
    );
    let seen = files(&other);
    write(&mut other, &seen);
    let after = files(&other);
    assert!(after.trial.open.is_some() && after.trial.refused.is_some());
    assert!(!after.settings.contains_key("wal_level"));

    let tried_again: [fn(&mut Case); 3] = [
        |c| c.retry_asked = Some(noon() + seconds(1)),
        |c| {
            drop(
                c.db.settings
                    .insert("wal_level".to_owned(), "logical".to_owned()),
            )
        },
        |c| config(c, None, Some("max_connections = 9")),
    ];
    for (n, change) in tried_again.into_iter().enumerate() {
        let mut case = case.clone();
        let trial = files(&case).trial;
        change(&mut case);
        if let Seen::Present(files) = &mut case.seen.files {
            files.trial = trial;
        }
        let waits = case.held(Reason::OutsideWindow).message;
        assert_eq!(waits.contains("wal_level"), n < 2, "{waits}");
    }
    // The one that it has is wanted again: nothing is left to tell.
    case.db.settings.remove("wal_level");
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn another_text_of_its_configuration_file_is_taken_back_with_its_settings() {
    let mut case = Case::exited(1);
    config(&mut case, Some("jit = on"), Some("wal_level = minimal"));
    let before = files(&case);
    write(&mut case, &before);
    fails(&mut case, &[30, 10]);
    assert_eq!(case.steps(), ["take_back", "start"]);
    take_back(&mut case, "FATAL: wal_level");
    fails(&mut case, &[]);
    assert_eq!(files(&case).config.as_deref(), Some("jit = on"));
    assert_eq!(case.steps(), ["start"]);
    let seen = files(&case);
    write(&mut case, &seen);
    assert_eq!(files(&case).config.as_deref(), Some("jit = on"));
}

#[test]
fn settings_that_it_answers_with_are_no_trial_any_more() {
    let mut case = begun();
    let running = Case::ready().seen;
    (case.seen.containers, case.seen.probe) = (running.containers, running.probe);
    assert_eq!(case.steps(), ["prove_settings"]);
    // One that was being changed counts as it was before.
    let mut seen = files(&Case::ready());
    Arc::make_mut(&mut seen.settings)
        .insert("work_mem".to_owned(), "(being changed) 7MB".to_owned());
    Arc::make_mut(&mut seen.settings).insert("jit".to_owned(), "(being changed)".to_owned());
    write(&mut case, &seen);
    let open = files(&case).trial.open.unwrap();
    assert_eq!(
        open.settings.get("work_mem").map(String::as_str),
        Some("7MB")
    );
    assert!(!open.settings.contains_key("jit"));
    // Written again before it has answered, it goes back to what it last answered with.
    let seen = files(&case);
    case.db
        .settings
        .insert("wal_level".to_owned(), "logical".to_owned());
    write(&mut case, &seen);
    assert_eq!(files(&case).trial.open.unwrap().settings, open.settings);
}

#[test]
fn only_what_its_last_words_name_is_taken_back() {
    let mut case = Case::exited(1);
    let seen = files(&case);
    for (name, value) in [
        ("wal_level", "minimal"),
        ("max_connections", "9"),
        ("jit", "off"),
    ] {
        case.db.settings.insert(name.to_owned(), value.to_owned());
    }
    write(&mut case, &seen);
    let seen = files(&case);
    let before = seen.trial.open.clone().unwrap();
    for (log, names, left) in [
        (
            "LOG: jit\nFATAL: \"Wal-level\" is minimal\nLOG: down\n",
            "wal_level",
            true,
        ),
        (
            "wal_level=minimal, max_connections: 9; jit.",
            "jit max_connections wal_level",
            false,
        ),
        ("FATAL: wal_levels, my_jit, x.jit, work_mem\n", "", true),
        ("", "", true),
    ] {
        let back = trial::taken_back(&case.db, &seen, &before, None, log, case.now);
        let Some(back) = back else {
            assert_eq!(names, "", "{log}");
            continue;
        };
        assert_eq!(Vec::from_iter(back.names).join(" "), names, "{log}");
        assert_eq!(back.trial.open.is_some(), left, "{log}");
        for name in names.split(' ') {
            assert_eq!(back.settings.get(name), before.settings.get(name), "{log}");
        }
        let kept = back.settings.get("jit").map(String::as_str);
        assert_eq!(kept == Some("off"), left, "{log}");
        let refused = back.trial.refused.unwrap();
        assert_eq!(refused.settings.len(), names.split(' ').count());
        assert!(!refused.words.contains("down"), "{}", refused.words);
    }
}

#[test]
fn what_nobody_knows_is_not_gone_back_to() {
    let case = begun();
    let recipe = engine::recipe(case.db.engine);
    let wanted = recipe.files(&case.db);
    let open = |settings: Arc<_>, config: Option<&str>| {
        let seen = FilesSeen {
            settings,
            config: config.map(str::to_owned),
            trial: Default::default(),
            ..files(&case)
        };
        trial::begun(&case.db, &seen, &wanted, None, case.now).open
    };
    let settings = files(&Case::exited(1)).settings;
    assert_eq!(open(Arc::default(), None), None);
    assert!(open(settings, None).is_some());
    assert!(open(Arc::default(), Some("cluster_name = 'lab'")).is_some());
}
