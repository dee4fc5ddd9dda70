//! Names and numbers that carry their rule.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

/// The name of DB4Sci's own database; no spec may take it.
pub const MYDB_ADMIN: &str = "mydb_admin";

/// A database's name: `^[a-z][a-z0-9_-]{0,39}$`. It is also its container's name (after the
/// instance's prefix) and its folder below a data volume, hence no dots, slashes or capitals.
///
/// Clones share the text: all that is kept of a database carries it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct DbName(Arc<str>);

impl DbName {
    /// The pattern, for messages.
    pub const PATTERN: &'static str = "^[a-z][a-z0-9_-]{0,39}$";

    /// The name of DB4Sci's own database.
    pub fn mydb_admin() -> Self {
        DbName(MYDB_ADMIN.into())
    }

    /// Whether this is DB4Sci's own database.
    pub fn is_mydb_admin(&self) -> bool {
        &*self.0 == MYDB_ADMIN
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DbName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.is_empty() {
            return Err(format!("a name is needed; allowed: {}", DbName::PATTERN));
        }
        if s.chars().count() > 40 {
            return Err(format!(
                "{} characters; at most 40 are allowed",
                s.chars().count()
            ));
        }
        let mut chars = s.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        let rest =
            chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
        if first && rest {
            Ok(DbName(s.into()))
        } else {
            Err(format!("allowed: {}", DbName::PATTERN))
        }
    }
}

impl TryFrom<String> for DbName {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl Serialize for DbName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl From<DbName> for String {
    fn from(n: DbName) -> String {
        n.as_str().to_owned()
    }
}

impl Borrow<str> for DbName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The identity of a database for its whole life; a database created again under an old name has
/// another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub Uuid);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Uid {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(s).map(Uid).map_err(|e| e.to_string())
    }
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_newtype! {
    /// A container's id, as the runtime gives it.
    ContainerId
}

text_newtype! {
    /// An image's id (`sha256:…` of its configuration), the one thing about an image that cannot
    /// move.
    ImageId
}

/// An image's reference with a tag that names a version: `postgres:17`. `latest` and a missing tag
/// are refused, since what they name moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef(String);

impl ImageRef {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageRef {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = |c: char| !(c.is_ascii_alphanumeric() || "._-/:@".contains(c));
        if s.is_empty() || s.chars().any(bad) {
            return Err(format!(
                "`{s}` is not an image reference such as `postgres:17`"
            ));
        }
        // The tag follows the last colon after the last slash: a registry's port is no tag.
        let last = s.rsplit('/').next().unwrap_or(s);
        match last.split_once(':') {
            None => Err(format!("`{s}` has no tag; pin a version, such as `{s}:17`")),
            Some((_, "latest")) => Err(format!("`{s}`: the tag `latest` moves; pin a version")),
            Some((name, tag)) if name.is_empty() || tag.is_empty() => Err(format!(
                "`{s}` is not an image reference such as `postgres:17`"
            )),
            Some(_) => Ok(ImageRef(s.to_owned())),
        }
    }
}

impl TryFrom<String> for ImageRef {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<ImageRef> for String {
    fn from(r: ImageRef) -> String {
        r.0
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A TCP port on the host, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct HostPort(u16);

impl HostPort {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for HostPort {
    type Error = String;
    fn try_from(n: u16) -> Result<Self, Self::Error> {
        if n == 0 {
            Err("ports are 1 to 65535".to_owned())
        } else {
            Ok(HostPort(n))
        }
    }
}

impl From<HostPort> for u16 {
    fn from(p: HostPort) -> u16 {
        p.0
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_its_pattern() {
        for good in ["a", "genomics", "a-b_c9", &"a".repeat(40)] {
            assert!(good.parse::<DbName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a;id",
            "../x",
            "Upper",
            "9a",
            "-a",
            "a.b",
            "é",
            &"a".repeat(41),
        ] {
            assert!(bad.parse::<DbName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_names_a_version() {
        for good in [
            "postgres:17",
            "reg.example:5000/lab/postgres:17.5",
            "db/x:1@sha256:ab",
        ] {
            assert!(good.parse::<ImageRef>().is_ok(), "{good}");
        }
        for bad in [
            "postgres",
            "postgres:latest",
            "reg.example:5000/postgres",
            "a b:1",
            ":1",
            "",
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }
}
