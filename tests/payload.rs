//! Events with large payloads, over HTTPS, through the log and out of the stream: typed to the last item, and byte for byte
//! as they were sent.

mod support;

use smile_relay::event::pb::{
    Event, GetEventRequest, OmittedReason, StartPosition, SubscribeRequest, TaskFinished, event::Data,
    get_event_request, subscribe_request::Start,
};
use support::{
    Place,
    client::{Reader, Sender},
    payload::task_finished,
};

/// What a client has to allow for the largest events.
const RAISED: usize = 64 << 20;
/// As many as Smile includes in each of the eight lists.
const ITEMS: usize = 300;

fn from_start() -> SubscribeRequest {
    SubscribeRequest {
        start: Some(Start::Position(StartPosition::Earliest.into())),
        include_raw_body: true,
        stop_when_caught_up: true,
        ..SubscribeRequest::default()
    }
}

fn task(event: &Event) -> &TaskFinished {
    match &event.data {
        Some(Data::TaskFinished(task)) => task,
        other => panic!("{other:?}"),
    }
}

/// The event is whole: every item typed, nothing left over, the bytes as sent.
fn assert_whole(event: &Event, body: &str, text: &str) {
    assert_eq!(event.decode_issues, []);
    assert_eq!(event.omitted, None);
    assert!(event.raw_body == body.as_bytes());
    let payload = task(event).payload.as_ref().unwrap();
    let lists = [
        payload.documents.as_ref().unwrap().items.len(),
        payload.incomes.as_ref().unwrap().items.len(),
        payload.transactions.as_ref().unwrap().items.len(),
        payload.employments.as_ref().unwrap().items.len(),
        payload.contributions.as_ref().unwrap().items.len(),
        payload.liabilities.as_ref().unwrap().items.len(),
        payload.eincomes.as_ref().unwrap().items.len(),
        payload.links.as_ref().unwrap().items.len(),
    ];
    assert_eq!(lists, [ITEMS; 8]);
    assert_eq!(payload.transactions.as_ref().unwrap().next_cursor(), "c");
    for (at, income) in payload.incomes.as_ref().unwrap().items.iter().enumerate() {
        assert!(income.id().starts_with(text));
        let gross = ["23180.7500", "22416.5000", "3500.0000"][at % 3];
        assert_eq!(income.gross_amount.as_ref().unwrap().value, gross);
    }
    let features = payload.insight.as_ref().unwrap().features.as_ref().unwrap();
    assert_eq!(
        (features.incomes_count, features.incomes_amount_sum.as_ref().unwrap().value.as_str()),
        (Some(25), "997944.0000")
    );
}

#[tokio::test]
async fn payloads_come_through_whole() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let (text, long_text) = ("y".repeat(350), "z".repeat(2_470));
    let body = task_finished("et-1", ITEMS, &text);
    let long_body = task_finished("et-2", ITEMS, &long_text);
    assert!((1_300_000..1_500_000).contains(&body.len()), "{} bytes", body.len());
    assert!((6_400_000..6_700_000).contains(&long_body.len()), "{} bytes", long_body.len());
    for body in [&body, &long_body] {
        assert_eq!(sender.send(body.clone()).await, 200);
    }

    // With the limits that clients have by default, the second comes as a stub.
    let mut client = relay.grpc().await;
    let mut reader = Reader::open(&mut client, from_start()).await.unwrap();
    let events = reader.take(2).await;
    assert_whole(&events[0], &body, &text);
    let stub = &events[1];
    let omitted = stub.omitted.as_ref().expect("too large");
    assert_eq!((stub.id.as_str(), omitted.reason()), ("et-2", OmittedReason::TooLarge));
    assert_eq!((stub.raw_body.len(), &stub.data), (0, &None));

    // GetEvent gives it whole, and says how large that is.
    let mut client = client.max_decoding_message_size(RAISED);
    let request =
        GetEventRequest { event: Some(get_event_request::Event::Cursor(stub.cursor.clone())), include_raw_body: true };
    let whole = client.get_event(request).await.unwrap().into_inner().event.unwrap();
    assert_whole(&whole, &long_body, &long_text);
    assert_eq!(omitted.size_bytes, prost::Message::encoded_len(&whole) as u64);

    // So does a stream that asks for it.
    let wanted = SubscribeRequest { max_event_bytes: u32::try_from(RAISED).unwrap(), ..from_start() };
    let (events, end) = Reader::open(&mut client, wanted).await.unwrap().rest().await;
    assert_eq!(end.code(), tonic::Code::Ok);
    assert_whole(&events[0], &body, &text);
    assert_eq!(events[1], whole);
}
