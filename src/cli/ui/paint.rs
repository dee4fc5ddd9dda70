//! Colours on a terminal.

use crate::model::view::Phase;

/// Colours texts, or leaves them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

/// A colour by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// A person is needed.
    Bad,
    /// As somebody wants it.
    Quiet,
    /// A heading.
    Strong,
}

impl Paint {
    /// Paint that colours, or does not.
    pub fn new(on: bool) -> Self {
        Paint { on }
    }

    /// A text in a colour.
    pub fn text(self, colour: Colour, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Good => "32",
            Colour::Busy => "33",
            Colour::Bad => "31",
            Colour::Quiet => "2",
            Colour::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The colour of a phase.
pub fn of_phase(phase: Phase) -> Colour {
    match phase {
        Phase::Ready => Colour::Good,
        Phase::Pending | Phase::Creating | Phase::Degraded | Phase::Restoring => Colour::Busy,
        Phase::Held => Colour::Bad,
        Phase::Stopped | Phase::Maintenance | Phase::Retired | Phase::Ejected => Colour::Quiet,
    }
}
