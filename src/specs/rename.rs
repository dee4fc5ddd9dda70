//! A database under another name. Nothing inside its server is renamed, so what was the name by default
//! there is from now on said.

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
