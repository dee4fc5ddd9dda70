//! A database of which only its name and its data's engine are known: it gets a row that nobody acts on,
//! so that no file of its name begins it empty.

use std::path::Path;

use serde_json::json;

use crate::admin::NewEntry;
use crate::model::database::Source;
use crate::model::{
    Change, Database, DbName, EngineKind, Outcome, Override, OverrideState, Timestamp, Uid, Who,
};
use crate::specs::{self, Request, Rules};

use super::super::daemon;

/// Where its spec comes from, as problems name it.
const ORIGIN: &str = "its backup";

/// What is left of a database.
pub(in crate::app) struct Left<'a> {
    pub(in crate::app) name: &'a DbName,
    pub(in crate::app) uid: Uid,
    pub(in crate::app) engine: EngineKind,
    /// The reference of its image, where that is known.
    pub(in crate::app) image: Option<&'a str>,
    /// Its first port, where that is known.
    pub(in crate::app) port: Option<u16>,
    /// Further fields of its spec that are known; `null`: none.
    pub(in crate::app) more: serde_json::Value,
}

/// The database as far as it is known: all that is not is the default, until a person says its spec.
///
/// # Errors
/// Why there cannot be one; for a person.
pub(in crate::app) fn stub(left: &Left<'_>, rules: &Rules) -> Result<Database, String> {
    let offered = left.image.and_then(|image| {
        let mut offers = rules.catalog.offers(left.engine).iter();
        let of_mirror = offers.find(|offer| rules.pulled(offer).as_str() == image);
        of_mirror.or_else(|| rules.catalog.find(left.engine, image))
    });
    let taken = |port: &u16| rules.taken.contains_key(port) || rules.reserved.contains_key(port);
    let mut spec = json!({
        "engine": left.engine,
        "owner": "unknown",
        "contact": "unknown@example.invalid",
        "description": "its spec is not known any more: say it, and then db4sci resume",
    });
    if let Some(offer) = offered {
        spec["image"] = offer.display.as_str().into();
    }
    if let Some(port) = left.port.filter(|port| !taken(port)) {
        spec["port"] = port.into();
    }
    for (field, value) in left.more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let parsed = specs::from_json(left.name.as_str(), &spec, Path::new(ORIGIN));
    let parsed = parsed.map_err(daemon::lines)?;
    // A file of its name wins over it, as it does over what was applied.
    let source = Source::Api;
    let request = Request {
        parsed: &parsed,
        source,
    };
    specs::admit(&request, None, rules, left.uid).map_err(daemon::lines)
}

/// Keeps hands off a database until a person has seen to it.
pub(in crate::app) fn left_alone(name: &DbName, reason: String, at: Timestamp) -> NewEntry {
    let message = format!("Maintenance until resumed: {reason}");
    let by = Override {
        state: OverrideState::Maintenance,
        until: None,
        reason,
        who: Who::Daemon,
        since: at,
    };
    NewEntry::of(name, Outcome::Done, message, Change::Overridden { by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::name;
    use crate::specs::testing::{rules, uid};

    #[test]
    fn what_is_left_of_a_database_makes_a_row_without_anybodys_place() {
        let genomics = name("genomics");
        let left = |image, port| Left {
            more: serde_json::Value::Null,
            name: &genomics,
            uid: uid(7),
            engine: EngineKind::Postgres,
            image,
            port,
        };
        let made = |image, port| stub(&left(image, port), &rules()).unwrap();
        let db = made(Some("postgres:15"), Some(32044));
        assert_eq!((db.uid, db.port.get()), (uid(7), 32044));
        assert_eq!(db.image.reference.to_string(), "postgres:15");
        // As a mirror calls it.
        let mut rules = rules();
        let mirror: crate::model::ImageRef = "mirror.example.org/postgres:15".parse().unwrap();
        rules.mirrors = [("postgres:15".to_owned(), mirror.clone())].into();
        let db = stub(&left(Some(mirror.as_str()), None), &rules).unwrap();
        assert_eq!(db.image.display, "PostgreSQL 15");
        assert_eq!(db.image.reference, mirror);
        // An image that is not offered, and ports of others.
        let db = made(Some("elsewhere/postgres:9"), Some(32009));
        assert_ne!(db.port.get(), 32009);
        assert_eq!(db.engine, EngineKind::Postgres);
        assert_ne!(made(None, Some(5000)).port.get(), 5000);
    }
}
