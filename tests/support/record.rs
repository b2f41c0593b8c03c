//! A stored webhook, as the log would give it back.

use bytes::Bytes;
use smile_relay::event::{
    envelope::Envelope,
    pb::EventSource,
    record::{Record, Reporter},
};

/// What the log would hold of this body.
pub fn received(body: impl Into<Bytes>) -> Record {
    let body = body.into();
    let Envelope { id, type_name, user_id } = Envelope::of(&body, "");
    Record {
        sequence: 1,
        received_at: 1_794_787_329_000_001,
        check: 9,
        conflicts_with: 0,
        source: EventSource::Webhook,
        endpoint: "smile".into(),
        id,
        type_name,
        user_id,
        signature: Bytes::from_static(&[0xAB; 64]),
        traceparent: String::new(),
        content_encoding: String::new(),
        reporter: Reporter::default(),
        is_erased: false,
        body_bytes: body.len() as u64,
        body,
    }
}
