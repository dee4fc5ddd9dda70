//! What every verb has.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDateTime;

use super::args::Format;
use super::error::CliError;
use super::host::{Globals, Host};
use super::ui::paint::Paint;
use crate::http::Client;
use crate::model::{Clock, Timestamp};

type Sink = Mutex<Box<dyn Write + Send>>;

/// Where words go, and how.
pub struct Io {
    out: Sink,
    err: Sink,
    /// Whether output is coloured.
    pub colours: bool,
    /// Whether both standard input and output are a terminal.
    pub terminal: bool,
    /// Whether a line of standard error may be written over by the next one.
    pub rewrites: bool,
    /// Whose times are shown.
    pub zone: Zone,
}

/// Whose times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// This host's.
    Host,
    /// UTC.
    Utc,
}

impl Io {
    /// This process' own.
    pub fn of_process() -> Self {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Io {
            out: Mutex::new(Box::new(io::stdout())),
            err: Mutex::new(Box::new(io::stderr())),
            colours: terminal && !no_color && !dumb,
            terminal: terminal && io::stdin().is_terminal(),
            rewrites: io::stderr().is_terminal() && !dumb,
            zone: Zone::Host,
        }
    }

    /// Somewhere else: no terminal, no colours, times in UTC.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Io {
            out: Mutex::new(out),
            err: Mutex::new(err),
            colours: false,
            terminal: false,
            rewrites: false,
            zone: Zone::Utc,
        }
    }

    /// Says something, whether or not somebody reads it.
    pub(super) fn say(&self, to_out: bool, text: &str) {
        let sink = if to_out { &self.out } else { &self.err };
        // Nobody to tell about a message that nobody reads.
        let _ = write(sink, text);
    }
}

fn write(sink: &Sink, text: &str) -> io::Result<()> {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    sink.write_all(text.as_bytes())?;
    sink.flush()
}

/// What every verb has.
pub struct Context {
    /// Where everything is, as far as somebody said so.
    pub globals: Globals,
    /// How to show it.
    pub format: Format,
    /// The whole program.
    pub host: Arc<dyn Host>,
    /// The daemon.
    pub client: Client,
    io: Io,
    clock: Arc<dyn Clock>,
    warned: AtomicBool,
}

impl Context {
    /// A context for one command line.
    pub fn new(
        globals: Globals,
        format: Format,
        host: Arc<dyn Host>,
        io: Io,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let client = Client::new(host.socket(&globals));
        Context {
            globals,
            format,
            host,
            client,
            io,
            clock,
            warned: AtomicBool::new(false),
        }
    }

    /// Prints a text as it is.
    pub fn print(&self, text: &str) -> Result<(), CliError> {
        write(&self.io.out, text).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::NobodyReads,
            _ => CliError::Unwritten(error),
        })
    }

    /// Prints a line.
    pub fn line(&self, line: &str) -> Result<(), CliError> {
        self.print(&format!("{line}\n"))
    }

    /// Says something beside the answer, on standard error.
    pub fn warn(&self, line: &str) {
        self.io.say(false, &format!("{line}\n"));
    }

    /// Says how far something is, in the place of what it said before; nothing if that cannot be.
    pub fn progress(&self, text: &str) {
        if self.io.rewrites {
            self.io.say(false, &format!("\r\x1b[K{text}"));
        }
    }

    /// As `warn`, for what holds for the whole command line: only the first time.
    pub fn warn_once(&self, line: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            self.warn(line);
        }
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An instant in the reader's own time.
    pub fn local(&self, at: Timestamp) -> NaiveDateTime {
        match self.io.zone {
            Zone::Host => at.with_timezone(&chrono::Local).naive_local(),
            Zone::Utc => at.naive_utc(),
        }
    }

    /// Colours, where there are any.
    pub fn paint(&self) -> Paint {
        Paint::new(self.io.colours)
    }

    /// Whether a person sits at both ends.
    pub fn terminal(&self) -> bool {
        self.io.terminal
    }
}
