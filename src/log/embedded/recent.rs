//! The newest records in memory, so that whoever follows the log's end need not read back from the disk what was just
//! written: that would take a thread, a transaction and the decoding of rows for each commit.
//!
//! Holds only what is durable: the writer adds a group after its commit, and before the head moves. Holds nothing while
//! nobody asks.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Position, Record, Slice};

/// What is held at most: records, and bytes of bodies.
const RECORDS: usize = 1024;
const BYTES: usize = 1 << 20;

pub struct Recent {
    state: Mutex<State>,
}

struct State {
    /// The last record that retention has removed.
    floor: Position,
    /// The sequence of the last report that was removed to keep the quota.
    evicted: u64,
    /// Consecutive, up to the newest of all.
    records: VecDeque<Record>,
    bytes: usize,
    /// Records that were added since somebody asked.
    unasked: usize,
}

impl Recent {
    pub fn new(floor: Position, evicted: u64) -> Self {
        Self { state: Mutex::new(State { floor, evicted, records: VecDeque::new(), bytes: 0, unasked: RECORDS }) }
    }

    /// The records from `first` to `last`, if all of them are here. Bodies over `body_limit` bytes are left out.
    pub fn slice(&self, first: u64, last: u64, body_limit: u64) -> Option<Slice> {
        let mut state = self.lock();
        state.unasked = 0;
        let oldest = state.records.front()?.sequence;
        let newest = state.records.back()?.sequence;
        if first < oldest || last > newest || first > last {
            return None;
        }
        let at = |sequence: u64| usize::try_from(sequence - oldest).ok();
        let mut records: Vec<Record> = state.records.range(at(first)?..=at(last)?).cloned().collect();
        records.iter_mut().filter(|record| record.body_bytes > body_limit).for_each(|record| record.body.clear());
        Some(Slice { floor: state.floor, evicted: state.evicted, records })
    }

    /// Adds what was stored; each follows the newest one stored before.
    pub fn add<'a>(&self, stored: impl ExactSizeIterator<Item = Record> + 'a) {
        let mut state = self.lock();
        state.unasked = state.unasked.saturating_add(stored.len());
        if state.unasked > RECORDS {
            state.records = VecDeque::new();
            state.bytes = 0;
            return;
        }
        for record in stored {
            state.bytes += record.body.len();
            state.records.push_back(record);
        }
        while state.records.len() > RECORDS || state.bytes > BYTES {
            let Some(oldest) = state.records.pop_front() else { break };
            state.bytes -= oldest.body.len();
        }
    }

    /// Retention has removed everything up to `floor`.
    pub fn removed(&self, floor: Position) {
        let mut state = self.lock();
        state.floor = floor;
        state.forget(floor.sequence);
    }

    /// Records up to this sequence may have been erased since they were added. They are read back from the disk.
    pub fn erased(&self, through: u64) {
        self.lock().forget(through);
    }

    /// Reports up to the sequence `evicted` were removed. What is held stays without a gap, so others go with them.
    pub fn evicted(&self, evicted: u64) {
        let mut state = self.lock();
        state.evicted = evicted;
        state.forget(evicted);
    }

    /// Nothing that runs under this lock can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, through: u64) {
        while let Some(oldest) = self.records.front()
            && oldest.sequence <= through
        {
            self.bytes -= oldest.body.len();
            self.records.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{event::pb::EventSource, log::Reporter};

    fn record(sequence: u64, body: usize) -> Record {
        Record {
            sequence,
            received_at: 0,
            check: sequence,
            conflicts_with: 0,
            source: EventSource::Webhook,
            endpoint: "smile".into(),
            id: sequence.to_string(),
            type_name: String::new(),
            user_id: String::new(),
            signature: Bytes::new(),
            traceparent: String::new(),
            content_encoding: String::new(),
            reporter: Reporter::default(),
            is_erased: false,
            body: vec![b'x'; body].into(),
            body_bytes: body as u64,
        }
    }

    fn add(recent: &Recent, sequences: std::ops::RangeInclusive<u64>, body: usize) {
        recent.add(sequences.map(|sequence| record(sequence, body)).collect::<Vec<_>>().into_iter());
    }

    fn sequences(recent: &Recent, first: u64, last: u64) -> Option<Vec<u64>> {
        let slice = recent.slice(first, last, u64::MAX)?;
        Some(slice.records.iter().map(|record| record.sequence).collect())
    }

    #[test]
    fn gives_all_that_is_asked_for_or_nothing() {
        let recent = Recent::new(Position::default(), 0);
        assert_eq!(sequences(&recent, 1, 1), None);
        add(&recent, 5..=9, 10);
        assert_eq!(sequences(&recent, 5, 9), Some(vec![5, 6, 7, 8, 9]));
        assert_eq!(sequences(&recent, 7, 8), Some(vec![7, 8]));
        assert_eq!(sequences(&recent, 4, 9), None);
        assert_eq!(sequences(&recent, 9, 10), None);
        let slice = recent.slice(5, 5, 9).unwrap();
        assert_eq!((slice.records[0].body.len(), slice.records[0].body_bytes), (0, 10));
    }

    #[test]
    fn holds_nothing_that_nobody_asks_for() {
        let recent = Recent::new(Position::default(), 0);
        add(&recent, 1..=1, 10);
        assert_eq!(sequences(&recent, 1, 1), None);
        add(&recent, 2..=2, 10);
        assert_eq!(sequences(&recent, 2, 2), Some(vec![2]));
        add(&recent, 3..=2 + RECORDS as u64, 1);
        add(&recent, 3 + RECORDS as u64..=3 + RECORDS as u64, 1);
        assert!(recent.lock().records.is_empty());
    }

    #[test]
    fn is_bounded_and_forgets_what_is_removed() {
        let recent = Recent::new(Position::default(), 0);
        assert_eq!(sequences(&recent, 1, 1), None);
        add(&recent, 1..=100, BYTES / 50);
        assert_eq!(recent.lock().records.len(), 50);
        let floor = Position { sequence: 98, check: 98 };
        recent.removed(floor);
        assert_eq!(recent.slice(99, 100, u64::MAX).unwrap().floor, floor);
        assert_eq!(sequences(&recent, 98, 100), None);
        assert_eq!(recent.lock().bytes, 2 * (BYTES / 50));
    }
}
