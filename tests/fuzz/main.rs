//! Whatever comes from outside, in every broken form: files that people write, rows, objects of a store, a journal, requests.
//!
//! Each target takes bytes and says whether they were taken or refused; what must hold of both is said there. First the
//! inputs of `tests/fuzz/corpus/TARGET/` are tried, and what the program itself writes; then as many as wanted that are
//! made of these: bytes changed, stretches cut, repeated and swapped, words of the language put in, checksums put right
//! again. None may make it panic, take long or take much memory, and every refusal names its place.
//!
//! `DB4SCI_SEED` decides which are made, `DB4SCI_FUZZ_CASES` how many a target or `DB4SCI_FUZZ_SECONDS` for how long;
//! `dev/fuzz` sets these. An input that breaks a law is cut down, written to a file and named; a copy of it in the corpus
//! keeps it from coming back.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod mutate;
mod run;
mod targets;
mod worker;

/// A test of each target; the module has what it takes and what it must do with it.
macro_rules! targets {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                run::run(&targets::$name::TARGET);
            }
        )*

        /// Their names.
        const NAMES: &[&str] = &[$(stringify!($name),)*];
    };
}

targets! {
    catalog,
    http,
    journal,
    keys,
    manifest,
    rows,
    sealed,
    settings,
    specs,
}

#[test]
fn every_corpus_belongs_to_a_target() {
    let folders = std::fs::read_dir(run::corpora()).unwrap();
    let mut found: Vec<String> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
}
