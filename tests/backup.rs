//! A copy of the log, made while webhooks arrive: whole, of one instant, and good to be put in its place. Whoever reads on
//! with a cursor from after that instant is told.

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use smile_relay::event::pb::{Event, SubscribeRequest};
use support::{
    Place, Relay,
    client::{Reader, Sender, body, everything},
    eventually,
    program::{Finished, run},
    stream::{Refusal, after, sequences, to_the_end},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

fn backup(place: &Place, file: &Path) -> Finished {
    run(["backup".as_ref(), "--data-dir".as_ref(), place.data_dir().as_os_str(), file.as_os_str()])
}

/// Puts a copy in the place of the log.
fn restore(place: &Place, file: &Path) {
    fs::remove_dir_all(place.data_dir()).unwrap();
    fs::create_dir(place.data_dir()).unwrap();
    fs::copy(file, place.data_dir().join("events.db")).unwrap();
}

async fn refusal(relay: &Relay, request: SubscribeRequest) -> Refusal {
    Reader::open(&mut relay.grpc().await, request).await.err().expect("it is refused").into()
}

async fn rest(relay: &Relay, cursor: &str) -> Vec<Event> {
    let request = to_the_end(after(cursor));
    Reader::open(&mut relay.grpc().await, request).await.unwrap().rest().await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_goes_on_and_cursors_past_it_are_told() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let stop = CancellationToken::new();
    let loading = tokio::spawn({
        let (sender, stop) = (sender.clone(), stop.clone());
        async move {
            let mut sent = 0;
            while !stop.is_cancelled() {
                assert_eq!(sender.send(body(&format!("et-{sent}"))).await, 200);
                sent += 1;
            }
            sent
        }
    });
    eventually("some arrive", || (relay.webhooks("stored") > 100).then_some(()));
    let file = place.path().join("copy.db");
    let copied = tokio::task::block_in_place(|| backup(&place, &file)).ok();
    assert!(copied.stdout().starts_with("copied the log up to #"), "{copied:?}");
    let had = relay.webhooks("stored");
    eventually("more arrive", || (relay.webhooks("stored") > had + 50).then_some(()));
    stop.cancel();
    let sent: usize = loading.await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "bodies are personal");
    let before = everything(&relay).await;
    assert_eq!(before.len(), sent);
    assert!(relay.stop().success());

    restore(&place, &file);
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let held = everything(&relay).await;
    assert!(held.len() > 100 && held.len() < sent, "{} of {sent}", held.len());
    assert_eq!(held, before[..held.len()], "the copy is what was there at one instant");
    assert!(copied.stdout().contains(&format!("#{} ", held.len())), "{copied:?}");
    // A place that the copy has goes on; one that it lacks does not.
    assert_eq!(rest(&relay, &held[50].cursor).await.len(), held.len() - 51);
    let ahead = refusal(&relay, after(&before[sent - 1].cursor)).await;
    assert_eq!((ahead.code, ahead.reason.as_str()), (Code::FailedPrecondition, "CURSOR_AHEAD"));
    // Other events are stored where those were.
    sender.send_all((0..sent - held.len() + 5).map(|n| body(&format!("other-{n}"))), 8).await;
    for lost in [held.len(), sent - 1] {
        let diverged = refusal(&relay, after(&before[lost].cursor)).await;
        assert_eq!((diverged.code, diverged.reason.as_str()), (Code::FailedPrecondition, "CURSOR_DIVERGED"));
    }
    let tail = rest(&relay, &held[held.len() - 1].cursor).await;
    assert_eq!(sequences(&tail), (held.len() as u64 + 1..=sent as u64 + 5).collect::<Vec<_>>());
    // What the copy has is still known.
    assert_eq!(sender.send(body("et-0")).await, 200);
    assert_eq!(relay.webhooks("repeated"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_log_is_copied_encrypted_and_one_at_rest_as_well() {
    let place = Place::default();
    let key = place.path().join("log-key");
    fs::write(&key, format!("{}\n", "5c".repeat(32))).unwrap();
    let flag = format!("--encryption-key-file={}", key.display());
    let relay = place.start(&[&flag]);
    let secret = "nobody reads this on the disk";
    let sent = format!(r#"{{"id":"et-1","type":"USER_CREATED","data":{{"userId":"u-1","x":"{secret}"}}}}"#);
    assert_eq!(Sender::new(&relay).send(sent).await, 200);
    let before = everything(&relay).await;
    assert!(relay.stop().success());
    let file = place.path().join("copy.db");
    let copied = backup(&place, &file).ok();
    assert!(copied.stdout().starts_with("copied the log up to #1 "), "{copied:?}");
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    restore(&place, &file);
    let without = run(place.args(&[]));
    assert_eq!(without.code, Some(64));
    assert!(without.error().contains("--encryption-key-file"), "{without:?}");
    assert_eq!(everything(&place.start(&[&flag])).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replaced_and_nothing_is_left_behind() {
    let place = Place::default();
    let file = place.path().join("copy.db");
    let none = backup(&place, &file);
    assert_eq!(none.code, Some(64));
    assert!(none.error().contains("there is no log"), "{none:?}");

    let relay = place.start(&[]);
    assert_eq!(Sender::new(&relay).send(body("et-1")).await, 200);
    fs::write(&file, "something else").unwrap();
    let there = backup(&place, &file);
    assert_eq!(there.code, Some(64));
    assert!(there.error().contains("is there already"), "{there:?}");
    assert_eq!(fs::read(&file).unwrap(), b"something else");

    let nowhere = backup(&place, &place.path().join("nowhere/copy.db"));
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    let other = place.path().join("other");
    fs::create_dir(&other).unwrap();
    rusqlite::Connection::open(other.join("events.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let foreign =
        run(["backup".as_ref(), "--data-dir".as_ref(), other.as_os_str(), place.path().join("c").as_os_str()]);
    assert_eq!(foreign.code, Some(64));
    assert!(foreign.error().contains("not a log of smile-relay's"), "{foreign:?}");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
}
