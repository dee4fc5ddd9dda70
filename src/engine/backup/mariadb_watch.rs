//! Counts a dump of `mariadb-dump` as it goes by.
//!
//! A dump is read byte by byte, since rows may be longer than any buffer. Outside of rows it is read
//! line by line; of each line only the beginning counts.

use std::collections::BTreeMap;

use super::Watch;

/// Goes before a table's name in the key of its rows.
pub(super) const ROWS: &str = "rows ";
/// Goes before a table's name in the key that says that its rows are with their history.
pub(super) const WITH_HISTORY: &str = "history ";
/// Goes before an account in its key.
pub(super) const ACCOUNT: &str = "account ";

/// How a whole dump ends.
const END: &str = "-- Dump completed";

/// How the line begins after which a table's rows are with their history.
const HISTORY: &str = "/*M!101100 SET @old_system_versioning_insert_history=";

/// More of a line than this is not looked at: names have at most 64 characters, each of up to four
/// bytes, and may be doubled.
const LINE: usize = 4096;
/// Of a longer line, its last bytes are kept, too: they may end a statement.
const LAST: usize = 16;

/// A dump going by.
#[derive(Default)]
pub(super) struct SqlDump {
    counts: BTreeMap<String, u64>,
    database: String,
    table: String,
    /// The table that was last made.
    made: String,
    line: Vec<u8>,
    last_line: Vec<u8>,
    state: State,
    rows: u64,
    /// What ends a statement where it is not `;`: bodies of routines, triggers and events, which hold
    /// statements of their own.
    delimiter: Option<String>,
    /// Whether the line is within such a body: nothing in it is the dump's own.
    in_body: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    /// Between rows.
    #[default]
    Lines,
    /// In the list of rows of an INSERT, outside of any row.
    Values,
    /// In a row.
    Row,
    /// In a string of a row.
    Text,
    /// After a backslash in a string.
    Escape,
}

impl SqlDump {
    fn add(&mut self, key: String, n: u64) {
        *self.counts.entry(key).or_insert(0) += n;
    }

    fn object(&mut self, what: &str) {
        let key = format!("{}: {what}", self.database);
        self.add(key, 1);
    }

    /// An INSERT's beginning is complete: rows follow.
    fn insert_begins(&mut self) -> bool {
        if self.delimiter.is_some() {
            return false;
        }
        let text = String::from_utf8_lossy(&self.line).into_owned();
        let after = text
            .strip_prefix("INSERT IGNORE INTO ")
            .or_else(|| text.strip_prefix("INSERT INTO "));
        let Some(after) = after.filter(|a| a.ends_with(" VALUES")) else {
            return false;
        };
        let Some(table) = quoted(after) else {
            return false;
        };
        self.table = format!("{ROWS}{}.{table}", self.database);
        self.rows = 0;
        self.state = State::Values;
        self.line.clear();
        true
    }

    /// The line goes on: a name in backticks that it begins holds a newline.
    fn name_goes_on(&self) -> bool {
        if self.delimiter.is_some() || self.line.starts_with(b"--") || self.line.len() >= LINE {
            return false;
        }
        let text = String::from_utf8_lossy(&self.line);
        text.find('`')
            .is_some_and(|at| !text[..at].contains('\'') && quoted(&text[at..]).is_none())
    }

    /// Whether the line is the dump's own, and not within a body.
    fn is_own(&mut self, text: &str) -> bool {
        if self.in_body {
            let end = self.delimiter.as_deref().unwrap_or(";");
            self.in_body = !text.trim_end().ends_with(end);
            return false;
        }
        if let Some(delimiter) = text.strip_prefix("DELIMITER ") {
            let delimiter = delimiter.trim();
            self.delimiter = (delimiter != ";").then(|| delimiter.to_owned());
        } else if let Some(end) = &self.delimiter {
            self.in_body = !text.trim_end().ends_with(end.as_str());
        }
        true
    }

