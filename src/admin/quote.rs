//! Names inside SQL text, where no bind parameter is possible.

/// Longest identifier in bytes; PostgreSQL would cut a longer one silently, and it would then name
/// something else.
const MAX_IDENTIFIER: usize = 63;

/// Why a text cannot be a name in SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// Empty.
    #[error("a name is empty")]
    Empty,
    /// Too long.
    #[error("the name `{0}` is longer than {MAX_IDENTIFIER} bytes")]
    TooLong(String),
    /// Holds a zero byte.
    #[error("a name or text holds a zero byte")]
    ZeroByte,
}

/// An identifier in double quotes.
///
/// # Errors
/// When PostgreSQL could not take it as it is.
pub fn identifier(name: &str) -> Result<String, QuoteError> {
    if name.is_empty() {
        Err(QuoteError::Empty)
    } else if name.contains('\0') {
        Err(QuoteError::ZeroByte)
    } else if name.len() > MAX_IDENTIFIER {
        Err(QuoteError::TooLong(name.to_owned()))
    } else {
        Ok(format!("\"{}\"", name.replace('"', "\"\"")))
    }
}

/// A text in single quotes, whatever `standard_conforming_strings` says.
///
/// # Errors
/// When it holds a zero byte.
pub fn literal(text: &str) -> Result<String, QuoteError> {
    if text.contains('\0') {
        return Err(QuoteError::ZeroByte);
    }
    let doubled = text.replace('\'', "''");
    // The E form is needed only for backslashes, and is right with every setting.
    Ok(if text.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(identifier("genomics"), Ok("\"genomics\"".to_owned()));
        assert_eq!(
            identifier("a\"; drop role x; --"),
            Ok("\"a\"\"; drop role x; --\"".to_owned())
        );
        assert_eq!(identifier("Größe \\"), Ok("\"Größe \\\"".to_owned()));
    }

    #[test]
    fn a_name_that_would_be_cut_is_refused() {
        assert!(identifier(&"x".repeat(63)).is_ok());
        assert!(identifier(&"x".repeat(64)).is_err());
        assert!(identifier(&"é".repeat(32)).is_err(), "bytes count");
        assert_eq!(identifier(""), Err(QuoteError::Empty));
        assert_eq!(identifier("a\0b"), Err(QuoteError::ZeroByte));
    }

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(literal("it's"), Ok("'it''s'".to_owned()));
        assert_eq!(literal(r"a\'b"), Ok(r"E'a\\''b'".to_owned()));
        assert_eq!(literal("\0"), Err(QuoteError::ZeroByte));
    }
}
