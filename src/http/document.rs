//! A text with several YAML documents, taken apart.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::backend::Applied;

/// One YAML document and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The file it comes from; `-` for standard input.
    pub origin: PathBuf,
    /// The line of the origin at which it begins, from 1.
    pub line: u64,
    /// Its text, without the marker `---`.
    pub text: String,
}

/// Takes a text apart at its document markers; documents without content are left out.
///
/// A marker stands at the beginning of a line and nowhere else: YAML ends a document there even
/// within a block of text, so no parser is needed to find it. What follows a marker on its line
/// keeps its column.
pub fn split(origin: &Path, text: &str) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut current = Document {
        origin: origin.to_owned(),
        line: 1,
        text: String::new(),
    };
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match marker(line) {
            None => current.text.push_str(line),
            Some(rest) => {
                let next = Document {
                    origin: origin.to_owned(),
                    line: number,
                    text: rest,
                };
                documents.push(std::mem::replace(&mut current, next));
            }
        }
    }
    documents.push(current);
    documents.retain(|document| has_content(&document.text));
    documents
}

/// For a line that ends a document: what it holds of the next one.
fn marker(line: &str) -> Option<String> {
    let (kind, rest) = line.split_at_checked(3)?;
    let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']);
    match kind {
        "---" if ends => Some(format!("   {rest}")),
        "..." if ends => Some("\n".to_owned()),
        _ => None,
    }
}

/// Whether a document has more than blank lines, comments and directives.
fn has_content(text: &str) -> bool {
    text.lines().any(|line| {
        !line.trim().is_empty() && !line.trim_start().starts_with('#') && !line.starts_with('%')
    })
}

/// Moves the places of problems from lines of the document to lines of its origin.
pub fn place(documents: &[Document], results: &mut [Applied]) {
    for (document, result) in documents.iter().zip(results) {
        for problem in &mut result.problems {
            if let Some(place) = &mut problem.place
                && place.line > 0
                && place.file == document.origin
            {
                // The document's line is what the caller says, whatever that is.
                let before = document.line.saturating_sub(1);
                place.line = place.line.saturating_add(before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(u64, String)> {
        split(Path::new("a.yaml"), text)
            .into_iter()
            .map(|d| (d.line, d.text))
            .collect()
    }

    #[test]
    fn one_document_stays_whole() {
        assert_eq!(texts("a: 1\nb: 2\n"), [(1, "a: 1\nb: 2\n".to_owned())]);
        assert_eq!(texts("---\na: 1\n"), [(1, "   \na: 1\n".to_owned())]);
    }

    #[test]
    fn a_marker_begins_the_next_document_and_keeps_its_line() {
        assert_eq!(
            texts("a: 1\n---\n# only a comment\n--- {b: 2}\n...\n---\nc: |\n  ---\n  x\n----\n"),
            [
                (1, "a: 1\n".to_owned()),
                (4, "    {b: 2}\n".to_owned()),
                (6, "   \nc: |\n  ---\n  x\n----\n".to_owned()),
            ]
        );
    }

    #[test]
    fn nothing_but_blanks_is_no_document() {
        for text in [
            "",
            "\n\n",
            "---\n---\n",
            "# x\n",
            "%YAML 1.2\n---\n",
            "\u{feff}",
        ] {
            assert_eq!(texts(text), [], "{text:?}");
        }
    }
}
