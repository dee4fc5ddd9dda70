//! Labels of containers.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A container's labels. Clones share them until one changes: all of them come along whenever a container is
/// seen, listed or heard of.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Deref for Labels {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Labels {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(all: BTreeMap<String, String>) -> Self {
        Labels(Arc::new(all))
    }
}

impl<const N: usize> From<[(String, String); N]> for Labels {
    fn from(all: [(String, String); N]) -> Self {
        BTreeMap::from(all).into()
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(all: I) -> Self {
        all.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_labels_is_not_seen_in_their_clones() {
        let labels: Labels = [("db4sci.name".to_owned(), "genomics".to_owned())].into();
        let mut other = labels.clone();
        other.insert("db4sci.uid".to_owned(), "u".to_owned());
        assert_eq!((labels.len(), other.len()), (1, 2));
        let text = serde_json::to_string(&labels).unwrap();
        assert_eq!(text, r#"{"db4sci.name":"genomics"}"#);
        assert_eq!(serde_json::from_str::<Labels>(&text).unwrap(), labels);
    }
}
