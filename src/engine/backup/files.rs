//! A copy of the files themselves, at rest: what is left to take of a server that can no longer be
//! dumped. No server reads it, so it is proven otherwise: compared, byte by byte, with the files.

use std::collections::BTreeMap;

use super::{Backups, Command, IN, Inventory, OUT, Part, Passwords, Watch, shell};
use crate::model::{Contents, Database, Secret};

/// The one part.
pub(super) const ALL: &str = "files.tar";
/// An archive is made of blocks of this size.
const BLOCK: usize = 512;
/// What is counted: files, their bytes, folders, everything else.
const KEYS: [&str; 4] = ["files", "bytes of files", "folders", "other entries"];

pub(super) struct Files;

/// GNU tar with the data folders as it finds them in a job, whatever the user's umask.
fn tar(db: &Database, verb: &str, archive: &str) -> Command {
    let mut args = vec![
        verb.to_owned(),
        format!("--file={archive}"),
        "--numeric-owner".to_owned(),
        // A pipe gives what it has.
        "--read-full-records".to_owned(),
        "--directory=/".to_owned(),
    ];
    match verb {
        "--create" => {
            args.extend(["--sort=name", "--hard-dereference", "--"].map(str::to_owned));
        }
        "--extract" => args.extend(["--preserve-permissions", "--"].map(str::to_owned)),
        _ => args.push("--".to_owned()),
    }
    args.extend(targets(db).map(|target| target.trim_start_matches('/').to_owned()));
    Command {
        program: "tar".to_owned(),
        args,
        ..Command::default()
    }
}

fn targets(db: &Database) -> impl Iterator<Item = &str> {
    db.layout.data.iter().map(|(_, target)| target.as_str())
}

/// Compares the files, as they are now, with an archive from [`IN`]; fails at any difference.
pub fn compare(db: &Database) -> Command {
    tar(db, "--compare", IN)
}

impl Backups for Files {
    fn at_rest(&self) -> bool {
        true
    }

    fn serves(&self) -> bool {
        false
    }

    fn passfile(&self, _: &Database, _: &Secret) -> Secret {
        // Nobody logs in anywhere.
        Secret::new(String::new())
    }

    fn inventory(&self, _: &Database) -> Command {
        // There is no server to ask: it fails.
        Command {
            program: "false".to_owned(),
            ..Command::default()
        }
    }

    fn parts(&self, db: &Database, _: &Inventory, _: u64) -> Vec<Part> {
        vec![Part {
            name: ALL.to_owned(),
            database: None,
            dump: tar(db, "--create", OUT),
            companion: None,
            // The watch demands its end, and only comparing proves it.
            check: None,
        }]
    }

    fn watch(&self, _: &str) -> Box<dyn Watch> {
        Box::new(Tar::default())
    }

    fn how_counted(&self) -> &'static str {
        "files, folders and bytes, at rest"
    }

    fn load(&self, db: &Database, _: &str, _: Option<&str>) -> Command {
        tar(db, "--extract", IN)
    }

    fn epilogue(&self, _: &Database, _: &str, _: Passwords<'_>) -> Option<Secret> {
        None
    }

    fn count(&self, db: &Database, _: &Contents, _: &[String]) -> Vec<Command> {
        let mut args: Vec<String> = targets(db).map(str::to_owned).collect();
        // A socket is no data, and in no archive.
        args.extend(["!", "-type", "s", "-printf", "%y %s\\n"].map(str::to_owned));
        vec![Command {
            program: "find".to_owned(),
            args,
            ..Command::default()
        }]
    }

    fn counts(&self, answer: &[u8]) -> Result<BTreeMap<String, u64>, String> {
        let text = std::str::from_utf8(answer).map_err(|e| e.to_string())?;
        let mut tally = Tally::default();
        for line in text.lines() {
            let read = line.split_once(' ');
            let read = read.and_then(|(kind, size)| Some((kind, size.parse::<u64>().ok()?)));
            match read.ok_or_else(|| format!("`{line}` is no kind and size"))? {
                ("f", bytes) => tally.file(bytes),
                ("d", _) => tally.folders += 1,
                (_, _) => tally.others += 1,
            }
        }
        Ok(tally.counts())
    }

    fn restore_script(&self, db: &Database, files: &[(String, String, Option<String>)]) -> String {
        let mut volumes = String::new();
        for (n, target) in targets(db).enumerate() {
            volumes.push_str(&format!(" -v \"$NAME-{n}:\"{}", shell(target)));
        }
        let mut text = String::new();
        for (file, _, _) in files {
            text.push_str(&format!(
                "plain {} | docker run --rm -i --network none --entrypoint tar{volumes} \"$IMAGE\" \\\n  \
                 --extract --file=- --numeric-owner --preserve-permissions --directory=/\n",
                shell(file)
            ));
        }
        text.push_str(&format!(
            "# These are the files of a server that could not be dumped: whether one starts on them, and \n\
             # with what it may be mended, is for a person to find out.\n\
             docker create --name \"$NAME\"{volumes} \"$IMAGE\" >/dev/null\n\
             echo \"the files are in the volumes of the container $NAME; it was not started, and its \
             passwords are those of then\"\n"
        ));
        text
    }
}

