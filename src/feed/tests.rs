//! The feed over a real log: what streams with a redaction share, and that forms don't mix.

use prost::Message;

use super::*;
use crate::{
    config,
    event::{envelope::Envelope, pb, record::NewRecord, redaction::PROFILES_MOST},
    log::{Appended, conformance::until, embedded::Embedded},
};

/// A feed over a log of its own, in a directory that goes with it.
pub struct Filled {
    pub feed: Feed,
    _dir: tempfile::TempDir,
}

impl Filled {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = config::Settings {
            data_dir: Some(dir.path().into()),
            allow_any_filesystem: Some(true),
            tls_self_signed: Some(true),
            webhook_secret: Some(vec!["secret".to_owned().into()]),
            ..config::Settings::default()
        };
        let config = config::check(&settings).unwrap();
        let log = Arc::new(Embedded::open(&config.log).unwrap());
        Self { feed: Feed::start(log, &config.feed, Metrics::default()), _dir: dir }
    }

    /// Stores a body as a webhook of Smile's.
    pub async fn store(&self, body: &str) -> u64 {
        let Envelope { id, type_name, user_id } = Envelope::of(body.as_bytes(), "");
        let record = NewRecord {
            source: pb::EventSource::Webhook,
            endpoint: "smile".into(),
            id,
            type_name,
            user_id,
            signature: Bytes::from_static(&[0xAB; 64]),
            traceparent: String::new(),
            content_encoding: String::new(),
            reporter: crate::event::record::Reporter::default(),
            body: body.to_owned().into(),
        };
        match self.feed.log().append(record).await.unwrap() {
            Appended::Stored { sequence } => sequence,
            other => panic!("{other:?}"),
        }
    }

    pub async fn close(self) {
        self.feed.close().await;
        self.feed.log().close().await;
    }
}

/// A webhook with a person's identity; longer by as many bytes as `more`, in a field that nobody removes.
pub fn task_finished(id: u64, more: usize) -> String {
    let more = "x".repeat(more);
    format!(
        r#"{{"id":"et-{id}","type":"TASK_FINISHED","data":{{"userId":"u","status":"{more}","odd":1,
        "payload":{{"identity":{{"fullName":"Ada Secret","dob":"1994-06-12"}}}}}}}}"#
    )
}

pub fn redaction(paths: &[&str]) -> Redaction {
    Redaction::new(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).unwrap()
}

const START: Position = Position { sequence: 0, check: 0 };

/// The person of an encoded event: the full name, and the day of birth.
fn person(plain: &Bytes) -> (String, String) {
    let event = pb::Event::decode(&plain[..]).unwrap();
    let Some(pb::event::Data::TaskFinished(task)) = event.data else { panic!("{event:?}") };
    let identity = task.payload.and_then(|payload| payload.identity).unwrap();
    (identity.full_name.unwrap_or_default(), identity.dob.unwrap_or_default())
}

fn encoded(entry: &Entry) -> &Encoded {
    let Content::Small { encoded, .. } = &entry.content else { panic!("{entry:?}") };
    encoded
}

