//! The one thread that writes. Takes all that waits, commits it as a group, then answers: nobody hears of a record
//! before its group's fsync. Between groups it removes what retention no longer wants, in small steps.

mod erasing;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;

use super::{
    Append, AppendError, Appended, Command, Health, LogId, Metrics, NewRecord, Options, Position, Record, Reporter,
    checkpoint::{self, Checkpoints, Outcome},
    clock::{Clock, Reading, micros},
    dedupe::{Dedupe, Relation, Unsealing},
    disk::{DirectoryLock, Reserve},
    gaps::Gaps,
    keys::{InUse, Keyring},
    recent::Recent,
    reports::Reports,
    schema::{self, Ids, Kind},
    seal,
    severity::{Severity, severity},
};
use crate::event::UnixMicros;

/// A group ends at as many records, or bytes of bodies.
const GROUP_RECORDS: usize = 1024;
const GROUP_BYTES: usize = 8 << 20;
/// Records, and bytes of bodies, that one step of retention removes: no less than a group adds, or it would fall behind.
const STEP_RECORDS: i64 = 1024;
const STEP_BYTES: u64 = GROUP_BYTES as u64;
/// How often the writer looks for work of its own when nothing arrives.
const IDLE: Duration = Duration::from_secs(1);
/// How often a full disk is tried again.
const FULL_INTERVAL: Duration = Duration::from_millis(100);
/// A checkpoint is asked for after as many pages (16 MiB), or a second. The same page is written many times meanwhile, and
/// moved once.
const CHECKPOINT_PAGES: u64 = 2048;
/// The writer starts the write-ahead log over when it holds as many pages (64 MiB).
const WAL_PAGES: u64 = 8192;
/// From here on (128 MiB) it waits for a checkpoint that is under way.
const WAL_LIMIT_PAGES: u64 = 2 * WAL_PAGES;
/// If somebody reads what would have to go, it tries again after as many pages more (8 MiB).
const RESTART_AGAIN_PAGES: u64 = 1024;

/// What is new of a group.
struct Stored {
    in_group: usize,
    ids: Ids,
    id_hash: u64,
    at: Position,
    received_at: UnixMicros,
    conflicts_with: u64,
}

impl Stored {
    /// The record that this has become.
    fn record(&self, new: &NewRecord) -> Record {
        Record {
            sequence: self.at.sequence,
            received_at: self.received_at,
            check: self.at.check,
            conflicts_with: self.conflicts_with,
            source: new.source,
            endpoint: new.endpoint.clone(),
            id: new.id.clone(),
            type_name: new.type_name.clone(),
            user_id: new.user_id.clone(),
            signature: new.signature.clone(),
            traceparent: new.traceparent.clone(),
            content_encoding: new.content_encoding.clone(),
            reporter: new.reporter.clone(),
            is_erased: false,
            // A copy: the body may be a small part of a buffer that its connection has read into.
            body: Bytes::copy_from_slice(&new.body),
            body_bytes: new.body.len() as u64,
        }
    }
}

pub struct Writer {
    id: LogId,
    connection: Connection,
    checkpoints: Checkpoints,
    /// Pages in the write-ahead log when a checkpoint was last asked for.
    wished_at: u64,
    /// Pages in the write-ahead log when it is to start over.
    restart_at: u64,
    dedupe: Dedupe,
    dedupe_reports: Dedupe,
    dedupe_window: UnixMicros,
    reports: Reports,
    head: Position,
    head_changes: watch::Sender<Position>,
    erasures: watch::Sender<u64>,
    /// The file beneath the database, for the last step of an erasure.
    gaps: Arc<Gaps>,
    /// Until then no page is moved, as an erasure looks at them one by one.
    pages_stay: Option<Instant>,
    keys: Keyring,
    key_in_use: InUse,
    health: Arc<watch::Sender<Health>>,
    recent: Arc<Recent>,
    metrics: Metrics,
    clock: Clock,
    started: Instant,
    retention: Option<UnixMicros>,
    retention_bytes: Option<u64>,
    /// Held but while the disk is full; nothing is stored without it.
    reserve: Reserve,
    /// There may be more to remove or forget at once.
    more_to_tidy: bool,
    next_tidy: Instant,
    /// Let go of when the writer ends, last of all: the connections are closed by then.
    _lock: DirectoryLock,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail("the writer panicked".into());
        }
    }
}

