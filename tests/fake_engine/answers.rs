//! What can come back for a request.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// An answer, right or wrong.
#[derive(Debug, Clone)]
pub enum Answer {
    /// JSON with a status.
    Json(u16, Value),
    /// Nothing but a status.
    Status(u16),
    /// A body as it is, of this type.
    Body(u16, &'static str, Vec<u8>),
    /// JSON of which only so many bytes come before the connection ends.
    Cut(Value, usize),
    /// Bytes that need not be HTTP, and the end.
    Raw(Vec<u8>),
    /// A body in pieces; at its end the connection ends as it should.
    Stream(&'static str, Vec<Vec<u8>>),
    /// The same, and then the connection is cut in the middle of a piece.
    BrokenStream(&'static str, Vec<Vec<u8>>),
    /// Another protocol from here on: what an attach gives.
    Upgraded(Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
    /// The answer comes byte by byte with these pauses.
    Slow(Duration, Box<Answer>),
}

/// Docker's way to say no.
pub fn no(status: u16, message: &str) -> Answer {
    Answer::Json(status, json!({ "message": message }))
}

/// A frame of a log or an attach: 1 is standard output, 2 standard error.
pub fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0][..], &length, text].concat()
}

fn head(status: u16, kind: &str, length: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Type: {kind}\r\n{length}\r\n\r\n")
        .into_bytes()
}

fn whole(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    [head(status, kind, &length), body.to_vec()].concat()
}

/// The bytes of an answer; `None` for one that never ends.
fn bytes(answer: &Answer) -> Option<Vec<u8>> {
    const JSON: &str = "application/json";
    let chunked = |kind: &str, pieces: &[Vec<u8>]| {
        let mut all = head(200, kind, "Transfer-Encoding: chunked");
        for piece in pieces {
            all.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            all.extend_from_slice(piece);
            all.extend_from_slice(b"\r\n");
        }
        all
    };
    Some(match answer {
        Answer::Json(status, value) => whole(*status, JSON, value.to_string().as_bytes()),
        Answer::Status(status @ (204 | 304)) => head(*status, JSON, "x-none: x"),
        Answer::Status(status) => whole(*status, JSON, b""),
        Answer::Body(status, kind, body) => whole(*status, kind, body),
        Answer::Cut(value, kept) => {
            let text = value.to_string();
            let mut all = head(200, JSON, &format!("Content-Length: {}", text.len()));
            all.extend_from_slice(&text.as_bytes()[..*kept]);
            all
        }
        Answer::Raw(bytes) => bytes.clone(),
        Answer::Stream(kind, pieces) => [chunked(kind, pieces), b"0\r\n\r\n".to_vec()].concat(),
        Answer::BrokenStream(kind, pieces) => {
            [chunked(kind, pieces), b"ff\r\nhalf".to_vec()].concat()
        }
        Answer::Upgraded(bytes) => {
            let head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n\
                        Upgrade: tcp\r\n\r\n";
            [head.as_bytes(), bytes].concat()
        }
        Answer::Silence => return None,
        Answer::Slow(_, answer) => bytes(answer)?,
    })
}

/// Gives an answer; whoever asked may be gone.
pub async fn give(answer: &Answer, to: &mut (impl AsyncWrite + Unpin)) {
    let Some(bytes) = bytes(answer) else {
        return std::future::pending().await;
    };
    if let Answer::Slow(pause, _) = answer {
        for byte in &bytes {
            tokio::time::sleep(*pause).await;
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        return;
    }
    let _ = to.write_all(&bytes).await;
    let _ = to.shutdown().await;
}