#[tokio::test]
async fn streams_of_one_redaction_share_what_was_encoded_once() {
    let filled = Filled::start();
    for id in 0..PAGE_EVENTS + 2 {
        filled.store(&task_finished(id, 0)).await;
    }
    let large = filled.store(&task_finished(1_000, 200_000)).await;
    let streams: Vec<Feed> =
        (0..20).map(|_| filled.feed.seen_through(&redaction(&["identity.fullName"])).unwrap()).collect();
    let mut tails: Vec<_> = streams.iter().map(Feed::watch).collect();

    // A complete page, loaded by all of them at once.
    let loads = streams.iter().zip(&mut tails).map(|(feed, tail)| feed.page_after(START, tail));
    let pages: Vec<Arc<Page>> = futures_util::future::join_all(loads).await.into_iter().map(Result::unwrap).collect();
    assert!(pages.iter().all(|page| Arc::ptr_eq(page, &pages[0])));
    assert_eq!(person(&encoded(&pages[0].entries[7]).plain), (String::new(), "1994-06-12".into()));

    // A large event.
    let loads = streams.iter().map(|feed| feed.large(large, Part::Plain));
    let events: Vec<_> = futures_util::future::join_all(loads).await.into_iter().map(|e| e.unwrap().unwrap()).collect();
    assert!(events.iter().all(|event| event.as_ptr() == events[0].as_ptr()));
    assert_eq!(person(&events[0]), (String::new(), "1994-06-12".into()));
    assert_eq!(streams[0].large(large, Part::Raw).await.unwrap(), None);

    // What comes while they wait: each of them sees one and the same page of the tail.
    for id in 2_000..2_005 {
        let sequence = filled.store(&task_finished(id, 5_000)).await;
        let before = Position { sequence: sequence - 1, check: 0 };
        let mut pages = Vec::new();
        for (feed, tail) in streams.iter().zip(&mut tails) {
            tail.wait_for(|tail| tail.head.sequence >= sequence).await.unwrap();
            pages.push(feed.page_after(before, tail).await.unwrap());
        }
        assert!(pages.iter().all(|page| Arc::ptr_eq(page, &pages[0])));
        let [entry] = pages[0].after(before, u64::MAX) else { panic!("{:?}", pages[0]) };
        assert_eq!(person(&encoded(entry).plain).0, "");
        let size = streams[0].size(entry).await.unwrap().unwrap();
        let stub = pb::Event::decode(size.stub.unwrap()).unwrap();
        assert_eq!(stub.omitted.unwrap().size_bytes, encoded(entry).plain.len() as u64);
        assert_eq!((stub.sequence, stub.user_id.as_str(), stub.data), (sequence, "u", None));
    }
    filled.close().await;
}

/// More than there are turns for: all of it is made in the end, as nobody waits for who waits for him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has_is_made_by_turns() {
    let filled = Filled::start();
    let mut large = Vec::new();
    for id in 0..12 {
        large.push(filled.store(&task_finished(id, 100_000)).await);
    }
    for id in 0..4 * PAGE_EVENTS {
        filled.store(&task_finished(100 + id, 0)).await;
    }
    let feeds = [filled.feed.clone(), filled.feed.seen_through(&redaction(&["identity.fullName"])).unwrap()];
    let events = feeds.iter().flat_map(|feed| large.iter().map(|sequence| feed.large(*sequence, Part::Plain)));
    let mut tails: Vec<_> = feeds.iter().flat_map(|feed| (0..4).map(|_| feed.watch())).collect();
    let pages = tails.iter_mut().enumerate().map(|(n, tail)| {
        let position = Position { sequence: (n as u64 % 4) * PAGE_EVENTS, check: 0 };
        feeds[n / 4].page_after(position, tail)
    });
    let all = futures_util::future::join(futures_util::future::join_all(events), futures_util::future::join_all(pages));
    let (events, pages) = tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("nobody is stuck");
    for (n, event) in events.into_iter().enumerate() {
        assert_eq!(person(&event.unwrap().unwrap()).0.is_empty(), n >= large.len());
    }
    assert!(pages.into_iter().all(|page| page.unwrap().is_complete()));
    filled.close().await;
}

/// What needs a turn waits until there is one, and holds nothing meanwhile that another would wait for.
#[tokio::test]
async fn without_a_turn_nothing_is_made() {
    let filled = Filled::start();
    let large = filled.store(&task_finished(0, 100_000)).await;
    for id in 0..PAGE_EVENTS {
        filled.store(&task_finished(1 + id, 0)).await;
    }
    let plain = &filled.feed;
    let redacted = plain.seen_through(&redaction(&["dob"])).unwrap();
    let mut tails = [plain.watch(), redacted.watch()];
    let [first, second] = &mut tails;

    let all = [plain.turns.redaction().await.unwrap(), plain.turns.redaction().await.unwrap()];
    waits_for(redacted.large(large, Part::Plain), all).await;
    let all = [plain.turns.redaction().await.unwrap(), plain.turns.redaction().await.unwrap()];
    waits_for(redacted.page_after(START, second), all).await;
    // The plain forms are there by now: they are forgotten, as after an erasure.
    plain.large.clear(1);
    plain.pages.clear(1);
    let all = [plain.turns.large().await.unwrap(), plain.turns.large().await.unwrap()];
    waits_for(plain.large(large, Part::Plain), all).await;
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(plain.turns.page().await.unwrap());
    }
    waits_for(plain.page_after(START, first), all).await;
    filled.close().await;
}

