//! From Docker's status codes and words to our errors.

use bollard::errors::Error;

use crate::runtime::RuntimeError;

/// What a failed call means.
pub(super) fn failed(what: &str, error: Error) -> RuntimeError {
    let with = |message: &str| format!("{what}: {message}");
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => classify(what, Some(status_code), &message),
        Error::DockerStreamError { error } => classify(what, None, &error),
        Error::RequestTimeoutError => RuntimeError::Unavailable(with("no answer in time")),
        Error::SocketNotFoundError(path) => {
            RuntimeError::Unavailable(with(&format!("there is no socket {path}")))
        }
        Error::IOError { err } => RuntimeError::Unavailable(with(&err.to_string())),
        Error::HyperResponseError { err } => RuntimeError::Unavailable(with(&chain(&err))),
        Error::HyperLegacyError { err } => RuntimeError::Unavailable(with(&chain(&err))),
        other => RuntimeError::Engine(with(&other.to_string())),
    }
}

/// An error with its causes, which is where "connection refused" stands.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        text.push_str(": ");
        text.push_str(&c.to_string());
        cause = c.source();
    }
    text
}

/// What an answer of the engine means: by its words where they are sure (they come with 500 as
/// well as with 4xx, depending on the engine's version), else by its status.
pub(super) fn classify(what: &str, status: Option<u16>, message: &str) -> RuntimeError {
    let text = format!("{what}: {}", message.trim());
    if message.contains("port is already allocated") || message.contains("address already in use") {
        return RuntimeError::PortInUse {
            port: port_in(message).unwrap_or(0),
            message: text,
        };
    }
    if message.contains("bind source path does not exist") || is_missing_mount(message) {
        return RuntimeError::MountMissing(text);
    }
    if message.contains("no space left on device") {
        return RuntimeError::DiskFull(text);
    }
    match status {
        // A page of a proxy, or of an engine that has no such call, says nothing of a container.
        Some(404) if message.to_lowercase().contains("no such") => RuntimeError::NotFound(text),
        Some(409) => RuntimeError::Conflict(text),
        Some(400 | 401 | 403 | 405 | 501) => RuntimeError::Refused(text),
        Some(502..=504) => RuntimeError::Unavailable(text),
        Some(_) | None => RuntimeError::Engine(text),
    }
}

/// A source that vanished between create and start: then it is runc that complains.
fn is_missing_mount(message: &str) -> bool {
    message.contains("error mounting") && message.contains("no such file or directory")
}

/// What a failed pull means.
pub(super) fn classify_pull(reference: &str, error: Error) -> RuntimeError {
    let (status, message) = match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => (Some(status_code), message),
        Error::DockerStreamError { error } => (None, error),
        other => return failed(&format!("pull {reference}"), other),
    };
    if message.contains("no space left on device") {
        return RuntimeError::DiskFull(format!("pull {reference}: {message}"));
    }
    let unknown = [
        "manifest unknown",
        "name unknown",
        "repository does not exist",
    ]
    .iter()
    .any(|words| message.contains(words))
        || (message.contains("not found") && message.contains("manifest"))
        || (status == Some(404) && message.contains("not found"));
    RuntimeError::Pull {
        reference: reference.to_owned(),
        message,
        unknown,
    }
}

/// The host port in Docker's words about one that is taken.
fn port_in(message: &str) -> Option<u16> {
    // Docker's own bookkeeping, the userland proxy, and Engines from 27 on.
    let address = [
        "Bind for ",
        "host port for ",
        "listen tcp4 ",
        "listen tcp6 ",
        "listen tcp ",
    ]
    .iter()
    .find_map(|before| message.split_once(before))?
    .1;
    let address = address.split_whitespace().next()?;
    // `0.0.0.0:5432`, `:::5432`, `[::]:5432`, `0.0.0.0:5432:172.17.0.2:80/tcp`.
    let after_host = match address.rsplit_once("]:") {
        Some((_, rest)) => rest,
        None => match address.strip_prefix(":::") {
            Some(rest) => rest,
            None => address.split_once(':')?.1,
        },
    };
    let digits: String = after_host
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: &RuntimeError) -> &'static str {
        match error {
            RuntimeError::Unavailable(_) => "unavailable",
            RuntimeError::NotFound(_) => "not found",
            RuntimeError::Conflict(_) => "conflict",
            RuntimeError::PortInUse { .. } => "port",
            RuntimeError::MountMissing(_) => "mount",
            RuntimeError::Pull { .. } => "pull",
            RuntimeError::DiskFull(_) => "disk",
            RuntimeError::Refused(_) => "refused",
            RuntimeError::Engine(_) => "engine",
        }
    }

    #[test]
    fn docker_s_answers_get_their_meaning() {
        for (status, message, expected) in [
            (404, "No such container: x", "not found"),
            (404, "No such image: x:1", "not found"),
            (
                409,
                "Conflict. The container name \"/x\" is already in use by container \"ab\".",
                "conflict",
            ),
            (409, "You cannot remove a running container ab.", "conflict"),
            (
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /x",
                "mount",
            ),
            (
                500,
                "OCI runtime create failed: error mounting \"/x\" to rootfs at \"/y\": stat /x: no such file or directory",
                "mount",
            ),
            (
                500,
                "write /var/lib/docker/x: no space left on device",
                "disk",
            ),
            (400, "invalid reference format", "refused"),
            (503, "shutting down", "unavailable"),
            (500, "something else", "engine"),
            (404, "page not found", "engine"),
            (404, "<html><h1>404 Not Found</h1></html>", "engine"),
        ] {
            let error = classify("create x", Some(status), message);
            assert_eq!(kind(&error), expected, "{message}");
            assert!(error.to_string().contains("create x"), "{error}");
        }
    }

    #[test]
    fn a_taken_port_is_read_from_every_engine_s_words() {
        for message in [
            "driver failed programming external connectivity on endpoint x (0a): Bind for 0.0.0.0:32011 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint x (0a): Bind for :::32011 failed: port is already allocated",
            "Error starting userland proxy: listen tcp4 127.0.0.1:32011: bind: address already in use",
            "Error starting userland proxy: listen tcp6 [::]:32011: bind: address already in use",
            "failed to bind host port for 0.0.0.0:32011:172.17.0.2:80/tcp: address already in use",
            "failed to bind host port 0.0.0.0:32011/tcp: address already in use; Bind for 0.0.0.0:32011 failed",
        ] {
            let error = classify("start x", Some(500), message);
            assert!(
                matches!(error, RuntimeError::PortInUse { port: 32011, .. }),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_pull_tells_an_unknown_image_from_an_unreachable_registry() {
        for (status, message, expected) in [
            (
                404,
                "manifest for postgres:99 not found: manifest unknown: manifest unknown",
                true,
            ),
            (
                404,
                "pull access denied for x, repository does not exist or may require 'docker login'",
                true,
            ),
            (
                500,
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
                false,
            ),
            (
                500,
                "toomanyrequests: You have reached your pull rate limit",
                false,
            ),
            (500, "unexpected EOF", false),
        ] {
            let error = classify_pull(
                "postgres:99",
                Error::DockerResponseServerError {
                    status_code: status,
                    message: message.to_owned(),
                },
            );
            assert!(
                matches!(error, RuntimeError::Pull { unknown, .. } if unknown == expected),
                "{error:?}"
            );
        }
    }

    #[test]
    fn no_socket_is_an_engine_that_does_not_answer() {
        let error = failed("list", Error::SocketNotFoundError("/x.sock".to_owned()));
        assert!(matches!(error, RuntimeError::Unavailable(_)), "{error:?}");
    }
}
