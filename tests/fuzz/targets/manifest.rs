//! A backup's manifest, and a tombstone, as a store gives them.

use std::path::Path;

use db4sci::model::BackupId;
use db4sci::store::manifest::{Layout, Manifest, TombstoneFile};

use super::{Check, Fate, Target, must};

pub const TARGET: Target = Target {
    name: "manifest",
    words: &[
        "\"version\": 1,",
        "\"version\": 2,",
        "\"bytes\": 18446744073709551615,",
        "\"name\": \"a\",",
        "\"name\": \"../../etc/passwd\",",
        "\"name\": \"/etc/passwd\",",
        "\"slot\": \"20260301T020000Z\",",
        "\"slot\": \"+2621430101T000000Z\",",
        "\"slot\": \"-00010101T000000Z\",",
        "\"started\": \"+262142-12-31T23:59:59Z\",",
        "\"finished\": \"-262143-01-01T00:00:00Z\",",
        "\"attempt\": 4294967295,",
        "null",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "\"",
        "..",
        "/",
        "@",
        "-",
    ],
    cases: 900,
    made: super::none,
    repair: super::as_it_is,
    start: || Box::new(check) as Check,
};

fn check(bytes: &[u8]) -> Result<Fate, String> {
    match TombstoneFile::read(bytes) {
        Ok(read) => {
            let written = serde_json::to_vec(&read).map_err(|e| e.to_string())?;
            let again = TombstoneFile::read(&written);
            must(again.as_ref() == Ok(&read), || {
                format!("written and read, it is {again:?}, and not {read:?}")
            })?;
        }
        Err(why) => refused(&why, "tombstone")?,
    }
    let manifest = match Manifest::read(bytes) {
        Ok(manifest) => manifest,
        Err(why) => {
            refused(&why, "manifest")?;
            return Ok(Fate::Refused);
        }
    };
    let again = manifest.write().and_then(|text| Manifest::read(&text));
    must(again.as_ref() == Ok(&manifest), || {
        format!("written and read, it is {again:?}, and not {manifest:?}")
    })?;
    // What everybody asks it.
    let layout = Layout::new("prod", "host-1");
    let prefix = layout.attempt(
        &manifest.name,
        manifest.uid,
        manifest.slot,
        manifest.attempt,
    );
    let backup = manifest.backup("local", "/srv/backup", &prefix);
    let id: Result<BackupId, String> = backup.id.to_string().parse();
    must(id.as_ref() == Ok(&backup.id), || {
        format!("its id {} reads as {id:?}", backup.id)
    })?;
    let found = layout.backup(&prefix, "local");
    must(found == Some((manifest.uid, backup.id.clone())), || {
        format!("where it lies, {prefix}, is not where it is found: {found:?}")
    })?;
    for at in [manifest.started, manifest.finished, manifest.slot.instant()] {
        // As retention and schedule do.
        let years = chrono::TimeDelta::days(3650);
        let _ = (at + years, at - years);
    }
    for file in &manifest.files {
        let plain = Path::new(&file.name).components().count() == 1;
        must(
            plain && !file.name.starts_with('.') && !file.name.contains('/'),
            || format!("it names a file elsewhere: {:?}", file.name),
        )?;
    }
    Ok(Fate::Taken)
}

fn refused(why: &str, what: &str) -> Result<(), String> {
    must(why.contains(what) && !why.contains('\n'), || {
        format!("it does not say what is wrong: {why:?}")
    })
}