impl Writer {
    pub fn new(
        connection: Connection,
        options: &Options,
        checkpoints: Checkpoints,
        health: Arc<watch::Sender<Health>>,
        recent: Arc<Recent>,
        gaps: Arc<Gaps>,
        lock: DirectoryLock,
    ) -> rusqlite::Result<(Self, watch::Receiver<Position>, watch::Receiver<u64>)> {
        let started = Instant::now();
        let now = Reading::now(started);
        let head = schema::newest(&connection)?;
        let log = schema::log_row(&connection)?;
        // The ids of the last record are kept, also when it is removed.
        let newest = |ids: Ids| {
            let query = format!("SELECT received_at FROM {} ORDER BY sequence DESC LIMIT 1", ids.table());
            connection.query_row(&query, [], |row| row.get(0)).optional()
        };
        let last = newest(Ids::Seen)?.max(newest(Ids::Reports)?).unwrap_or(0);
        let dedupe_window = micros(options.dedupe_window);
        let since = now.wall.saturating_sub(dedupe_window);
        let dedupe = Dedupe::load(&connection, Ids::Seen, since, options.dedupe_max_entries)?;
        let dedupe_reports = Dedupe::load(&connection, Ids::Reports, since, options.dedupe_max_entries)?;
        let reports = Reports::load(&connection, options.report_quota_bytes)?;
        tracing::info!(
            latest = head.sequence,
            earliest = log.floor.sequence + 1,
            ids_remembered = dedupe.remembered() + dedupe_reports.remembered(),
            took = ?started.elapsed(),
            "log open"
        );
        let (head_changes, heads) = watch::channel(head);
        let (erasures, erased) = watch::channel(0);
        let mut writer = Self {
            id: log.id,
            connection,
            checkpoints,
            wished_at: 0,
            restart_at: WAL_PAGES,
            dedupe,
            dedupe_reports,
            dedupe_window,
            reports,
            head,
            head_changes,
            erasures,
            gaps,
            pages_stay: None,
            keys: options.keys.clone(),
            key_in_use: InUse::new(options.keys.clone()),
            health,
            recent,
            metrics: Metrics::default(),
            clock: Clock::new(now, last),
            started,
            retention: options.retention.map(micros),
            retention_bytes: options.retention_bytes,
            reserve: Reserve::new(&options.data_dir),
            more_to_tidy: true,
            next_tidy: started,
            _lock: lock,
        };
        writer.take_reserve();
        Ok((writer, heads, erased))
    }

