//! Users and groups of this host, by name and number.
//!
//! The plain files first; then `getent`, since institutes keep people in a directory that only the
//! system's own look-up knows.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long a directory may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// The login name of a user id; `None` where it has none, or where the directory does not answer.
pub async fn user_name(uid: u32) -> Option<String> {
    let id = uid.to_string();
    let found = match row("/etc/passwd", 2, &id) {
        Some(row) => Some(row),
        None => getent("passwd", &id).await,
    };
    found
        .and_then(|row| row.split(':').next().map(str::to_owned))
        .filter(|name| !name.is_empty())
}

/// The number of a group; `None` if there is no such group.
pub async fn group_id(name: &str) -> Option<u32> {
    let found = match row("/etc/group", 0, name) {
        Some(row) => Some(row),
        None => getent("group", name).await,
    };
    found?.split(':').nth(2)?.parse().ok()
}

/// The row of a colon-separated file in which a column has a value.
fn row(path: &str, column: usize, value: &str) -> Option<String> {
    std::fs::read_to_string(path)
        .ok()?
        .lines()
        .find(|row| row.split(':').nth(column) == Some(value))
        .map(str::to_owned)
}

async fn getent(database: &str, key: &str) -> Option<String> {
    let asked = Command::new("getent")
        .args([database, key])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let answer = tokio::time::timeout(DEADLINE, asked).await.ok()?.ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn root_has_a_name_and_a_number_without_one_has_none() {
        assert_eq!(user_name(0).await.as_deref(), Some("root"));
        assert_eq!(user_name(3_999_999_999).await, None);
        assert_eq!(group_id("root").await, Some(0));
        assert_eq!(group_id("no-such-group-here").await, None);
    }
}
