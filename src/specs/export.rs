//! A database as a document that applies.

use serde_json::{Value, json};

use crate::model::Database;

/// The spec as a person wrote it, with image, port and volume as they were resolved: applied on
/// another host, it makes the same database again.
pub fn export(db: &Database) -> Value {
    let mut spec = db.given.clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        fields.insert("image".to_owned(), json!(db.image.display));
        fields.insert("port".to_owned(), json!(db.port.get()));
        fields.insert("volume".to_owned(), json!(db.volume.label));
    }
    super::rename::pin_what_differs(db, &mut spec);
    let mut metadata = json!({ "name": db.name });
    if !db.labels.is_empty() {
        metadata["labels"] = json!(db.labels);
    }
    json!({ "apiVersion": "db4sci/v1", "kind": "Database", "metadata": metadata, "spec": spec })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specs::testing::{admit_text, rules, spec};

    #[test]
    fn labels_are_part_of_it_where_there_are_any() {
        let text = spec("");
        let bare = admit_text(&text, None, &rules()).unwrap();
        assert_eq!(export(&bare)["metadata"], json!({"name": "genomics"}));
        let text = text.replace("  name:", "  labels: {lab: x}\n  name:");
        let db = admit_text(&text, None, &rules()).unwrap();
        let metadata = json!({"name": "genomics", "labels": {"lab": "x"}});
        assert_eq!(export(&db)["metadata"], metadata);
    }
}
