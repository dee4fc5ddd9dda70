//! One input at a time, in a thread of its own, so that a panic, a hang and a waste are told as such.

use std::cell::RefCell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Once;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::targets::{Fate, Target};

/// After so long an input counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// Processor time that one input may take, in nanoseconds.
const PROCESSOR: u64 = 5_000_000_000;
/// Bytes by which one input may raise the process' peak.
const MEMORY: u64 = 400 << 20;
/// A thread of the daemon has as much stack.
const STACK: usize = 2 << 20;

thread_local! {
    static PANICKED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Where inputs go to, and what became of each comes from.
type Ends = (Sender<Vec<u8>>, Receiver<Result<Fate, String>>);

/// A thread that holds inputs against a target.
pub struct Worker {
    target: &'static Target,
    /// Where the input under way lies, for one that ends the whole process.
    last: PathBuf,
    ends: Option<Ends>,
}

impl Worker {
    pub fn new(target: &'static Target) -> Self {
        // What a panic says is told with its input, and not before.
        static QUIET: Once = Once::new();
        QUIET.call_once(|| {
            let loud = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if std::thread::current().name() == Some("input") {
                    PANICKED.set(info.to_string());
                } else {
                    loud(info);
                }
            }));
        });
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        fs::create_dir_all(&folder).unwrap();
        Worker {
            target,
            last: folder.join(format!("{}.last", target.name)),
            ends: None,
        }
    }

    /// Holds one input against the target.
    pub fn check(&mut self, bytes: &[u8]) -> Result<Fate, String> {
        fs::write(&self.last, bytes).unwrap();
        let target = self.target;
        let (send, receive) = self.ends.get_or_insert_with(|| start(target));
        let before = peak();
        send.send(bytes.to_vec()).unwrap();
        let answer = match receive.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(format!("no end after {PATIENCE:?}")),
            Err(RecvTimeoutError::Disconnected) => Err("its thread is gone".to_owned()),
        };
        if answer.is_err() {
            // Whatever it left behind, the next input starts afresh.
            self.ends = None;
        }
        let more = peak().saturating_sub(before);
        if more > MEMORY {
            // The peak counts from here on again.
            fs::write("/proc/self/clear_refs", "5").unwrap();
            return Err(format!("it took {} MiB of memory", more >> 20));
        }
        answer
    }
}

fn start(target: &'static Target) -> Ends {
    let (send, inputs) = channel::<Vec<u8>>();
    let (answers, receive) = channel();
    let thread = std::thread::Builder::new()
        .name("input".to_owned())
        .stack_size(STACK);
    let work = move || {
        let Ok(mut check) = panic::catch_unwind(|| (target.start)()) else {
            let _ = answers.send(Err(PANICKED.take()));
            return;
        };
        while let Ok(bytes) = inputs.recv() {
            let before = processor();
            let caught = panic::catch_unwind(AssertUnwindSafe(|| check(&bytes)));
            let took = processor() - before;
            let answer = match caught {
                Err(_) => Err(PANICKED.take()),
                Ok(Ok(_)) if took > PROCESSOR => Err(format!("it took {} s", took / 1_000_000_000)),
                Ok(answer) => answer,
            };
            if answers.send(answer).is_err() {
                return;
            }
        }
    };
    thread.spawn(work).unwrap();
    (send, receive)
}

/// Nanoseconds that this thread had of a processor.
fn processor() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The most bytes that this process ever had in memory.
fn peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// What a panic of this thread said that somebody else has caught.
pub fn panicked() -> Option<String> {
    let said = PANICKED.take();
    (!said.is_empty()).then_some(said)
}
