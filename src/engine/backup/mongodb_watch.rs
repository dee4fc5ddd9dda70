//! Counts an archive of `mongodump` as it goes by.
//!
//! The format is mongo-tools' own: a magic number, a prelude of BSON documents that says what there
//! is, and then slices of collections as they come. Each slice is a document that names its
//! collection, the collection's documents, and an end mark; a collection's last slice says so. An
//! archive is whole when each collection of the prelude had its last slice.
//!
//! A time series is a collection of measurements for people, and one of buckets on disk: the prelude
//! names the former, with its kind, and the slices carry the documents of the latter. Servers from 8.3
//! on have no second name for it, and the slices have the one of the prelude. What a bucket is then
//! cannot be asked of a server by counting documents: these are not counted.

use std::collections::BTreeMap;

use super::Watch;

/// What an archive begins with.
const MAGIC: u32 = 0x8199_e26d;
/// Ends the prelude, and each slice.
const END: u32 = u32::MAX;
/// No document of the server, and none about one, is longer: 16 MiB and what tools add.
const LONGEST: u32 = 48 << 20;

/// Goes before a collection in the key of its documents.
pub(super) const DOCUMENTS: &str = "documents ";
/// Goes before a collection in the key of its indexes.
pub(super) const INDEXES: &str = "indexes ";
/// Goes before the name of a time series in the name of its buckets' collection.
const BUCKETS: &str = "system.buckets.";

/// An archive going by.
#[derive(Default)]
pub(super) struct MongoArchive {
    state: State,
    /// The beginning of what is being read: a length, or a document that is looked at.
    held: Vec<u8>,
    /// Bytes of a document that is only counted.
    skip: usize,
    /// Collections of the prelude that have not ended.
    open: BTreeMap<String, ()>,
    /// The keys of time series, each with that of its buckets.
    series: BTreeMap<String, String>,
    /// Where the documents of this slice are counted, if they are.
    current: Option<String>,
    counts: BTreeMap<String, u64>,
    broken: Option<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Debug)]
enum State {
    #[default]
    Magic,
    /// The archive's own header, and then a document for each collection.
    Prelude,
    /// Before a slice.
    Between,
    /// In a slice.
    Slice,
}

impl MongoArchive {
    /// The next length, once all of it came by; takes it off the piece.
    fn number(&mut self, bytes: &mut &[u8]) -> Option<u32> {
        let missing = 4 - self.held.len().min(4);
        let (now, rest) = bytes.split_at(missing.min(bytes.len()));
        self.held.extend_from_slice(now);
        *bytes = rest;
        let four: [u8; 4] = self.held.get(..4)?.try_into().ok()?;
        Some(u32::from_le_bytes(four))
    }

    /// Takes from the piece what is next in it.
    fn next(&mut self, bytes: &mut &[u8]) -> Result<(), String> {
        if self.skip > 0 {
            let n = self.skip.min(bytes.len());
            *bytes = &bytes[n..];
            self.skip -= n;
            return Ok(());
        }
        let Some(number) = self.number(bytes) else {
            return Ok(());
        };
        if self.state == State::Magic {
            self.held.clear();
            self.state = State::Prelude;
            return if number == MAGIC {
                Ok(())
            } else {
                Err("it is no archive of mongodump".to_owned())
            };
        }
        if number == END {
            self.held.clear();
            self.state = match self.state {
                State::Prelude | State::Slice => State::Between,
                State::Magic | State::Between => return Err("it is out of order".to_owned()),
            };
            return Ok(());
        }
        if !(5..=LONGEST).contains(&number) {
            return Err(format!("a document of {number} bytes"));
        }
        let length = number as usize;
        if self.state == State::Slice {
            if let Some(current) = &self.current {
                *self.counts.entry(current.clone()).or_insert(0) += 1;
            }
            self.held.clear();
            self.skip = length - 4;
            return Ok(());
        }
        let n = (length - self.held.len()).min(bytes.len());
        self.held.extend_from_slice(&bytes[..n]);
        *bytes = &bytes[n..];
        if self.held.len() == length {
            let document = std::mem::take(&mut self.held);
            self.look(&document)?;
        }
        Ok(())
    }

