//! Names from outside, one a line: keys of a store's objects, ids, places of a chain.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use db4sci::model::{
    BackupId, Copied, Cpus, DbName, ImageRef, KeyId, Memory, Segment, Shipped, Slot,
};
use db4sci::plan::shipping;
use db4sci::store::manifest::{Layout, file_name, segment_of};
use db4sci::store::seal::{Identity, Recipient};

use super::{Check, Fate, Target, must};

pub const TARGET: Target = Target {
    name: "keys",
    words: &[
        "prod/",
        "host-1/",
        "genomics/",
        "genomics-",
        "00000000-0000-0000-0000-000000000007/",
        "20260301T020000Z",
        "+2621430101T000000Z",
        "-00010101T000000Z",
        "20161231T235960Z",
        "1/",
        "@journal/",
        "@local",
        ".jsonl.zst.age",
        "000000000042-000000000050-",
        "18446744073709551615-",
        "a1a1a1a1a1a1a1a1-",
        "seal-",
        "AGE-SECRET-KEY-1",
        "age1",
        "/",
        "-",
        "@",
        ".",
        "..",
        "%",
        "\n",
        "é",
        "Gi",
        "1G",
        "999M",
        "m",
        ":",
        "sha256:",
    ],
    cases: 1500,
    made: super::none,
    repair: super::as_it_is,
    start: || Box::new(check) as Check,
};

fn check(bytes: &[u8]) -> Result<Fate, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut fate = Fate::Refused;
    for line in text.lines() {
        let read = [
            reads::<BackupId>(line)?,
            reads::<Slot>(line)?,
            reads::<Segment>(line)?,
            reads::<DbName>(line)?,
            reads::<KeyId>(line)?,
            reads::<ImageRef>(line)?,
            reads::<Memory>(line)?,
            reads::<Cpus>(line)?,
            reads::<Recipient>(line)?,
            place(line)?,
        ];
        if read.contains(&true) {
            fate = Fate::Taken;
        }
        let name = file_name(line);
        must(
            name.len() <= 200 && !name.contains('/') && !name.starts_with('.'),
            || format!("{line:?} makes the file {name:?}"),
        )?;
    }
    if let Err(why) = Identity::from_file(&text) {
        must(!why.to_uppercase().contains("SECRET-KEY-1"), || {
            format!("a key is shown: {why}")
        })?;
    }
    Ok(fate)
}

/// What is read is written so that it is read as the same again.
fn reads<T>(text: &str) -> Result<bool, String>
where
    T: FromStr<Err = String> + Display + PartialEq + Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let again = written.parse::<T>();
            must(again.as_ref() == Ok(&value), || {
                format!("{text:?} is {value:?}, which is written {written:?}, which is {again:?}")
            })?;
            Ok(true)
        }
        Err(why) => {
            must(!why.is_empty() && !why.contains('\n'), || {
                format!("{text:?} is refused with {why:?}")
            })?;
            Ok(false)
        }
    }
}

/// Where something lies in a store.
fn place(key: &str) -> Result<bool, String> {
    let layout = Layout::new("prod", "host-1");
    if let Some((instance, segment)) = segment_of(key) {
        let (first, length) = (segment.first(), segment.last.seq - segment.after.seq);
        must(first > 0 && length > 0, || {
            format!("{key:?} is an empty piece")
        })?;
        let written = Layout::new("prod", instance).segment(&segment);
        let again = segment_of(&written).map(|(_, again)| again);
        must(again.as_ref() == Some(&segment), || {
            format!("{key:?} is written {written:?}, which is {again:?}")
        })?;
        let shipped = Shipped {
            copies: vec![Copied {
                upto: segment.after.clone(),
                at: segment.shipped,
            }],
            segments: vec![segment],
        };
        let reach = shipping::reach(&shipped, &shipped.links());
        must(reach <= shipped.segments[0].last.seq, || {
            format!("{key:?} reaches {reach}")
        })?;
        return Ok(true);
    }
    let Some((uid, id)) = layout.backup(key, "local") else {
        return Ok(false);
    };
    let written = layout.attempt(&id.name, uid, id.slot, id.attempt);
    must(
        layout.backup(&written, "local") == Some((uid, id.clone())),
        || format!("{key:?} is {id}, which is written {written:?}"),
    )?;
    Ok(true)
}
