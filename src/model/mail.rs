//! What a mail address must have at least.

/// What is wrong with a mail address, if anything is.
pub fn wrong(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("there is no mail address".to_owned());
    }
    let mail = text
        .split_once('@')
        .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty() && !host.contains('@'));
    let plain = mail && !text.contains(char::is_whitespace) && !text.contains(char::is_control);
    (!plain).then(|| {
        format!(
            "`{}` is no mail address; write one such as `name@example.org`",
            text.escape_debug()
        )
    })
}