#[derive(Default)]
struct Tally {
    files: u64,
    bytes: u64,
    folders: u64,
    others: u64,
}

impl Tally {
    fn file(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let all = [self.files, self.bytes, self.folders, self.others];
        let keyed = KEYS.iter().zip(all);
        keyed.map(|(key, n)| ((*key).to_owned(), n)).collect()
    }
}

/// Follows an archive from header to header.
#[derive(Default)]
struct Tar {
    tally: Tally,
    header: Vec<u8>,
    /// Bytes until the next header.
    skip: u64,
    /// Blocks of nothing but zeros, one after the other: two are the end.
    zeros: u8,
    wrong: Option<String>,
}

/// A number of a header: octal digits, or binary where those would not suffice.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let low = rest.iter().rev().take(8).rev();
        return Some(low.fold(0, |all, byte| all << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == '\0' || c == ' ');
    u64::from_str_radix(digits, 8).ok()
}

impl Tar {
    fn entry(&mut self) {
        let header = std::mem::take(&mut self.header);
        if header.iter().all(|byte| *byte == 0) {
            self.zeros += 1;
            return;
        }
        self.zeros = 0;
        let size = header.get(124..136).and_then(number);
        let (Some(size), Some(kind)) = (size, header.get(156)) else {
            self.wrong = Some("a header of it cannot be read".to_owned());
            return;
        };
        match kind {
            b'0' | 0 | b'7' => self.tally.file(size),
            b'5' => self.tally.folders += 1,
            // What only says more about the next entry: long names, attributes.
            b'L' | b'K' | b'x' | b'g' => {}
            _ => self.tally.others += 1,
        }
        let block = BLOCK as u64;
        self.skip = size.div_ceil(block) * block;
    }

    fn over(&self) -> bool {
        self.zeros >= 2 || self.wrong.is_some()
    }
}

impl Watch for Tar {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.over() {
            if self.skip > 0 {
                let here = bytes
                    .len()
                    .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= here as u64;
                bytes = &bytes[here..];
                continue;
            }
            let missing = BLOCK - self.header.len();
            let (now, rest) = bytes.split_at(bytes.len().min(missing));
            self.header.extend_from_slice(now);
            bytes = rest;
            if self.header.len() == BLOCK {
                self.entry();
            }
        }
    }

    fn end(self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
        match self.wrong {
            Some(why) => Err(why),
            None if self.zeros < 2 => Err("it has no end: it was cut off".to_owned()),
            None => Ok(self.tally.counts()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, size: &[u8]) -> Vec<u8> {
        let mut header = vec![b'x'; 100];
        header.resize(BLOCK, 0);
        header[124..124 + size.len()].copy_from_slice(size);
        header[156] = kind;
        header
    }

    fn archive() -> Vec<u8> {
        let mut all = header(b'5', b"00000000000\0");
        all.extend(header(b'0', b"00000001001\0"));
        all.extend(vec![7; 1024]);
        all.extend(header(b'L', b"00000000003\0"));
        all.extend(vec![b'n'; BLOCK]);
        // Binary: 600 bytes.
        all.extend(header(b'0', &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x58]));
        all.extend(vec![0; 1024]);
        all.extend(header(b'2', b"00000000000\0"));
        all.extend(vec![0; 10_240]);
        all
    }

    fn watched(bytes: &[u8], piece: usize) -> Result<BTreeMap<String, u64>, String> {
        let mut watch = Files.watch(ALL);
        for piece in bytes.chunks(piece) {
            watch.take(piece);
        }
        watch.end("")
    }

    #[test]
    fn an_archive_is_counted_as_the_files_are() {
        let found = Files.counts(b"d 4096\nf 513\nf 600\nl 9\n").unwrap();
        assert_eq!(found["bytes of files"], 1113);
        for piece in [1, 100, 512, 100_000] {
            assert_eq!(watched(&archive(), piece).unwrap(), found);
        }
        assert!(Files.counts(b"f many\n").is_err());
    }

    #[test]
    fn one_that_was_cut_off_is_told() {
        let whole = archive();
        for cut in [0, 100, 512, 1600, whole.len() - 10_240] {
            assert!(watched(&whole[..cut], 512).is_err(), "{cut}");
        }
    }
}