    /// Looks at a document of the prelude, or at the one that begins a slice.
    fn look(&mut self, document: &[u8]) -> Result<(), String> {
        let fields = fields(document).ok_or("a document that cannot be read")?;
        let text = |name: &str| match fields.get(name) {
            Some(Field::Text(text)) => Some(*text),
            Some(Field::Flag(_)) | None => None,
        };
        let (Some(db), Some(collection)) = (text("db"), text("collection")) else {
            // The archive's own header.
            return if self.state == State::Prelude {
                Ok(())
            } else {
                Err("a slice without a collection".to_owned())
            };
        };
        let name = key(db, collection);
        let documents = format!("{DOCUMENTS}{name}");
        if self.state == State::Prelude {
            if text("type") == Some("view") {
                return Ok(());
            }
            if let Some(n) = text("metadata").and_then(indexes) {
                self.counts.insert(format!("{INDEXES}{name}"), n);
            }
            let documents = if text("type") == Some("timeseries") {
                let buckets = key(db, &format!("{BUCKETS}{collection}"));
                let buckets = format!("{DOCUMENTS}{buckets}");
                self.series.insert(documents, buckets.clone());
                buckets
            } else {
                documents
            };
            self.counts.insert(documents.clone(), 0);
            self.open.insert(documents, ());
            return Ok(());
        }
        let buckets = self.series.get(&documents);
        if matches!(fields.get("EOF"), Some(Field::Flag(true))) {
            self.open.remove(buckets.unwrap_or(&documents));
        }
        self.current = match buckets {
            Some(buckets) => {
                self.counts.remove(buckets);
                None
            }
            None => Some(documents),
        };
        self.state = State::Slice;
        Ok(())
    }
}

impl Watch for MongoArchive {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.broken.is_none() {
            self.broken = self.next(&mut bytes).err();
        }
    }

    fn end(self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        if let Some((open, ())) = self.open.first_key_value() {
            return Err(format!("{open} has no end: it was cut off"));
        }
        let whole = self.state == State::Between && self.held.is_empty() && self.skip == 0;
        if !whole {
            return Err("it was cut off".to_owned());
        }
        // Accounts and the server's own notes go another way, and are counted there.
        let own = |key: &String| {
            let name = key.split_once(' ').map_or("", |(_, name)| name);
            name.starts_with("\"admin\".\"system.")
        };
        Ok(self.counts.into_iter().filter(|(k, _)| !own(k)).collect())
    }
}

/// A collection as a part of a key: the dot may be in either name, a quote is escaped.
fn key(db: &str, collection: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!("{}.{}", quoted(db), quoted(collection))
}

/// How many indexes the metadata of a collection names.
fn indexes(metadata: &str) -> Option<u64> {
    let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let indexes = metadata.get("indexes")?.as_array()?;
    u64::try_from(indexes.len()).ok()
}

enum Field<'a> {
    Text(&'a str),
    Flag(bool),
}