    fn line_ends(&mut self) {
        let text = String::from_utf8_lossy(&self.line).into_owned();
        if !self.is_own(&text) {
            self.line.clear();
            return;
        }
        let has = |word: &str| text.to_ascii_uppercase().contains(word);
        if let Some(name) = text.strip_prefix("USE ").and_then(quoted) {
            self.database = name.to_owned();
            for what in ["tables", "views", "triggers", "events", "routines"] {
                let key = format!("{}: {what}", self.database);
                self.add(key, 0);
            }
        } else if let Some(name) = text.strip_prefix("CREATE TABLE ").and_then(quoted) {
            self.made = format!("{}.{name}", self.database);
            self.add(format!("{ROWS}{}", self.made), 0);
            self.object("tables");
        } else if text.starts_with(HISTORY) {
            self.counts
                .insert(format!("{WITH_HISTORY}{}", self.made), 1);
        } else if text.starts_with("/*!50001 CREATE VIEW ") {
            // Each view once as a stand-in; its own text follows in another form.
            self.object("views");
        } else if text.starts_with("/*!50003 CREATE*/ ") && has("TRIGGER ") {
            self.object("triggers");
        } else if text.starts_with("/*!50106 CREATE*/ ") && has("EVENT ") {
            self.object("events");
        } else if text.starts_with("CREATE DEFINER=")
            && [
                "` PROCEDURE `",
                "` FUNCTION `",
                "` AGGREGATE FUNCTION `",
                "` PACKAGE ",
            ]
            .iter()
            .any(|w| has(w))
        {
            self.object("routines");
        } else if let Some(rest) = text.strip_prefix("CREATE USER ") {
            // `CREATE USER /*M!100103 IF NOT EXISTS */ `name`@`host` …`
            let rest = rest.find('`').map_or("", |at| &rest[at..]);
            if let Some(user) = quoted(rest)
                && let Some(host) = rest[user.len()..].strip_prefix('@').and_then(quoted)
            {
                self.counts.insert(format!("{ACCOUNT}{user}@{host}"), 1);
            }
        }
        if !text.trim().is_empty() {
            std::mem::swap(&mut self.last_line, &mut self.line);
        }
        self.line.clear();
    }

    fn byte(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Lines, b'\n') if self.name_goes_on() => self.push(byte),
            (State::Lines, b'\n') => {
                if !self.insert_begins() {
                    self.line_ends();
                }
            }
            (State::Lines, b'(') => {
                // Rows are on the INSERT's own line where it names columns, and from older tools:
                // `… VALUES (1),(2);`. A column may be called like that, too.
                let in_name = self.line.iter().filter(|b| **b == b'`').count() % 2 == 1;
                if self.line.ends_with(b" VALUES ")
                    && self.line.starts_with(b"INSERT ")
                    && (!in_name || self.line.len() == LINE)
                {
                    self.line.pop();
                    if self.insert_begins() {
                        self.state = State::Row;
                        self.rows = 1;
                        return;
                    }
                    self.line.push(b' ');
                }
                self.push(byte);
            }
            (State::Lines, _) => self.push(byte),
            (State::Values, b'(') => {
                self.rows += 1;
                self.state = State::Row;
            }
            (State::Values, b';') => {
                let key = std::mem::take(&mut self.table);
                self.add(key, self.rows);
                self.state = State::Lines;
            }
            (State::Row, b'\'') => self.state = State::Text,
            (State::Row, b')') => self.state = State::Values,
            (State::Text, b'\'') => self.state = State::Row,
            (State::Text, b'\\') => self.state = State::Escape,
            (State::Escape, _) => self.state = State::Text,
            (State::Values | State::Row | State::Text, _) => {}
        }
    }

    fn push(&mut self, byte: u8) {
        if self.line.len() == LINE {
            self.line.remove(LINE - LAST);
        }
        self.line.push(byte);
    }
}

impl Watch for SqlDump {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    fn end(mut self: Box<Self>, _: &str) -> Result<BTreeMap<String, u64>, String> {
        if !self.line.is_empty() {
            self.line_ends();
        }
        let whole = self.state == State::Lines && self.last_line.starts_with(END.as_bytes());
        if whole {
            Ok(self.counts)
        } else {
            Err(format!("it does not end with `{END}`: it was cut off"))
        }
    }
}

/// The name in backticks that a text begins with, the backticks included.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('`')?;
    let mut at = 0;
    while let Some(found) = inner[at..].find('`') {
        let end = at + found;
        if inner[end + 1..].starts_with('`') {
            at = end + 2;
        } else {
            return Some(&text[..end + 2]);
        }
    }
    None
}

