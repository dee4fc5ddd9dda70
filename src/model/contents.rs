//! What a backup holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a backup holds, counted: from `rows "public"."genes"` to a number. Which keys there are is
/// the engine's; two equal sets of counts are equal contents as far as counting tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// How it was counted, for people.
    pub how: String,
    /// The counts.
    pub counts: BTreeMap<String, u64>,
    /// What the server has and this has not, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Contents {
    /// All counted things together.
    pub fn total(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// What differs in the other one, a line each, at most so many.
    pub fn differences(&self, found: &BTreeMap<String, u64>, most: usize) -> Vec<String> {
        let keys: std::collections::BTreeSet<&String> =
            self.counts.keys().chain(found.keys()).collect();
        let shown = |n: Option<&u64>| n.map_or_else(|| "nothing".to_owned(), u64::to_string);
        keys.into_iter()
            .filter(|key| self.counts.get(*key) != found.get(*key))
            .map(|key| {
                let (was, is) = (self.counts.get(key), found.get(key));
                format!(
                    "{key}: {} in the manifest, {} restored",
                    shown(was),
                    shown(is)
                )
            })
            .take(most)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_both_sides() {
        let counted = Contents {
            left_out: Vec::new(),
            how: String::new(),
            counts: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
        };
        let found = [("a".to_owned(), 1), ("c".to_owned(), 3)].into();
        let lines = counted.differences(&found, 9);
        assert_eq!(
            lines,
            [
                "b: 2 in the manifest, nothing restored",
                "c: nothing in the manifest, 3 restored"
            ]
        );
    }
}