/// The texts and flags of a BSON document whose other fields are numbers; `None` when it is not
/// one. <https://bsonspec.org/spec.html>
fn fields(document: &[u8]) -> Option<BTreeMap<&str, Field<'_>>> {
    let mut fields = BTreeMap::new();
    let mut rest = document.get(4..)?;
    loop {
        let (kind, after) = rest.split_first()?;
        if *kind == 0 {
            return Some(fields);
        }
        let end = after.iter().position(|b| *b == 0)?;
        let name = std::str::from_utf8(&after[..end]).ok()?;
        let value = &after[end + 1..];
        let length = match kind {
            0x02 => {
                let n: [u8; 4] = value.get(..4)?.try_into().ok()?;
                // With the zero at its end.
                let n = u32::from_le_bytes(n) as usize;
                let text = value.get(4..(4 + n).checked_sub(1)?)?;
                fields.insert(name, Field::Text(std::str::from_utf8(text).ok()?));
                4 + n
            }
            0x08 => {
                fields.insert(name, Field::Flag(*value.first()? != 0));
                1
            }
            0x10 => 4,
            0x01 | 0x09 | 0x12 => 8,
            _ => return None,
        };
        rest = value.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(fields: &[(&str, &str)], eof: Option<bool>) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, text) in fields {
            body.push(2);
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        if let Some(eof) = eof {
            body.extend_from_slice(b"\x08EOF\0");
            body.push(eof.into());
            body.extend_from_slice(b"\x12CRC\0\x01\x02\x03\x04\x05\x06\x07\x08");
        }
        body.push(0);
        let mut all = (body.len() as u32 + 4).to_le_bytes().to_vec();
        all.extend(body);
        all
    }

    fn archive() -> Vec<u8> {
        let end = END.to_le_bytes();
        let entry = |collection, metadata, kind| {
            let fields = [
                ("db", "shop"),
                ("collection", collection),
                ("metadata", metadata),
                ("type", kind),
            ];
            document(&fields, None)
        };
        let slice =
            |collection, eof| document(&[("db", "shop"), ("collection", collection)], Some(eof));
        let row = document(&[("x", "\u{fffd} whatever")], None);
        let mut all = MAGIC.to_le_bytes().to_vec();
        all.extend(document(&[("version", "0.1")], None));
        all.extend(entry("a", r#"{"indexes":[{"v":2},{"v":2}]}"#, "collection"));
        all.extend(entry("b \"x\"", r#"{"indexes":[]}"#, "collection"));
        all.extend(entry("v", r#"{"options":{"viewOn":"a"}}"#, "view"));
        all.extend(end);
        for (name, rows, eof) in [
            ("a", 2, false),
            ("b \"x\"", 0, true),
            ("a", 1, false),
            ("a", 0, true),
        ] {
            all.extend(slice(name, eof));
            for _ in 0..rows {
                all.extend(&row);
            }
            all.extend(end);
        }
        all
    }

    /// Of one time series: the prelude names it, the slices name its data.
    fn series(data: &str) -> Vec<u8> {
        let end = END.to_le_bytes();
        let entry = [
            ("db", "lab"),
            ("collection", "heat"),
            (
                "metadata",
                r#"{"options":{"timeseries":{"timeField":"t"}},"indexes":[]}"#,
            ),
            ("type", "timeseries"),
        ];
        let slice = |eof| document(&[("db", "lab"), ("collection", data)], Some(eof));
        let mut all = MAGIC.to_le_bytes().to_vec();
        all.extend(document(&[("version", "0.1")], None));
        all.extend(document(&entry, None));
        all.extend(end);
        all.extend(slice(false));
        all.extend(document(&[("_id", "a bucket")], None));
        all.extend(document(&[("_id", "another")], None));
        all.extend(end);
        all.extend(slice(true));
        all.extend(end);
        all
    }

    #[test]
    fn a_time_series_ends_with_its_buckets_which_are_what_is_counted() {
        let shown = |data: &str| -> Vec<String> {
            let counts = watched(&series(data), 64).unwrap();
            counts.iter().map(|(k, n)| format!("{k}={n}")).collect()
        };
        let indexes = r#"indexes "lab"."heat"=0"#;
        let buckets = r#"documents "lab"."system.buckets.heat"=2"#;
        assert_eq!(shown("system.buckets.heat"), [buckets, indexes]);
        // From 8.3 on: whole, and its documents cannot be compared.
        assert_eq!(shown("heat"), [indexes]);
        for data in ["system.buckets.heat", "heat"] {
            let whole = series(data);
            for cut in 0..whole.len() {
                assert!(watched(&whole[..cut], 64).is_err(), "{data} {cut}");
            }
        }
        assert!(watched(&series("another"), 64).is_err());
    }

    fn watched(bytes: &[u8], piece: usize) -> Result<BTreeMap<String, u64>, String> {
        let mut watch: Box<dyn Watch> = Box::<MongoArchive>::default();
        for piece in bytes.chunks(piece) {
            watch.take(piece);
        }
        watch.end("")
    }

    #[test]
    fn documents_and_indexes_are_counted_in_pieces_of_any_size() {
        for piece in [1, 3, 64, 4096] {
            let counts = watched(&archive(), piece).unwrap();
            let shown: Vec<String> = counts.iter().map(|(k, n)| format!("{k}={n}")).collect();
            assert_eq!(
                shown,
                [
                    r#"documents "shop"."a"=3"#,
                    r#"documents "shop"."b \"x\""=0"#,
                    r#"indexes "shop"."a"=2"#,
                    r#"indexes "shop"."b \"x\""=0"#,
                ]
            );
        }
    }

    #[test]
    fn an_archive_that_was_cut_off_anywhere_is_told() {
        let whole = archive();
        for cut in 0..whole.len() {
            assert!(watched(&whole[..cut], 64).is_err(), "{cut}");
        }
        let mut odd = whole.clone();
        odd[0] ^= 1;
        assert!(watched(&odd, 64).is_err());
    }
}