/// Two quoted names with a point between them, as they are.
pub(super) fn two_names(text: &str) -> Option<(String, String)> {
    let first = quoted(text)?;
    let second = text[first.len()..].strip_prefix('.').and_then(quoted)?;
    let plain = |name: &str| name[1..name.len() - 1].replace("``", "`");
    Some((plain(first), plain(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `x y`;

USE `x y`;
CREATE TABLE `t``a` (
  `id` int
);
INSERT IGNORE INTO `t``a` VALUES
(1,'a\'(b),(c\\',0xFFFE00),
(2,'x\ny',NULL),
(3,');',0x27);
INSERT INTO `t``a` VALUES (4,''),(5,'INSERT INTO `u` VALUES (1)');
/*!50001 CREATE VIEW `v` AS SELECT
CREATE USER /*M!100103 IF NOT EXISTS */ `o'x`@`%` IDENTIFIED BY PASSWORD '*D8';
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `ev` ON SCHEDULE
CREATE DEFINER=`root`@`%` PROCEDURE `p`()

-- Dump completed on 2026-11-22 19:20:52
";

    /// As `mariadb-dump` writes them: names with newlines, and bodies.
    const PLANTED: &str = r"USE `x
USE ``y`;
DROP TABLE IF EXISTS `t
CREATE TABLE ``forged`` (
INSERT INTO ``u`` VALUES (1);
`;
CREATE TABLE `t
CREATE TABLE ``forged`` (
INSERT INTO ``u`` VALUES (1);
` (
  `id` int COMMENT 'it`s'
) COMMENT='it`s';
INSERT IGNORE INTO `t
CREATE TABLE ``forged`` (
INSERT INTO ``u`` VALUES (1);
` VALUES
(1),
(2);
DELIMITER ;;
CREATE DEFINER=`root`@`%` PROCEDURE `p`()
begin
INSERT INTO `u` VALUES (1);
INSERT INTO `u` VALUES
(1);
USE `mysql`;
CREATE TABLE `u` (n int);
DELIMITER ;
-- Dump completed on 2026-11-22 19:20:52
end ;;
DELIMITER ;
DELIMITER ;;
/*!50003 SET sql_mode = '' */ ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO begin
/*!50106 CREATE*/ EVENT
end */ ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `f` ON SCHEDULE EVERY 1 DAY DO select LONG */ ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`%`*/ /*!50106 EVENT `g` ON SCHEDULE EVERY 1 DAY DO select 1 */ ;;
DELIMITER ;
-- Dump completed on 2026-11-22 19:20:52
";

    #[test]
    fn what_stands_in_a_name_or_a_body_is_not_the_dumps_own() {
        let text = PLANTED.replace("LONG", &"1 + ".repeat(LINE));
        for piece in [1, 7, 4096] {
            let mut counts = watched(&text, piece).unwrap();
            counts.retain(|_, n| *n > 0);
            let database = "`x\nUSE ``y`";
            let table = "`t\nCREATE TABLE ``forged`` (\nINSERT INTO ``u`` VALUES (1);\n`";
            let expected = [
                (format!("rows {database}.{table}"), 2),
                (format!("{database}: tables"), 1),
                (format!("{database}: routines"), 1),
                (format!("{database}: events"), 3),
            ];
            assert_eq!(counts, expected.into());
        }
        let cut = text.find("end ;;").unwrap();
        assert!(watched(&text[..cut], 64).is_err());
    }

    fn watched(text: &str, piece: usize) -> Result<BTreeMap<String, u64>, String> {
        let mut watch: Box<dyn Watch> = Box::<SqlDump>::default();
        for piece in text.as_bytes().chunks(piece) {
            watch.take(piece);
        }
        watch.end("")
    }

    #[test]
    fn rows_are_counted_whatever_stands_in_them() {
        for piece in [1, 7, 4096] {
            let counts = watched(DUMP, piece).unwrap();
            assert_eq!(counts["rows `x y`.`t``a`"], 5, "{counts:?}");
            assert_eq!(counts["`x y`: tables"], 1);
            assert_eq!(counts["`x y`: views"], 1);
            assert_eq!(counts["`x y`: events"], 1);
            assert_eq!(counts["`x y`: routines"], 1);
            assert_eq!(counts["`x y`: triggers"], 0);
            assert_eq!(counts["account `o'x`@`%`"], 1);
        }
    }

    #[test]
    fn a_dump_that_was_cut_off_anywhere_is_told() {
        let end = DUMP.find("-- Dump").unwrap();
        for cut in (0..end).step_by(5) {
            assert!(watched(&DUMP[..cut], 64).is_err(), "{cut}");
        }
    }

    #[test]
    fn rows_with_their_history_are_counted_and_said() {
        let text = "USE `lab`;\nCREATE TABLE `h` (\n  `id` int\n) WITH SYSTEM VERSIONING;\n\
            /*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, \
            @@session.system_versioning_insert_history=1 */;\n\
            INSERT INTO `h` (`id`, `a VALUES (`, row_start, row_end) VALUES (1,'x','2026-11-29','2026-11-30'),\n\
            (1,'y','2026-11-30','2106-02-07');\n\
            CREATE TABLE `plain` (\n  `id` int\n);\nINSERT INTO `plain` VALUES\n(1);\n\
            -- Dump completed on 2026-11-22 19:20:52\n";
        for piece in [1, 7, 4096] {
            let mut counts = watched(text, piece).unwrap();
            counts.retain(|_, n| *n > 0);
            let expected = [
                ("`lab`: tables", 2),
                ("history `lab`.`h`", 1),
                ("rows `lab`.`h`", 2),
                ("rows `lab`.`plain`", 1),
            ];
            assert_eq!(counts, expected.map(|(key, n)| (key.to_owned(), n)).into());
        }
        let names = ("a`.`b".to_owned(), "c".to_owned());
        assert_eq!(two_names("`a``.``b`.`c`"), Some(names));
        assert_eq!(two_names("`a`"), None);
    }
}