    /// Counts in `metrics` from now on.
    pub fn counting(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Writes until it is asked to close, or can't be trusted any more.
    pub fn run(mut self, queue: &Receiver<Command>) {
        let mut closing = false;
        // What ended a group comes next.
        let mut next = None;
        while !closing && !self.has_failed() {
            let wait = match (self.is_full(), self.more_to_tidy) {
                (true, _) => FULL_INTERVAL,
                (false, true) => Duration::ZERO,
                (false, false) => IDLE,
            };
            match next.take().map_or_else(|| queue.recv_timeout(wait), Ok) {
                Ok(Command::Append(first)) => next = self.take_group(*first, queue),
                Ok(Command::Erase(step)) => step.run(|sequences| self.erase(sequences)),
                Ok(Command::Scrub(pages, reply)) => {
                    // Nobody may be there to hear it.
                    let _ = reply.send(self.scrub(&pages));
                }
                Ok(Command::Close) => closing = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if closing {
                // What was sent before is still to be stored.
                while let Some(command) = next.take().or_else(|| queue.try_recv().ok()) {
                    if let Command::Append(append) = command {
                        next = self.take_group(*append, queue);
                    }
                }
            } else {
                self.tidy();
            }
        }
        self.close();
    }

    /// Collects a group around `first`, commits and answers it. Returns what is to be done next, if it is something else.
    fn take_group(&mut self, first: Append, queue: &Receiver<Command>) -> Option<Command> {
        // A commit costs far more than one more record in it. Where the cores are used up, those who are about to append
        // go first; where one is free, this returns at once.
        std::thread::yield_now();
        let mut bytes = first.record.body.len();
        let mut group = vec![first];
        let mut next = None;
        while group.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
            match queue.try_recv() {
                Ok(Command::Append(append)) => {
                    bytes += append.record.body.len();
                    group.push(*append);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        // Nobody waits for these any more, or only until this answer.
        let now = tokio::time::Instant::now();
        for late in group.extract_if(.., |append| append.deadline <= now) {
            let _ = late.reply.send(Err(AppendError::Busy));
        }
        if self.is_full() {
            self.take_reserve();
        }
        if group.is_empty() || self.has_failed() {
            return next;
        }
        let mut stored = Vec::new();
        let began = Instant::now();
        let result = if self.is_full() { self.find_repeated(&group) } else { self.store(&group, &mut stored) };
        match result {
            Ok(answers) => {
                if let Some(newest) = stored.last() {
                    self.metrics.committed(stored.len(), began.elapsed());
                    self.head = newest.at;
                    self.recent.add(stored.iter().map(|stored| stored.record(&group[stored.in_group].record)));
                    for report in stored.iter().filter(|stored| stored.ids == Ids::Reports) {
                        self.more_to_tidy |= self.reports.add(&group[report.in_group].record);
                    }
                    self.head_changes.send_replace(self.head);
                }
                for (append, answer) in group.into_iter().zip(answers) {
                    // Nobody may be there to hear it.
                    let _ = append.reply.send(answer);
                }
                self.keep_wal_short();
            }
            Err(error) => {
                for Stored { ids, id_hash, at, .. } in stored {
                    self.dedupe_mut(ids).forget(id_hash, at.sequence);
                }
                let answer = self.failed("append", &error);
                for append in group {
                    let _ = append.reply.send(Err(answer));
                }
            }
        }
        next
    }

    fn dedupe(&self, ids: Ids) -> &Dedupe {
        match ids {
            Ids::Seen => &self.dedupe,
            Ids::Reports => &self.dedupe_reports,
        }
    }

    fn dedupe_mut(&mut self, ids: Ids) -> &mut Dedupe {
        match ids {
            Ids::Seen => &mut self.dedupe,
            Ids::Reports => &mut self.dedupe_reports,
        }
    }

    /// Stores a group in one transaction. `stored` receives what was new, also when it fails.
    fn store(
        &mut self,
        group: &[Append],
        stored: &mut Vec<Stored>,
    ) -> rusqlite::Result<Vec<Result<Appended, AppendError>>> {
        let received_at = self.clock.received_at(Reading::now(self.started));
        let mut answers = Vec::with_capacity(group.len());
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let key = self.key_in_use.next(&self.connection, self.head.sequence)?;
        let unsealing = Unsealing { log: self.id, keys: &self.keys };
        {
            let mut events = self.connection.prepare_cached(
                "INSERT INTO events (sequence, received_at, record_check, conflicts_with, source, endpoint, id,
                    type_name, user_id, traceparent, content_encoding, signature, body)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            let mut seen = self.connection.prepare_cached("INSERT INTO seen VALUES (?, ?, ?, ?)")?;
            let mut reports = self.connection.prepare_cached("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)")?;
            let mut sequence = self.head.sequence;
            for (in_group, Append { record, .. }) in group.iter().enumerate() {
                let id_hash = schema::id_hash(&record.endpoint, &record.id);
                let body_hash = schema::body_hash(&record.body);
                let ids = Ids::of(record.source);
                let dedupe = match ids {
                    Ids::Seen => &mut self.dedupe,
                    Ids::Reports => &mut self.dedupe_reports,
                };
                let conflicts_with = match dedupe.relation(&self.connection, unsealing, id_hash, body_hash, record)? {
                    Relation::Repeats(sequence) => {
                        answers.push(Ok(Appended::Repeated { sequence }));
                        continue;
                    }
                    Relation::New { conflicts_with } => conflicts_with,
                };
                sequence += 1;
                let check = schema::record_check(sequence, received_at, id_hash, body_hash);
                let at = Position { sequence, check };
                let sealed = key.as_deref().map(|key| seal::seal(key, self.id, at, &record.body));
                events.execute(params![
                    sequence.cast_signed(),
                    received_at,
                    check.cast_signed(),
                    conflicts_with.cast_signed(),
                    Kind { source: record.source, is_sealed: sealed.is_some(), is_erased: false }.code(),
                    record.endpoint,
                    record.id,
                    record.type_name,
                    record.user_id,
                    record.traceparent,
                    record.content_encoding,
                    record.signature.as_ref(),
                    sealed.as_deref().unwrap_or(&record.body),
                ])?;
                let (row, id, body) = (sequence.cast_signed(), id_hash.cast_signed(), body_hash.cast_signed());
                match ids {
                    Ids::Seen => seen.execute(params![row, received_at, id, body])?,
                    Ids::Reports => {
                        let bytes = super::reports::cost(record).cast_signed();
                        let Reporter { origin, session } = &record.reporter;
                        reports.execute(params![row, received_at, id, body, bytes, origin, session])?
                    }
                };
                dedupe.remember(id_hash, body_hash, sequence);
                stored.push(Stored { in_group, ids, id_hash, at, received_at, conflicts_with });
                answers.push(Ok(match conflicts_with {
                    0 => Appended::Stored { sequence },
                    conflicts_with => Appended::Conflicting { sequence, conflicts_with },
                }));
            }
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.key_in_use.committed(key.as_deref());
        Ok(answers)
    }

    /// The answers while the disk is full: what repeats a stored record is as durable as ever.
    fn find_repeated(&self, group: &[Append]) -> rusqlite::Result<Vec<Result<Appended, AppendError>>> {
        let answer = |record: &NewRecord| {
            let id_hash = schema::id_hash(&record.endpoint, &record.id);
            let body_hash = schema::body_hash(&record.body);
            let dedupe = self.dedupe(Ids::of(record.source));
            let unsealing = Unsealing { log: self.id, keys: &self.keys };
            Ok(match dedupe.relation(&self.connection, unsealing, id_hash, body_hash, record)? {
                Relation::Repeats(sequence) => Ok(Appended::Repeated { sequence }),
                Relation::New { .. } => Err(AppendError::Full),
            })
        };
        group.iter().map(|append| answer(&append.record)).collect()
    }

    /// Takes the transaction back and says what this means for the log and for those who wait.
    fn failed(&mut self, doing: &str, error: &rusqlite::Error) -> AppendError {
        let severity = severity(error);
        if severity == Severity::Fatal {
            self.fail(format!("{doing}: {error}"));
            return AppendError::Closed;
        }
        if !self.connection.is_autocommit()
            && let Err(e) = self.connection.execute_batch("ROLLBACK")
        {
            self.fail(format!("rollback after {doing}: {e}"));
            return AppendError::Closed;
        }
        if severity == Severity::Busy {
            return AppendError::Busy;
        }
        self.disk_is_full();
        AppendError::Full
    }

    fn disk_is_full(&mut self) {
        if self.reserve.is_held() {
            tracing::error!("the disk is full: nothing is stored until there is room");
        }
        self.reserve.free();
        self.set_health(Health::Full);
        self.next_tidy = Instant::now();
    }

    /// The disk is full for as long as the reserve can't be taken.
    fn take_reserve(&mut self) {
        if self.reserve.is_held() {
            return;
        }
        match self.reserve.take() {
            Ok(()) => {
                if self.is_full() {
                    tracing::info!("there is room on the disk again");
                }
                self.set_health(Health::Good);
            }
            Err(e) if matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) => {
                self.set_health(Health::Full);
            }
            Err(e) => self.fail(format!("reserve: {e}")),
        }
    }

    fn fail(&mut self, why: String) {
        tracing::error!(%why, "the log has failed: nothing is stored any more");
        self.health.send_replace(Health::Failed(why));
    }

    fn set_health(&self, health: Health) {
        self.health.send_if_modified(|now| {
            let changes = *now != health && !matches!(now, Health::Failed(_));
            if changes {
                *now = health;
            }
            changes
        });
    }

    fn is_full(&self) -> bool {
        *self.health.borrow() == Health::Full
    }

    fn has_failed(&self) -> bool {
        matches!(*self.health.borrow(), Health::Failed(_))
    }

    fn keep_wal_short(&mut self) {
        if let Err(error) = self.shorten_wal() {
            self.failed("checkpoint", &error);
        }
    }

    fn shorten_wal(&mut self) -> rusqlite::Result<()> {
        let pages = checkpoint::pages(&self.connection)?;
        if pages.abs_diff(self.wished_at) >= CHECKPOINT_PAGES {
            self.wished_at = pages;
            self.checkpoints.wish();
            // So much was written that there may be too much.
            self.more_to_tidy |= self.retention_bytes.is_some();
        }
        if pages < WAL_PAGES {
            self.restart_at = WAL_PAGES;
        } else if pages >= self.restart_at {
            let wait = pages >= WAL_LIMIT_PAGES;
            match self.checkpoints.run_in_turn(&self.connection, "RESTART", wait)? {
                Outcome::Done => self.restart_at = WAL_PAGES,
                Outcome::Held => self.restart_at = pages + RESTART_AGAIN_PAGES,
                Outcome::Underway => {}
            }
        }
        Ok(())
    }

    /// One step of each thing that is due when there is time.
    fn tidy(&mut self) {
        if !self.more_to_tidy && Instant::now() < self.next_tidy || self.has_failed() {
            return;
        }
        self.next_tidy = Instant::now() + if self.is_full() { FULL_INTERVAL } else { IDLE };
        match self.tidy_step() {
            Ok(more) => {
                self.more_to_tidy = more;
                self.keep_wal_short();
            }
            Err(error) => {
                self.more_to_tidy = false;
                self.failed("retention", &error);
            }
        }
        if self.is_full() {
            self.take_reserve();
        }
    }

    fn tidy_step(&mut self) -> rusqlite::Result<bool> {
        if self.is_full() {
            // What takes the room may be the write-ahead log. If it can't be moved now, removing comes first.
            match self.checkpoints.run_in_turn(&self.connection, "TRUNCATE", true) {
                Err(e) if severity(&e) == Severity::Fatal => return Err(e),
                _ => {}
            }
        }
        // While the clock is in doubt, nothing is old.
        let now = self.clock.retention_now(Reading::now(self.started)).unwrap_or(UnixMicros::MIN);
        let since = now.saturating_sub(self.dedupe_window);
        let forgot = self.dedupe.shrink(&self.connection, since)?;
        let forgot_reports = self.dedupe_reports.shrink(&self.connection, since)?;
        // While the disk is full, no report is worth a webhook's room.
        let is_full = self.is_full();
        let evicted = match self.reports.remove(&self.connection, is_full, &mut self.dedupe_reports, &self.recent) {
            // That there is too little room for this must not keep retention from making some.
            Err(e) if is_full && severity(&e) != Severity::Fatal => {
                self.connection.execute_batch(if self.connection.is_autocommit() { "" } else { "ROLLBACK" })?;
                false
            }
            result => result?,
        };
        let removed = self.remove_old(now)?;
        let dropped = self.drop_ids(Ids::Seen)? | self.drop_ids(Ids::Reports)?;
        let shrank = if removed || evicted { false } else { self.give_room_back()? };
        Ok(forgot || forgot_reports || evicted || removed || dropped || shrank)
    }

    /// Removes the oldest records that are too old or too many. True if there may be more.
    fn remove_old(&mut self, now: UnixMicros) -> rusqlite::Result<bool> {
        let old = self.retention.map_or(UnixMicros::MIN, |retention| now.saturating_sub(retention));
        let mut excess = match self.retention_bytes {
            // Reports have a quota of their own.
            Some(limit) => self.used_bytes()?.saturating_sub(self.reports.bytes()).saturating_sub(limit),
            None => 0,
        };
        let page_size = self.pragma("page_size")?;
        let (mut removed, mut last, mut bytes) = (0, None, 0);
        {
            let mut oldest = self.connection.prepare_cached(
                "SELECT sequence, record_check, received_at, length(body) FROM events ORDER BY sequence LIMIT ?",
            )?;
            let mut oldest = oldest.query([STEP_RECORDS])?;
            while let Some(row) = oldest.next()? {
                let size = row.get::<_, i64>(3)?.cast_unsigned() + super::OVERHEAD_BYTES as u64 / 2;
                // Of those over half a page, each has its pages to itself.
                let size = if size > page_size / 2 { size.next_multiple_of(page_size) } else { size };
                if row.get::<_, i64>(2)? >= old && excess == 0 || bytes > STEP_BYTES {
                    break;
                }
                excess = excess.saturating_sub(size);
                bytes += size;
                removed += 1;
                last = Some((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            }
        }
        let Some((sequence, check)) = last else { return Ok(false) };
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.connection.prepare_cached("DELETE FROM events WHERE sequence <= ?")?.execute([sequence])?;
        self.connection
            .prepare_cached("UPDATE log SET floor_sequence = ?, floor_check = ?")?
            .execute(params![sequence, check])?;
        let reports = self.reports.held_through(&self.connection, sequence)?;
        self.reports.overwrite_reporters(&self.connection, sequence)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.reports.removed(sequence, reports);
        self.recent.removed(Position { sequence: sequence.cast_unsigned(), check: check.cast_unsigned() });
        self.key_in_use.drop_unneeded(&self.connection, sequence)?;
        tracing::debug!(removed, up_to = sequence, "removed by retention");
        Ok(true)
    }

    /// Drops what is known of ids whose records are removed and whose window has passed, but for the last one removed:
    /// should nothing else be left, the next time of receipt must not be before its own. True if there may be more.
    fn drop_ids(&self, ids: Ids) -> rusqlite::Result<bool> {
        let table = ids.table();
        let oldest: Option<i64> = self
            .connection
            .prepare_cached(&format!("SELECT min(sequence) FROM {table}"))?
            .query_row([], |row| row.get(0))?;
        let log = schema::log_row(&self.connection)?;
        let removed = match ids {
            Ids::Seen => log.floor.sequence,
            Ids::Reports => log.floor.sequence.max(log.evicted.sequence),
        };
        let done_with = self.dedupe(ids).forgotten().min(removed.saturating_sub(1)).cast_signed();
        let Some(oldest) = oldest.filter(|oldest| *oldest <= done_with) else { return Ok(false) };
        let up_to = done_with.min(oldest + STEP_RECORDS);
        self.connection.prepare_cached(&format!("DELETE FROM {table} WHERE sequence <= ?"))?.execute([up_to])?;
        Ok(up_to < done_with)
    }

    /// Gives pages that removed records have left back to the file system: when it is full, or there are many.
    fn give_room_back(&mut self) -> rusqlite::Result<bool> {
        if self.is_full() {
            self.pages_stay = None;
        } else if self.pages_stay.is_some_and(|until| until > Instant::now()) {
            return Ok(false);
        }
        let free = self.pragma("freelist_count")?;
        let many = free > 4096 && free > self.pragma("page_count")? / 4;
        if free == 0 || !many && !self.is_full() {
            return Ok(false);
        }
        {
            // Every step of the statement frees one page.
            let mut vacuum = self.connection.prepare_cached("PRAGMA incremental_vacuum(512)")?;
            let mut pages = vacuum.query([])?;
            while pages.next()?.is_some() {}
        }
        Ok(many)
    }

    /// What the records take in the database, without pages that are free.
    fn used_bytes(&self) -> rusqlite::Result<u64> {
        let pages = self.pragma("page_count")?.saturating_sub(self.pragma("freelist_count")?);
        Ok(pages * self.pragma("page_size")?)
    }

    fn pragma(&self, name: &str) -> rusqlite::Result<u64> {
        self.connection
            .prepare_cached(&format!("PRAGMA {name}"))?
            .query_row([], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
    }

    fn close(mut self) {
        self.checkpoints.end();
        if !self.has_failed()
            && let Err(e) = checkpoint::run(&self.connection, "TRUNCATE")
            && severity(&e) == Severity::Fatal
        {
            self.fail(format!("checkpoint: {e}"));
        }
    }
}
