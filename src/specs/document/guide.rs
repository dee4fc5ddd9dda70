//! The walk along a type's JSON Schema that finds every problem of shape at once.
//!
//! It knows the part of JSON Schema that `schemars` makes of our types: structs, maps, lists,
//! tuples, lists of words, ranges. A field that may be left out must not be `null` in a file: a
//! key without a value is mostly a line half written.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::Problem;

use super::schema::tidy;
use super::walk::{Slot, Walk};
use super::{Node, Places};

/// A type's schema, ready to walk along.
#[derive(Debug, Clone)]
pub struct Guide {
    root: Value,
}

/// What was read, where its fields stand, and what is wrong. A part that is wrong is left out.
#[derive(Debug, Clone)]
pub struct Reading<T> {
    /// The value.
    pub value: T,
    /// The places of its fields.
    pub places: Places,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Guide {
    /// The schema of a type, without `null` for fields that may be left out.
    pub fn of<T: JsonSchema>() -> Self {
        let mut root = schemars::schema_for!(T).to_value();
        tidy(&mut root);
        Guide { root }
    }

    /// The schema itself.
    pub fn schema(&self) -> &Value {
        &self.root
    }

    /// Reads a whole document in which nothing may be wrong.
    pub fn read<T: DeserializeOwned>(
        &self,
        node: &Node,
        origin: &Path,
    ) -> Result<(T, Places), Vec<Problem>> {
        strict(self.read_partly(node, origin)?)
    }

    /// Reads a document that holds only what stands at `field` of the type.
    pub fn read_field<T: DeserializeOwned>(
        &self,
        field: &str,
        node: &Node,
        origin: &Path,
    ) -> Result<(T, Places), Vec<Problem>> {
        strict(self.read_field_partly(field, node, origin)?)
    }

    /// Reads as much of a document as is right. For types that can do without their parts, even
    /// required ones; where too much is missing, only the problems come back.
    pub fn read_partly<T: DeserializeOwned>(
        &self,
        node: &Node,
        origin: &Path,
    ) -> Result<Reading<T>, Vec<Problem>> {
        self.read_part(&self.root, node, "", origin)
    }

    /// [`Guide::read_partly`] of what stands at `field` of the type.
    pub fn read_field_partly<T: DeserializeOwned>(
        &self,
        field: &str,
        node: &Node,
        origin: &Path,
    ) -> Result<Reading<T>, Vec<Problem>> {
        let schema = &self.root["properties"][field];
        self.read_part(schema, node, field, origin)
    }

    fn read_part<T: DeserializeOwned>(
        &self,
        schema: &Value,
        node: &Node,
        field: &str,
        origin: &Path,
    ) -> Result<Reading<T>, Vec<Problem>> {
        let mut walk = Walk::new(&self.root, origin);
        let value = walk.value(schema, node, Slot::whole(field, node));
        match value.map(serde_json::from_value) {
            Some(Ok(value)) => Ok(Reading {
                value,
                places: walk.places,
                problems: walk.problems,
            }),
            Some(Err(_)) | None if !walk.problems.is_empty() => Err(walk.problems),
            // The schema comes from the type, so this is a gap between the two.
            Some(Err(error)) => {
                let problem = Problem::new(field, format!("not readable: {error}"));
                Err(vec![walk.places.locate(problem)])
            }
            None => Err(vec![
                walk.places.locate(Problem::new(field, "not readable")),
            ]),
        }
    }
}

fn strict<T>(reading: Reading<T>) -> Result<(T, Places), Vec<Problem>> {
    if reading.problems.is_empty() {
        Ok((reading.value, reading.places))
    } else {
        Err(reading.problems)
    }
}
