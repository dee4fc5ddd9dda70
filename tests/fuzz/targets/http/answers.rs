//! Answers taken apart.

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Vec<u8>,
}

/// All answers of a connection, in order; `100 Continue` is none.
pub fn all(mut said: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !said.is_empty() {
        let shown = || format!("no answer: {:?}", String::from_utf8_lossy(said));
        let end = said.windows(4).position(|part| part == b"\r\n\r\n");
        let end = end.ok_or_else(shown)?;
        let head = std::str::from_utf8(&said[..end]).map_err(|_| shown())?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status: u16 = status
            .and_then(|word| word.parse().ok())
            .ok_or_else(shown)?;
        let (mut length, mut kind) = (0, String::new());
        for line in lines {
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().map_err(|_| shown())?,
                Some(("content-type", value)) => value.clone_into(&mut kind),
                Some(_) | None => {}
            }
        }
        said = &said[end + 4..];
        // The answer to HEAD tells of a body that is not there.
        if said.is_empty() || said.starts_with(b"HTTP/1.") {
            length = 0;
        }
        let (body, rest) = said
            .split_at_checked(length)
            .ok_or("an answer that was cut off")?;
        said = rest;
        if status >= 200 {
            let body = body.to_vec();
            answers.push(Answer { status, kind, body });
        }
    }
    Ok(answers)
}
