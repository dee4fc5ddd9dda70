//! Secrets as they are kept: sealed under a key that has an id.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Secret;

/// The id of a sealing key: its number, counted from 1, and the beginning of its checksum. Higher
/// numbers are newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId {
    /// Counts from 1.
    pub number: u32,
    /// Eight hexadecimal digits of the key's SHA-256.
    pub mark: String,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{}", self.number, self.mark)
    }
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let hex = |mark: &str| {
            mark.len() == 8
                && mark
                    .bytes()
                    .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
        };
        let parts = s.split_once('-').filter(|(_, mark)| hex(mark));
        match parts.map(|(number, mark)| (number.parse(), mark)) {
            Some((Ok(number), mark)) if number > 0 => Ok(KeyId {
                number,
                mark: mark.to_owned(),
            }),
            Some(_) | None => Err(format!(
                "`{}` is no key's id; ids look like 0001-3f9c2a1b",
                s.escape_debug()
            )),
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.to_string()
    }
}

/// A secret under a key. It may be seen by everybody: without the key it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The key that opens it.
    pub key: KeyId,
    /// Nonce, ciphertext and tag, in base64.
    pub data: String,
}

/// A secret of a database, and the one that is about to take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptSecret {
    /// What is in force.
    pub sealed: Sealed,
    /// What will be: while this is there, the server may know either of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Sealed>,
}

/// The sealed secrets of a database, by the name of their file.
pub type KeptSecrets = BTreeMap<String, KeptSecret>;

/// The text of a secret file, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretText {
    /// File name below the secrets folder.
    pub name: String,
    /// Its text.
    pub text: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written() {
        let id: KeyId = "0012-3f9c2a1b".parse().unwrap();
        assert_eq!(id.number, 12);
        assert_eq!(id.to_string(), "0012-3f9c2a1b");
        for bad in [
            "",
            "0001",
            "0000-3f9c2a1b",
            "x-3f9c2a1b",
            "1-3F9C2A1B",
            "1-3f9c2a1b/..",
        ] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
        let newer: KeyId = "10000-00000000".parse().unwrap();
        assert!(newer > id);
    }
}