/// Nothing comes for a while, and then what is asked for, once the turns are given back.
async fn waits_for<T>(asked: impl Future<Output = Result<T, ReadError>>, turns: impl Sized) {
    let mut asked = std::pin::pin!(asked);
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut asked).await;
    assert!(early.is_err(), "it was made without a turn");
    drop(turns);
    assert!(asked.await.is_ok());
}

#[test]
fn the_bodies_of_a_page_are_a_quarter_of_the_cache() {
    let large = |mib: usize| page::large_body(mib << 20);
    assert_eq!(
        [large(0), large(1), large(4), large(24), large(32), large(1024)],
        [4096, 4096, 8192, 49152, 65536, 65536]
    );
}

/// Names a redaction's form; the plain one has its own.
fn profile_id(feed: &Feed) -> ProfileId {
    feed.profile.as_ref().map_or(PLAIN, |profile| profile.id)
}

/// Events of the tail's page that were there before are not encoded again.
#[tokio::test]
async fn the_page_of_the_tail_grows_by_what_is_new() {
    let filled = Filled::start();
    let feed = filled.feed.seen_through(&redaction(&["dob"])).unwrap();
    let mut tail = feed.watch();
    let mut first: Option<Arc<Entry>> = None;
    for id in 1..20 {
        let sequence = filled.store(&task_finished(id, 0)).await;
        tail.wait_for(|tail| tail.head.sequence >= sequence && tail.page.is_some()).await.unwrap();
        let page = feed.page_after(START, &mut tail).await.unwrap();
        assert_eq!(page.entries.len() as u64, id);
        assert!(Arc::ptr_eq(first.get_or_insert_with(|| Arc::clone(&page.entries[0])), &page.entries[0]));
    }
    filled.close().await;
}

#[tokio::test]
async fn forms_do_not_mix() {
    let filled = Filled::start();
    let small = filled.store(&task_finished(1, 0)).await;
    let large = filled.store(&task_finished(2, 200_000)).await;
    for id in 0..PAGE_EVENTS {
        filled.store(&task_finished(100 + id, 0)).await;
    }
    let nameless = filled.feed.seen_through(&redaction(&["fullName"])).unwrap();
    let ageless = filled.feed.seen_through(&redaction(&["dob"])).unwrap();
    let plain = filled.feed.seen_through(&Redaction::default()).unwrap();
    let (name, dob) = ("Ada Secret", "1994-06-12");
    // Twice: loaded, and out of the cache; the plain form in between.
    for _ in 0..2 {
        for (feed, expected, has_more) in
            [(&nameless, ("", dob), false), (&plain, (name, dob), true), (&ageless, (name, ""), false)]
        {
            let expected = (expected.0.to_owned(), expected.1.to_owned());
            let page = feed.page_after(START, &mut feed.watch()).await.unwrap();
            let entry = &page.entries[usize::try_from(small - 1).unwrap()];
            let event = encoded(entry);
            assert_eq!(person(&event.plain), expected);
            let alone = pb::SubscribeResponse::decode(&event.alone[5..]).unwrap();
            assert_eq!(alone.events, [pb::Event::decode(&event.plain[..]).unwrap()]);
            assert_eq!(event.raw.is_empty(), !has_more);
            let small = &event.plain;
            let plain = feed.large(large, Part::Plain).await.unwrap().unwrap();
            assert_eq!(person(&plain), expected);
            let raw = feed.large(large, Part::Raw).await.unwrap();
            assert_eq!(raw.is_none(), !has_more);
            let size = feed.size(&page.entries[usize::try_from(large - 1).unwrap()]).await.unwrap().unwrap();
            assert_eq!((size.plain, size.raw), (plain.len(), raw.map_or(0, |raw| raw.len())));
            for plain in [small, &plain] {
                let issues = pb::Event::decode(&plain[..]).unwrap().decode_issues;
                assert_eq!(issues.is_empty(), !has_more, "{issues:?}");
            }
        }
    }
    filled.close().await;
}

