//! What every log has to do, whatever it stores its records in: written against the trait `Log` alone, and run for each
//! implementation by its own tests, which list nothing but `conformance::suite!`.
//!
//! Nothing here waits for a time to pass: what an implementation does in its own time is waited for by its effect, and
//! a test that waits in vain says for what.

pub mod append;
pub mod dedupe;
pub mod erase;
pub mod model;
pub mod read;
pub mod reports;
pub mod retention;

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Appended, Log, NewRecord, Position, Record, Reporter};
use crate::event::pb::EventSource;

/// One log that outlives those who open it: `open` after `close` finds what was stored.
#[tonic::async_trait]
pub trait Fixture: Send + Sync {
    async fn open(&self, settings: Settings) -> Arc<dyn Log>;
}

/// What every log can be told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub retention: Option<Duration>,
    pub retention_bytes: Option<u64>,
    pub report_quota: u64,
    pub dedupe_window: Duration,
    pub dedupe_max_entries: usize,
    pub queue_bytes: usize,
    pub queue_timeout: Duration,
}

/// Everything goes as soon as it is there.
const KEEP_NOTHING: Settings = Settings { retention: Some(Duration::ZERO), ..DEFAULT };
pub const DEFAULT: Settings = Settings {
    retention: None,
    retention_bytes: None,
    report_quota: 64 << 20,
    dedupe_window: Duration::from_hours(72),
    dedupe_max_entries: 1_000_000,
    queue_bytes: 64 << 20,
    queue_timeout: Duration::from_mins(1),
};

/// Makes a test of each case, on a fixture of its own.
macro_rules! suite {
    ($fixture:expr) => {
        $crate::log::conformance::suite! { $fixture; append:
            every_column_comes_back
            sequences_are_dense_and_times_never_run_backwards
            the_head_moves_after_the_record_is_there
            a_reopened_log_goes_on_where_it_was
            closing_stores_what_is_queued
            nothing_is_stored_after_closing
            what_the_queue_has_no_room_for_is_refused_in_time_and_never_lost
            a_record_larger_than_the_queue_is_stored
        }
        $crate::log::conformance::suite! { $fixture; dedupe:
            a_repetition_is_stored_once
            repetitions_at_the_same_time_are_stored_once
            another_endpoint_or_id_is_another_event
            each_variant_of_an_id_is_stored_once_and_names_an_earlier_one
            variants_at_the_same_time_are_stored_once_each
            a_repetition_is_known_after_reopening
            a_repetition_is_known_after_retention_removed_the_original
            what_is_beyond_the_number_of_entries_is_forgotten
            what_is_past_the_window_is_forgotten
            many_variants_of_one_id_stay_cheap
        }
        $crate::log::conformance::suite! { $fixture; read:
            an_empty_log_answers
            each_record_is_located
            seeking_finds_the_place_before
            finding_gives_the_newest_of_an_id
            bodies_over_the_limit_are_left_out
            ranges_give_what_is_in_them
        }
        $crate::log::conformance::suite! { $fixture; retention:
            what_is_too_old_goes_and_the_floor_tells
            what_is_too_many_goes_from_the_oldest_on
            no_sequence_is_used_again_when_the_newest_is_gone
        }
        $crate::log::conformance::suite! { $fixture; reports:
            reports_stand_in_the_one_order
            the_oldest_reports_go_to_keep_the_quota_and_no_webhook
            no_sequence_is_used_again_when_the_newest_was_a_report
            reports_make_no_webhook_forgotten
            a_repeated_report_is_known_for_as_long_as_it_is_held
            seeking_passes_over_removed_reports
            retention_removes_reports_as_well
        }
        $crate::log::conformance::suite! { $fixture; erase:
            what_is_erased_is_a_tombstone_at_its_place_and_nothing_else_changes
            one_endpoint_alone_can_be_erased
            a_repetition_of_what_is_erased_is_not_stored_again
            what_is_erased_stays_erased_after_reopening
            erasing_again_finds_nothing_but_what_is_new
            reports_are_erased_with_their_ids_and_reporters
            tombstones_are_removed_like_others
            erasures_are_told
            nothing_is_erased_after_closing
        }
        #[test]
        fn random_histories_match_the_model() {
            $crate::log::conformance::model::random_histories_match_the_model(|| $fixture);
        }
    };
    ($fixture:expr; $group:ident: $($name:ident)+) => {
        mod $group {
            #[allow(unused_imports, reason = "the fixture's own names")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $crate::log::conformance::$group::$name(&$fixture).await;
                }
            )+
        }
    };
}
pub(crate) use suite;

/// A record like Smile's, with all columns set.
fn record(endpoint: &str, id: &str, body: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        source: EventSource::Webhook,
        endpoint: endpoint.to_owned(),
        id: id.to_owned(),
        type_name: "USER_CREATED".to_owned(),
        user_id: "tenantId-1".to_owned(),
        signature: Bytes::from_static(&[7; 64]),
        traceparent: String::new(),
        content_encoding: String::new(),
        reporter: Reporter::default(),
        body: body.into(),
    }
}

/// Appends, and expects it to be stored as new; returns its sequence.
async fn store(log: &dyn Log, record: NewRecord) -> u64 {
    let id = record.id.clone();
    match log.append(record).await {
        Ok(Appended::Stored { sequence }) => sequence,
        other => panic!("{id}: not stored as new: {other:?}"),
    }
}

/// All that the log holds.
async fn all(log: &dyn Log) -> Vec<Record> {
    log.read(0, u64::MAX, u64::MAX).await.expect("a read").records
}

fn head(log: &dyn Log) -> Position {
    *log.head().borrow()
}

async fn floor(log: &dyn Log) -> Position {
    log.locate(0).await.expect("a place").floor
}

/// Waits until retention has removed everything.
pub async fn until_empty(log: &dyn Log) {
    until("retention removes everything", async || (floor(log).await == head(log)).then_some(())).await;
}

/// Asks again until there is an answer; fails when there is none for long.
pub async fn until<T>(what: &str, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(answer) = answer().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn same<T: PartialEq + Debug>(what: &str, left: T, right: T) {
    assert!(left == right, "{what}:\n  {left:?}\n  {right:?}");
}
