//! What tests of streams share: requests, a naive filter, the whole log as a list, statuses taken apart.

use std::{collections::HashMap, time::Duration};

use smile_relay::event::pb::{
    DecodeProblem, Event, EventFilter, EventSource, EventType, GetRelayInfoRequest, GetRelayInfoResponse,
    StartPosition, SubscribeRequest, relay_service_client::RelayServiceClient, subscribe_request::Start,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::{ErrorInfo, StatusExt};

use super::client::Reader;

pub fn starting(start: Start) -> SubscribeRequest {
    SubscribeRequest { start: Some(start), ..SubscribeRequest::default() }
}

/// Everything that the log holds, and what comes.
pub fn from_earliest() -> SubscribeRequest {
    starting(Start::Position(StartPosition::Earliest.into()))
}

pub fn after(cursor: &str) -> SubscribeRequest {
    starting(Start::AfterCursor(cursor.to_owned()))
}

/// Ends at what is the tail when the stream opens.
pub fn to_the_end(request: SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest { stop_when_caught_up: true, ..request }
}

/// A checkpoint each second.
pub fn with_short_heartbeat(request: SubscribeRequest) -> SubscribeRequest {
    SubscribeRequest { heartbeat_interval: Some(seconds(1)), ..request }
}

pub fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// Everything that the log holds, without filter.
pub async fn everything(client: &mut RelayServiceClient<Channel>) -> Vec<Event> {
    let (events, end) = Reader::open(client, to_the_end(from_earliest())).await.unwrap().rest().await;
    assert_eq!(end.code(), Code::Ok, "{end:?}");
    events
}

pub async fn info(client: &mut RelayServiceClient<Channel>) -> GetRelayInfoResponse {
    client.get_relay_info(GetRelayInfoRequest {}).await.unwrap().into_inner()
}

pub fn sequences<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u64> {
    events.into_iter().map(|event| event.sequence).collect()
}

/// What the proto says of filters, said again as simply as can be.
pub fn lets_pass(filter: &EventFilter, event: &Event) -> bool {
    let by_type = filter.types.contains(&event.r#type) && event.r#type != i32::from(EventType::Unspecified);
    let by_name = filter.type_names.contains(&event.type_name);
    let any = filter.types.is_empty() && filter.type_names.is_empty();
    let sources = if filter.sources.is_empty() { vec![EventSource::Webhook.into()] } else { filter.sources.clone() };
    (any || by_type || by_name)
        && (filter.user_ids.is_empty() || filter.user_ids.contains(&event.user_id))
        && (filter.endpoints.is_empty() || filter.endpoints.contains(&event.endpoint))
        && sources.contains(&event.source)
}

/// A status with its details.
#[derive(Debug)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub reason: String,
    pub domain: String,
    pub metadata: HashMap<String, String>,
    /// The fields that are faulty.
    pub fields: Vec<String>,
    pub retry_after: Option<Duration>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().cloned().unwrap_or_else(|| ErrorInfo::new("", "", HashMap::new()));
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: info.reason,
            domain: info.domain,
            metadata: info.metadata,
            fields: violations.into_iter().map(|violation| violation.field).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }
}

/// As `assert_eq!` of two lists, but prints no more than where they part.
#[track_caller]
pub fn assert_same<T: PartialEq + std::fmt::Debug>(got: &[T], expected: &[T], what: &str) {
    let part = got.iter().zip(expected).take_while(|(got, expected)| got == expected).count();
    assert!(
        got.len() == part && expected.len() == part,
        "{what}: {} of {} expected; the same up to {part}, then {:?} where {:?} was expected",
        got.len(),
        expected.len(),
        got.get(part),
        expected.get(part)
    );
}

/// Pointers and problems, in the order of the pointers.
pub fn issues(event: &Event) -> Vec<(&str, DecodeProblem)> {
    let mut issues: Vec<_> =
        event.decode_issues.iter().map(|issue| (issue.pointer.as_str(), issue.problem())).collect();
    issues.sort_unstable();
    issues
}
