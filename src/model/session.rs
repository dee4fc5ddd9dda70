//! Who is connected to a database's server.

use serde::{Deserialize, Serialize};

/// One connection of a client. What an engine does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// What the server calls it; by this it is ended.
    pub id: String,
    /// The login.
    pub user: Option<String>,
    /// The database that is open.
    pub database: Option<String>,
    /// Where the client is, as the server sees it.
    pub client: Option<String>,
    /// What the client calls itself.
    pub program: Option<String>,
    /// What it does, in the engine's word: `idle`, `active`, `Sleep`.
    pub state: Option<String>,
    /// For so many seconds.
    pub seconds: Option<u64>,
    /// The statement it runs, or ran last.
    pub statement: Option<String>,
}

impl Session {
    /// One of which nothing is known but its id.
    pub fn called(id: String) -> Self {
        Session {
            id,
            user: None,
            database: None,
            client: None,
            program: None,
            state: None,
            seconds: None,
            statement: None,
        }
    }

    /// Makes of what clients say of themselves what may be shown: no control characters, and of
    /// statements nothing in quotes, which may be a password.
    pub fn tidy(&mut self) {
        self.statement = self.statement.as_deref().map(masked);
        let Session {
            user,
            database,
            client,
            program,
            state,
            ..
        } = self;
        for text in [user, database, client, program, state]
            .into_iter()
            .flatten()
        {
            if text.contains(char::is_control) {
                *text = text.replace(char::is_control, "?");
            }
        }
    }
}

/// Characters of a statement that are shown at most.
const SHOWN: usize = 200;

/// A statement in one line without what stands in quotes: `alter role x password '…'`.
fn masked(statement: &str) -> String {
    let mut shown = String::new();
    let mut inside = None;
    let mut before = ' ';
    for (n, c) in statement.trim().chars().enumerate() {
        if n == SHOWN {
            shown.push('…');
            break;
        }
        match (inside, c) {
            // What follows a dollar sign may be quoted by a word of the client's own.
            (None, '$') => {
                shown.push_str("$…");
                break;
            }
            (None, '\'' | '"' | '`') => {
                shown.extend([c, '…']);
                inside = Some(c);
            }
            // Where quotes are told by a backslash depends on the server: all behind it may be inside.
            (Some(_), '\\') => break,
            (Some(quote), c) if c == quote => {
                shown.push(c);
                inside = None;
            }
            (Some(_), _) => {}
            (None, c) if c.is_whitespace() || c.is_control() => {
                if before != ' ' {
                    shown.push(' ');
                }
                before = ' ';
                continue;
            }
            (None, c) => shown.push(c),
        }
        before = c;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_of_themselves_cannot_steer_a_terminal() {
        let mut session = Session {
            user: Some("ab".to_owned()),
            program: Some("\u{1b}[2Jx\n".to_owned()),
            statement: Some("select 1 -- \u{1b}[2J".to_owned()),
            ..Session::called("7".to_owned())
        };
        session.tidy();
        assert_eq!(session.user.as_deref(), Some("ab"));
        assert_eq!(session.program.as_deref(), Some("?[2Jx?"));
        assert_eq!(session.statement.as_deref(), Some("select 1 -- [2J"));
    }

    #[test]
    fn nothing_in_quotes_is_shown() {
        for (statement, shown) in [
            ("select 1", "select 1"),
            ("select\n\t 1  from  t ", "select 1 from t"),
            (
                "alter role x password 'hunter2'",
                "alter role x password '…'",
            ),
            ("select 'it''s hunter2', 2", "select '…''…', 2"),
            ("set x = \"hunter2\"; a", "set x = \"…\"; a"),
            ("select `hunter2`.a", "select `…`.a"),
            ("select 'a\\'hunter2'", "select '…"),
            ("do $x$ hunter2 $x$", "do $…"),
            ("select $1", "select $…"),
            ("alter role x password 'hunter2", "alter role x password '…"),
            ("", ""),
        ] {
            assert_eq!(masked(statement), shown, "{statement}");
        }
        let long = format!("select {}", "a, ".repeat(200));
        assert_eq!(masked(&long).chars().count(), SHOWN + 1);
    }
}
