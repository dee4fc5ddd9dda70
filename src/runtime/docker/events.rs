//! Docker's stream of events.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use chrono::DateTime;
use futures_util::stream::{BoxStream, Stream, StreamExt, try_unfold};

use super::client::{CALL, Docker};
use super::error::failed;
use crate::model::{ContainerId, Timestamp};
use crate::runtime::{RuntimeError, RuntimeEvent};

/// Actions after which a container may look different. Left out are those of watchers (attach,
/// exec, health checks), which would wake us for what we do ourselves.
const ACTIONS: [&str; 11] = [
    "create", "start", "die", "stop", "kill", "oom", "pause", "unpause", "rename", "update",
    "destroy",
];

/// Attributes of an event that are no labels.
const NOT_LABELS: [&str; 6] = [
    "name",
    "image",
    "exitCode",
    "signal",
    "oldName",
    "execDuration",
];

type Messages = Pin<Box<dyn Stream<Item = Result<EventMessage, bollard::errors::Error>> + Send>>;

enum Subscription {
    Wanted(Docker),
    Open(Messages),
}

/// What happens to containers. Dockerd remembers its last 256 events only: `since` bridges a
/// short break, a list bridges the rest.
pub(super) fn stream(
    docker: Docker,
    since: Option<Timestamp>,
) -> BoxStream<'static, Result<RuntimeEvent, RuntimeError>> {
    let options = EventsOptions {
        since: since.map(unix_time),
        until: None,
        filters: Some(HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            (
                "event".to_owned(),
                ACTIONS.iter().map(|a| (*a).to_owned()).collect(),
            ),
        ])),
    };
    try_unfold(Subscription::Wanted(docker), move |subscription| {
        let options = options.clone();
        async move {
            let mut messages = match subscription {
                Subscription::Wanted(docker) => {
                    // The deadline is for the answer's headers; the stream itself has none.
                    let client = docker.client().await?.with_timeout(CALL);
                    // The request is made and owned by the stream, which outlives this client.
                    let messages: Messages = Box::pin(client.events(Some(options)));
                    messages
                }
                Subscription::Open(messages) => messages,
            };
            loop {
                match messages.next().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(failed("events", error)),
                    Some(Ok(message)) => {
                        if let Some(event) = event(message) {
                            return Ok(Some((event, Subscription::Open(messages))));
                        }
                    }
                }
            }
        }
    })
    .boxed()
}

/// Seconds and nanoseconds, as Docker reads them.
fn unix_time(at: Timestamp) -> String {
    format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos())
}

/// An event of a container; `None` for a message that says nothing to us.
fn event(message: EventMessage) -> Option<RuntimeEvent> {
    let actor = message.actor?;
    let mut attributes: BTreeMap<String, String> =
        actor.attributes.unwrap_or_default().into_iter().collect();
    let name = attributes.get("name").cloned().unwrap_or_default();
    for key in NOT_LABELS {
        attributes.remove(key);
    }
    Some(RuntimeEvent {
        id: ContainerId(actor.id?),
        action: message.action?,
        labels: attributes.into(),
        name,
        at: DateTime::from_timestamp_nanos(message.time_nano?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_labels_and_no_other_attributes() {
        let message = serde_json::json!({
            "Type": "container", "Action": "die", "timeNano": 1_795_363_378_806_212_413_i64,
            "Actor": {"ID": "ab", "Attributes": {
                "name": "genomics", "image": "postgres:17", "exitCode": "137", "db4sci.uid": "u"
            }}
        });
        let event = event(serde_json::from_value(message).unwrap()).unwrap();
        assert_eq!(event.action, "die");
        assert_eq!(event.name, "genomics");
        assert_eq!(
            event.labels,
            [("db4sci.uid".to_owned(), "u".to_owned())].into()
        );
        assert_eq!(unix_time(event.at), "1795363378.806212413");
    }
}
