//! Name and labels, and the people: owner, contact, who may use it.

use crate::model::database::Source;
use crate::model::{DbName, mail};

use super::Check;

impl Check<'_> {
    pub(super) fn name(&mut self) -> Option<DbName> {
        let text = &self.request.parsed.raw.metadata.name;
        let name = match text.parse::<DbName>() {
            Ok(name) => name,
            Err(message) => {
                self.refuse("metadata.name", name_message(text, &message));
                return None;
            }
        };
        if name.is_mydb_admin() && self.request.source != Source::Builtin {
            self.refuse(
                "metadata.name",
                format!("`{name}` is reserved for db4sci's own database; choose another name"),
            );
            return None;
        }
        // Docker's own rule for containers, which carry the database's name.
        if name.as_str().len() < 2 {
            self.refuse(
                "metadata.name",
                format!("`{name}` is too short for a container's name; at least 2 characters"),
            );
            return None;
        }
        Some(name)
    }

    pub(super) fn labels(&mut self) {
        for key in self.request.parsed.raw.metadata.labels.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            if key.is_empty() || key.len() > 63 || !key.chars().all(plain) {
                self.refuse(
                    &format!("metadata.labels.{key}"),
                    format!(
                        "`{}` cannot be a label's name; allowed: up to 63 letters, digits, `.`, \
                         `_`, `/`, `-`",
                        key.escape_debug()
                    ),
                );
            }
        }
    }

    /// One line of text.
    pub(super) fn line(&mut self, field: &str, text: &str) -> Option<String> {
        if text.trim().is_empty() {
            self.refuse(field, "empty; a value is needed");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.refuse(field, "has a line break; one line is allowed");
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn contact(&mut self) -> Option<String> {
        let text = self.line("spec.contact", &self.spec.contact)?;
        if let Some(wrong) = mail::wrong(&text) {
            self.refuse("spec.contact", wrong);
            return None;
        }
        Some(text)
    }

    pub(super) fn access(&mut self) {
        for (i, access) in self.spec.access.iter().flatten().enumerate() {
            let name = access.who.strip_prefix("group:").unwrap_or(&access.who);
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                self.refuse(
                    &format!("spec.access[{i}].who"),
                    format!(
                        "`{}` is nobody; write a login, or `group:NAME`",
                        access.who.escape_debug()
                    ),
                );
            }
        }
    }
}

/// What is wrong with a name, with the name where that helps.
fn name_message(name: &str, message: &str) -> String {
    if name.is_empty() || message.starts_with(char::is_numeric) {
        message.to_owned()
    } else {
        format!("`{}` is not allowed; {message}", name.escape_debug())
    }
}
