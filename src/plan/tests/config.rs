//! Another text of a configuration file: taken by the running server, or at its next start.

use super::*;
use crate::model::action::Settings;
use crate::model::database::ConfigFile;

/// What its files say when nothing is to be done.
fn in_force(c: &Case) -> FilesSeen {
    c.seen.files.present().cloned().unwrap()
}

/// The configuration file's text in force, and the one that is wanted.
pub(super) fn config(c: &mut Case, old: Option<&str>, new: Option<&str>) {
    c.db.config = new.map(|text| ConfigFile {
        file: "my.conf".to_owned(),
        text: text.to_owned(),
    });
    c.seen.files = Seen::Present(FilesSeen {
        config: old.map(str::to_owned),
        ..in_force(c)
    });
}

/// The one reload that is planned.
#[track_caller]
fn reload(case: &Case) -> (Settings, String) {
    let lane = case.plan().lane.unwrap();
    assert_eq!(lane.cost, Cost::None);
    match lane.actions.as_slice() {
        [Action::Reload(settings)] => (settings.clone(), lane.why.join("; ")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_configuration_file_is_reloaded_where_the_server_takes_all_of_it() {
    for (old, new, changed, why) in [
        (None, Some("jit = on"), "jit", "config -> my.conf (jit)"),
        (Some("jit = on"), None, "jit", "config -> none (jit)"),
        (
            Some("jit = on"),
            Some("jit on # c"),
            "",
            "config -> my.conf (no setting)",
        ),
    ] {
        let mut case = Case::ready();
        config(&mut case, old, new);
        let (settings, said) = reload(&case);
        let new_config = settings.new_config.as_ref().unwrap();
        assert_eq!(new_config.text.as_deref(), new);
        assert_eq!(settings.config.as_deref(), old);
        let names: Vec<&str> = new_config.changed.iter().map(String::as_str).collect();
        assert_eq!((names.join(", ").as_str(), said.as_str()), (changed, why));
        assert!(settings.changed.is_empty() && case.plan().held.is_empty());
    }
}

#[test]
fn a_configuration_file_that_waits_leaves_the_old_one_in_force_under_a_reload() {
    let mut case = Case::ready();
    config(&mut case, Some("jit = on"), Some("port = 1\njit = off"));
    case.db
        .settings
        .insert("work_mem".to_owned(), "99MB".to_owned());
    let (settings, why) = reload(&case);
    assert!(
        settings.new_config.is_none() && why.contains("work_mem"),
        "{why}"
    );
    assert_eq!(
        settings.config_after().map(String::as_str),
        Some("jit = on")
    );
    let held = case.held(Reason::OutsideWindow);
    assert!(
        held.message.contains("config -> my.conf (port)"),
        "{}",
        held.message
    );
}

#[test]
fn a_reload_that_was_cut_off_is_done_again_even_back_to_the_old_text() {
    let (old, tried) = (Some("jit = on"), Some("jit = off\nwork_mem = 9MB"));
    for (wanted, changed) in [(old, "jit, work_mem"), (tried, "jit, work_mem")] {
        let mut case = Case::ready();
        config(&mut case, old, wanted);
        if let Seen::Present(files) = &mut case.seen.files {
            files.config_tried = tried.map(str::to_owned);
        }
        let (settings, _) = reload(&case);
        let new = settings.new_config.unwrap();
        let names: Vec<&str> = new.changed.iter().map(String::as_str).collect();
        assert_eq!(
            (new.text.as_deref(), names.join(", ").as_str()),
            (wanted, changed)
        );
    }
    // One that needs a restart waits, and until then it is still not sure what is in force.
    let mut case = Case::ready();
    config(&mut case, old, Some("port = 1"));
    case.db
        .settings
        .insert("work_mem".to_owned(), "99MB".to_owned());
    if let Seen::Present(files) = &mut case.seen.files {
        files.config_tried = tried.map(str::to_owned);
    }
    assert_eq!(reload(&case).0.config_tried.as_deref(), tried);
}
