//! Random histories: whatever happens in whatever order, the log holds what a simple model of it holds.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Several at the same time, each an endpoint, an id and a body.
    Append(Vec<(u8, u8, u8)>),
    Reopen,
    RemoveAll,
    RemoveSome,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec((0..2_u8, 0..6_u8, 0..3_u8), 1..6).prop_map(Step::Append),
        2 => Just(Step::Reopen),
        1 => Just(Step::RemoveAll),
        1 => Just(Step::RemoveSome),
    ]
}

/// What was ever stored, in its order, and what of it is still held.
#[derive(Default)]
struct Model {
    stored: Vec<Stored>,
    floor: Position,
}

struct Stored {
    key: (u8, u8),
    body: u8,
    conflicts_with: u64,
    check: u64,
    received_at: i64,
}

const BODY_BYTES: usize = 9_000;
const SOME_BYTES: u64 = 80_000;

impl Model {
    /// Takes one answer of several, given in the order of their sequences, and says what it should have been.
    fn append(&mut self, (endpoint, id, body): (u8, u8, u8)) -> Appended {
        let numbered = (1..).zip(&self.stored);
        let of_this_id = numbered.filter(|(_, stored)| stored.key == (endpoint, id));
        let mut conflicts_with = 0;
        for (sequence, stored) in of_this_id {
            if stored.body == body {
                return Appended::Repeated { sequence };
            }
            conflicts_with = sequence;
        }
        let key = (endpoint, id);
        self.stored.push(Stored { key, body, conflicts_with, check: 0, received_at: 0 });
        match (self.stored.len() as u64, conflicts_with) {
            (sequence, 0) => Appended::Stored { sequence },
            (sequence, conflicts_with) => Appended::Conflicting { sequence, conflicts_with },
        }
    }

    async fn compare(&mut self, log: &dyn Log) {
        let slice = log.read(0, u64::MAX, u64::MAX).await.unwrap();
        assert!(slice.floor.sequence >= self.floor.sequence, "the floor went back: {:?}", slice.floor);
        self.floor = slice.floor;
        let gone = usize::try_from(slice.floor.sequence).unwrap();
        assert_eq!(slice.records.len(), self.stored.len() - gone, "records held above {gone}");
        let mut last = gone.checked_sub(1).map_or(0, |at| self.stored[at].received_at);
        for (sequence, (found, expected)) in
            (slice.floor.sequence + 1..).zip(slice.records.iter().zip(&mut self.stored[gone..]))
        {
            assert_eq!((found.sequence, found.conflicts_with), (sequence, expected.conflicts_with));
            let key = format!("{} {}", expected.key.0, expected.key.1);
            assert_eq!(format!("{} {}", found.endpoint, found.id), key, "at {sequence}");
            assert_eq!(found.body, vec![expected.body; BODY_BYTES], "at {sequence}");
            assert!(found.received_at >= last, "times run backwards at {sequence}");
            last = found.received_at;
            if expected.check != 0 {
                assert_eq!(found.check, expected.check, "the check of {sequence} has changed");
            }
            (expected.check, expected.received_at) = (found.check, found.received_at);
        }
        if gone > 0 && self.stored[gone - 1].check != 0 {
            assert_eq!(slice.floor.check, self.stored[gone - 1].check, "the floor's check");
        }
        assert_eq!(head(log).sequence, self.stored.len() as u64);
    }
}

pub fn random_histories_match_the_model<F: Fixture>(fixture: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let histories = prop::collection::vec(step(), 1..30);
    TestRunner::new(config)
        .run(&histories, |history| {
            runtime.block_on(follow(&fixture(), history));
            Ok(())
        })
        .unwrap();
}

async fn follow(fixture: &dyn Fixture, history: Vec<Step>) {
    let mut model = Model::default();
    let mut log = fixture.open(DEFAULT).await;
    for step in history {
        match step {
            Step::Append(records) => {
                // Queued in this order: all are polled once before any is answered.
                let appends = records.iter().map(|(endpoint, id, body)| {
                    log.append(record(&endpoint.to_string(), &id.to_string(), vec![*body; BODY_BYTES]))
                });
                let answers = futures_util::future::join_all(appends).await;
                for (given, answer) in records.into_iter().zip(answers) {
                    assert_eq!(answer, Ok(model.append(given)), "{given:?}");
                }
            }
            Step::Reopen => {
                log.close().await;
                log = fixture.open(DEFAULT).await;
            }
            Step::RemoveAll | Step::RemoveSome => {
                log.close().await;
                let all = matches!(step, Step::RemoveAll);
                let some = Settings { retention_bytes: Some(SOME_BYTES), ..DEFAULT };
                log = fixture.open(if all { KEEP_NOTHING } else { some }).await;
                if all {
                    until_empty(&*log).await;
                } else if (model.stored.len() as u64 - model.floor.sequence) * BODY_BYTES as u64 > 2 * SOME_BYTES {
                    let before = model.floor;
                    until("retention removes some", async || (floor(&*log).await != before).then_some(())).await;
                }
                log.close().await;
                log = fixture.open(DEFAULT).await;
            }
        }
        model.compare(&*log).await;
    }
    log.close().await;
}
