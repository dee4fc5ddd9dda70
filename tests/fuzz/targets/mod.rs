//! What takes bytes from outside, and what must hold whatever they are.

pub mod catalog;
pub mod http;
pub mod journal;
pub mod keys;
pub mod manifest;
pub mod rows;
pub mod sealed;
pub mod settings;
pub mod specs;

mod rules;

use db4sci::model::Problem;

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Something was made of it.
    Taken,
    /// It was refused as it should be.
    Refused,
}

/// Holds one input against the laws; an error is a law that it broke.
pub type Check = Box<dyn FnMut(&[u8]) -> Result<Fate, String>>;

/// Something that takes bytes from outside.
pub struct Target {
    /// Its name, and its corpus'.
    pub name: &'static str,
    /// Words of its language.
    pub words: &'static [&'static str],
    /// Inputs in an ordinary run.
    pub cases: u32,
    /// Inputs that the program writes itself.
    pub made: fn() -> Vec<Vec<u8>>,
    /// Puts right what every change makes wrong, such as checksums: who forges does the same.
    pub repair: fn(Vec<u8>) -> Vec<u8>,
    /// Makes what holds inputs against the laws, in the thread that will.
    pub start: fn() -> Check,
}

/// For what nobody writes.
pub fn none() -> Vec<Vec<u8>> {
    Vec::new()
}

/// For what has no checksum.
pub fn as_it_is(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// A law: an error says which input broke it.
pub fn must(holds: bool, law: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(law()) }
}

/// Problems tell a person where and what, on one line each; `lines` is how many the input has.
pub fn told(problems: &[Problem], lines: usize) -> Result<Fate, String> {
    must(!problems.is_empty(), || "refused without a word".to_owned())?;
    for problem in problems {
        let shown = problem.to_string();
        must(!shown.contains(['\n', '\r']), || {
            format!("more than a line: {shown:?}")
        })?;
        must(!problem.message.is_empty(), || {
            format!("says nothing: {shown:?}")
        })?;
        let Some(place) = &problem.place else {
            return Err(format!("without a place: {shown}"));
        };
        // An end that is missing is behind the last line.
        must(place.line <= lines as u64 + 1, || {
            format!("at a line that is not there: {shown}")
        })?;
    }
    Ok(Fate::Refused)
}

/// How many lines a text has.
pub fn lines(text: &str) -> usize {
    text.split(['\n', '\r']).count()
}