#[tokio::test]
async fn one_redaction_too_many_is_refused_until_another_ends() {
    let filled = Filled::start();
    let names =
        ["dob", "fullName", "firstName", "lastName", "suffix", "gender", "citizenship", "photoUrl", "profileUrl"];
    let mut held: Vec<Feed> =
        names[..PROFILES_MOST].iter().map(|name| filled.feed.seen_through(&redaction(&[name])).unwrap()).collect();
    let ninth = redaction(&names[PROFILES_MOST..]);
    assert_eq!(filled.feed.seen_through(&ninth).err(), Some(TooManyRedactions));
    assert!(filled.feed.seen_through(&redaction(&["dob"])).is_ok(), "it is in use already");
    assert!(filled.feed.seen_through(&Redaction::default()).is_ok(), "it is none");
    let ended = profile_id(&held.swap_remove(3));
    let feed = filled.feed.seen_through(&ninth).unwrap();
    assert!(held.iter().all(|other| profile_id(other) != profile_id(&feed)) && profile_id(&feed) != ended);
    assert_eq!(filled.feed.seen_through(&redaction(&["lastName"])).err(), Some(TooManyRedactions));
    filled.close().await;
}

/// While nobody reads in a form, nothing is encoded in it; when somebody comes again, nothing is missing.
#[tokio::test]
async fn a_form_without_streams_costs_nothing_and_catches_up() {
    let filled = Filled::start();
    let feed = filled.feed.seen_through(&redaction(&["dob"])).unwrap();
    for round in 0..5 {
        let mut tail = feed.watch();
        let sequence = filled.store(&task_finished(round, 0)).await;
        tail.wait_for(|tail| tail.head.sequence >= sequence && tail.page.is_some()).await.unwrap();
        let page = feed.page_after(START, &mut tail).await.unwrap();
        assert_eq!(page.entries.len() as u64, sequence);
        drop(tail);
        until("the tail is followed no longer", async || (filled.feed.tail.receiver_count() == 0).then_some(())).await;
    }
    filled.close().await;
}

#[tokio::test]
async fn what_is_erased_is_gone_from_every_form_when_that_is_said() {
    let filled = Filled::start();
    for id in 0..PAGE_EVENTS + 5 {
        filled.store(&task_finished(id, 0)).await;
    }
    let large = filled.store(&task_finished(1_000, 200_000)).await;
    let (live, idle) = (redaction(&["loginName"]), redaction(&["requestMeta"]));
    let feeds =
        [filled.feed.clone(), filled.feed.seen_through(&live).unwrap(), filled.feed.seen_through(&idle).unwrap()];
    let newest = Position { sequence: large - 1, check: 0 };
    let mut tails = Vec::new();
    for feed in &feeds {
        let mut tail = feed.watch();
        tail.wait_for(|tail| tail.page.is_some()).await.unwrap();
        feed.page_after(START, &mut tail).await.unwrap();
        feed.page_after(newest, &mut tail).await.unwrap();
        feed.large(large, Part::Plain).await.unwrap().unwrap();
        feed.large(large, Part::Raw).await.unwrap();
        tails.push(tail);
    }
    // The last form has no stream any more, and what it has read stays with it until somebody comes back.
    tails.pop();
    drop(feeds);

    let erased = filled.feed.erase("u", None).await.unwrap();
    assert_eq!(erased.records, large);
    for redaction in [Redaction::default(), live, idle] {
        let feed = filled.feed.seen_through(&redaction).unwrap();
        let mut tail = feed.watch();
        for after in [START, newest] {
            let page = feed.page_after(after, &mut tail).await.unwrap();
            for entry in page.after(after, u64::MAX) {
                let event = pb::Event::decode(&encoded(entry).plain[..]).unwrap();
                let reason = event.omitted.map(|omitted| omitted.reason());
                assert_eq!((reason, event.data), (Some(pb::OmittedReason::Erased), None), "{redaction:?}");
                assert_eq!((event.user_id.as_str(), event.sequence), ("", entry.at.sequence));
            }
        }
        let plain = feed.large(large, Part::Plain).await.unwrap().unwrap();
        assert!(pb::Event::decode(&plain[..]).unwrap().data.is_none());
        // Not that there is no such event: who was being sent it has to come back for its tombstone.
        let raw = feed.large(large, Part::Raw).await.unwrap();
        assert_eq!(raw, Some(Bytes::new()).filter(|_| feed.profile.is_none()));
    }
    filled.close().await;
}
