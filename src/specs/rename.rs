//! A database under another name, or with its spec elsewhere than in its file. Nothing inside its server is
//! renamed, so what was the name by default there is from now on said.

use serde_json::{Value, json};

use crate::engine;
use crate::model::database::Source;
use crate::model::{Database, DbName};

/// The database under another name; `source` is where its spec comes from then. What a file says stays
/// as the file says it.
pub fn renamed(db: &Database, to: &DbName, source: Source) -> Database {
    let mut given = db.given.clone();
    match &source {
        Source::Row | Source::Api | Source::Builtin => pin(db, &mut given),
        Source::File(_) => {}
    }
    Database {
        name: to.clone(),
        generation: db.generation + 1,
        source,
        given,
        ..db.clone()
    }
}

/// The database as it is, with its spec in the ledger alone and no more in its file.
pub fn to_rows(db: &Database) -> Database {
    let mut given = db.given.clone();
    pin_what_differs(db, &mut given);
    Database {
        generation: db.generation + 1,
        source: Source::Api,
        given,
        ..db.clone()
    }
}

/// Says the names inside the server, which follow from another name than the database has now.
fn pin(db: &Database, given: &mut Value) {
    let Some(fields) = given.as_object_mut() else {
        return;
    };
    fields.insert("database".to_owned(), json!(db.database));
    let account = fields.entry("account").or_insert(Value::Null);
    if !account.is_object() {
        *account = json!({});
    }
    account["user"] = json!(db.account.user);
}

/// Says them where a new database of this spec would get others.
pub(super) fn pin_what_differs(db: &Database, given: &mut Value) {
    let recipe = engine::recipe(db.engine);
    if recipe.default_database(db.name.as_str()) != db.database
        || default_user(&db.name) != db.account.user
    {
        pin(db, given);
    }
}

/// The account's name when nobody says one.
pub(super) fn default_user(name: &DbName) -> String {
    name.as_str().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specs::export;
    use crate::specs::testing::{admit_text, named, rules, spec};

    const PINNED: &str = "  database: genomics\n  account: {user: genomics}\n";

    #[test]
    fn a_renamed_database_is_what_its_file_says_under_the_new_name() {
        let rules = rules();
        let db = admit_text(&spec(""), None, &rules).unwrap();
        let to: DbName = "gen-2".parse().unwrap();
        let renamed = renamed(&db, &to, db.source.clone());
        assert_eq!((&renamed.name, renamed.generation), (&to, 2));
        assert_eq!((renamed.uid, renamed.port), (db.uid, db.port));
        // The file says nothing of the names inside, and they stay.
        let read = admit_text(&named("gen-2", ""), Some(&renamed), &rules);
        assert_eq!(read.unwrap(), renamed);
        // It may say them as they are, and not otherwise.
        let said = admit_text(&named("gen-2", PINNED), Some(&renamed), &rules).unwrap();
        assert_eq!((&said.database, said.generation), (&db.database, 3));
        let other = admit_text(
            &named("gen-2", "  database: other\n"),
            Some(&renamed),
            &rules,
        );
        assert!(other.is_err());
    }

    #[test]
    fn what_makes_it_again_elsewhere_says_the_names_inside() {
        let rules = rules();
        let db = admit_text(&spec(""), None, &rules).unwrap();
        assert!(export(&db)["spec"].get("database").is_none());
        let to: DbName = "gen-2".parse().unwrap();
        for source in [Source::Row, db.source.clone()] {
            let renamed = renamed(&db, &to, source.clone());
            assert_eq!(renamed.source, source);
            let spec = &export(&renamed)["spec"];
            assert_eq!(spec["database"], "genomics");
            assert_eq!(spec["account"]["user"], "genomics");
            let text = export(&renamed).to_string();
            let again = admit_text(&text, None, &rules).unwrap();
            assert_eq!(
                (again.database, again.account),
                (db.database.clone(), db.account.clone())
            );
        }
    }

    #[test]
    fn a_spec_that_leaves_its_file_is_the_same_and_says_the_names_inside_only_where_it_must() {
        let db = admit_text(&spec(""), None, &rules()).unwrap();
        let left = to_rows(&db);
        assert_eq!(left.source, Source::Api);
        let back = Database {
            generation: db.generation,
            source: db.source.clone(),
            ..left.clone()
        };
        assert_eq!((back, left.generation), (db.clone(), db.generation + 1));
        // Its file never said them; nothing else will, either.
        let other = renamed(&db, &"gen-2".parse().unwrap(), db.source.clone());
        assert_eq!(to_rows(&other).given["database"], "genomics");
    }

    #[test]
    fn what_a_person_said_of_the_account_stays() {
        let db = admit_text(&spec("  account: {role: Owner}\n"), None, &rules()).unwrap();
        let renamed = renamed(&db, &"gen-2".parse().unwrap(), Source::Api);
        let account = json!({"role": "Owner", "user": "genomics"});
        let said = &renamed.given["account"];
        assert_eq!(
            (&said["role"], &said["user"]),
            (&account["role"], &account["user"])
        );
    }

    #[test]
    fn one_name_inside_that_is_another_than_by_default_is_enough_to_say_both() {
        let db = admit_text(&spec(""), None, &rules()).unwrap();
        let mut user = db.clone();
        user.account.user = "bob".to_owned();
        let mut inside = db.clone();
        inside.database = "calls".to_owned();
        for db in [user, inside] {
            let spec = &export(&db)["spec"];
            let said = (&spec["database"], &spec["account"]["user"]);
            assert_eq!(said, (&json!(db.database), &json!(db.account.user)));
        }
    }
}
