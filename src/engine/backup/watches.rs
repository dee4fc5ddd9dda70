//! Follows dumps by how they begin and end.

use std::collections::BTreeMap;

use super::Watch;

/// Counts lines of a text by how they begin, and sees how it ends.
pub(super) struct Lines {
    end: &'static str,
    kinds: Vec<(&'static str, &'static str, u64)>,
    line: Vec<u8>,
    tail: Vec<u8>,
}

/// More of a line than this is not looked at.
const LINE: usize = 4096;

impl Lines {
    /// A text that ends in `end`; each kind is how its lines begin, and the key of their count.
    pub(super) fn new(end: &'static str, kinds: &[(&'static str, &'static str)]) -> Self {
        Lines {
            end,
            kinds: kinds.iter().map(|(begin, key)| (*begin, *key, 0)).collect(),
            line: Vec::new(),
            tail: Vec::new(),
        }
    }

    fn line_ends(&mut self) {
        for (begin, _, count) in &mut self.kinds {
            if self.line.starts_with(begin.as_bytes()) {
                *count += 1;
            }
        }
        if !self
            .line
            .iter()
            .all(|b| b.is_ascii_whitespace() || *b == b'-')
        {
            self.tail.clone_from(&self.line);
        }
        self.line.clear();
    }
}

impl Watch for Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.line_ends();
            } else if self.line.len() < LINE {
                self.line.push(*byte);
            }
        }
    }

    fn end(mut self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
        self.line_ends();
        let tail = String::from_utf8_lossy(&self.tail).into_owned();
        // Newer tools say `\unrestrict` after it.
        if !tail.starts_with(self.end) && !tail.starts_with("\\unrestrict") {
            return Err(format!(
                "it does not end with `{}`: it was cut off",
                self.end
            ));
        }
        let counts = self.kinds.into_iter();
        Ok(counts.map(|(_, key, n)| (key.to_owned(), n)).collect())
    }
}

/// Sees that an archive begins as one; that it is whole, only reading it shows.
pub(super) struct Archive {
    tool: &'static str,
    beginnings: &'static [&'static [u8]],
    head: Vec<u8>,
}

/// More of an archive than this is not looked at.
const HEAD: usize = 8;

impl Archive {
    /// An archive of a tool, which begins in one of these ways.
    pub(super) fn new(tool: &'static str, beginnings: &'static [&'static [u8]]) -> Self {
        Archive {
            tool,
            beginnings,
            head: Vec::new(),
        }
    }
}

impl Watch for Archive {
    fn take(&mut self, bytes: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
    }

    fn end(self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
        if self.beginnings.iter().any(|b| self.head.starts_with(b)) {
            Ok(BTreeMap::new())
        } else {
            Err(format!("it is no archive of {}", self.tool))
        }
    }
}
