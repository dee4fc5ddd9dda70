//! What tools say at their end.

/// What the client of MariaDB sets before and behind a statement that failed.
const RULE: &str = "--------------";

/// What a tool said, without statements that it repeats: these have rows and passwords in them.
pub fn without_statements(words: &str) -> String {
    if !words.lines().any(|line| line == RULE) {
        return words.to_owned();
    }
    // Words may have lost their beginning: what is between which rules is not to be told.
    let own = |line: &&str| {
        let programs = ["ERROR ", "mariadb: ", "mariadb-dump: "];
        programs.iter().any(|program| line.starts_with(program))
    };
    let lines: Vec<&str> = words
        .lines()
        .filter(own)
        // A part of the statement.
        .map(|line| line.split(" near '").next().unwrap_or(line))
        .collect();
    lines.join("\n")
}

/// Whether a tool's last words are about this host or a server that went away, and not about what
/// it was given: no room, no memory, a connection that broke.
pub fn of_host(words: &str) -> bool {
    let words = words.to_lowercase();
    [
        "no space left on device",
        "errcode: 28",
        "disk full",
        "disk quota exceeded",
        "cannot allocate memory",
        "out of memory",
        "outofmemoryerror",
        "connection refused",
        "econnrefused",
        "can't connect to",
        "closed the connection",
        "lost connection",
        "server has gone away",
        "connection reset",
        "econnreset",
        "unexpectedly closed",
        "broken pipe",
    ]
    .iter()
    .any(|sign| words.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_a_client_repeats_are_not_told() {
        let words = "--------------\nALTER USER IF EXISTS `x`@'%' IDENTIFIED BY 'secret'\n--------------\n\n\
            ERROR 1064 (42000) at line 3: You have an error in your SQL syntax; check the manual near 'BY 'secret''\n\
            --------------\nINSERT INTO `t` VALUES\n(1,'disk full')\n--------------\n\n\
            ERROR 1062 (23000) at line 9: Duplicate entry '1' for key 'PRIMARY'";
        let told = "ERROR 1064 (42000) at line 3: You have an error in your SQL syntax; check the manual\n\
            ERROR 1062 (23000) at line 9: Duplicate entry '1' for key 'PRIMARY'";
        assert_eq!(without_statements(words), told);
        // The beginning was lost within a statement.
        let cut = &words[words.find("secret").unwrap()..];
        assert_eq!(without_statements(cut), told);
        let plain = "mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`'\nand more";
        assert_eq!(without_statements(plain), plain);
    }
}
