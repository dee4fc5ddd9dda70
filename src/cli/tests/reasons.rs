//! Whoever changes something can say why.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::fake::world;
use crate::cli::args::Cli;
use crate::plan::render::sample::ready;

/// Verbs of which nothing comes into the log: they look, copy, or prepare a host before there is one.
const NOTHING_TO_SAY: [&str; 26] = [
    "account list",
    "audit verify",
    "backup download",
    "backup list",
    "ca export",
    "check",
    "completions",
    "connect",
    "describe",
    "disk",
    "doctor",
    "events",
    "export",
    "get",
    "images list",
    "images load",
    "images save",
    "init",
    "key export",
    "key list",
    "logs",
    "plan",
    "run",
    "schema",
    "status",
    "wait",
];

/// Every verb, and whether it takes a reason.
fn verbs(command: &clap::Command, above: &str, found: &mut Vec<(String, bool)>) {
    for verb in command.get_subcommands() {
        let path = format!("{above}{}", verb.get_name());
        if verb.get_subcommands().next().is_some() {
            verbs(verb, &format!("{path} "), found);
            continue;
        }
        let mut arguments = verb.get_arguments();
        let takes = arguments.any(|one| one.get_long() == Some("reason"));
        found.push((path, takes));
    }
}

#[test]
fn every_verb_that_changes_something_takes_a_reason() {
    let mut found = Vec::new();
    verbs(&Cli::command(), "", &mut found);
    let silent: BTreeSet<&str> = found
        .iter()
        .filter(|(_, takes)| !takes)
        .map(|(verb, _)| verb.as_str())
        .collect();
    assert_eq!(silent, BTreeSet::from(NOTHING_TO_SAY));
}

#[tokio::test]
async fn the_reason_is_handed_on() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let id = "genomics-20261122T021500Z-1@local";
    for line in [
        "backup now genomics".to_owned(),
        "backup verify genomics".to_owned(),
        format!("backup keep {id} --until 2027-06-30"),
        "key renew".to_owned(),
        "password genomics".to_owned(),
        "password genomics --account reader".to_owned(),
    ] {
        let said = world.run(&format!("{line} --reason INC-812")).await;
        assert_eq!(said.exit, 0, "{line}: {}", said.err);
        let asked = world.daemon.asked().pop().unwrap();
        assert!(asked.contains("INC-812"), "{line}: {asked}");
    }
}
