//! Bodies that are encrypted on the disk: with keys from files, which are checked before anything starts and followed while the
//! relay runs.

mod support;

use std::path::PathBuf;

use support::{
    Place, Relay,
    client::{Sender, body_of, everything},
    eventually,
    program::run,
};

const SECRET: &str = "nobody-reads-this-on-the-disk";

fn key(place: &Place, name: &str, content: &str) -> PathBuf {
    let path = place.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn digits(digit: &str) -> String {
    format!("{}\n", digit.repeat(64))
}

fn is_on_the_disk(place: &Place) -> bool {
    let files = std::fs::read_dir(place.data_dir()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let holds = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(SECRET);
    files.into_iter().any(|bytes| holds(&bytes))
}

async fn send(relay: &Relay, id: &str) {
    let body = body_of(id, "ACCOUNT_CONNECTED", "u-1").replace("somebody", SECRET);
    assert_eq!(Sender::new(relay).send(body).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_it_runs_and_none_is_given_up_that_is_needed() {
    let place = Place::default();
    let (first, second) = (key(&place, "first", &digits("a")), key(&place, "second", &digits("b")));
    let flag = format!("--encryption-key-file={},{}", first.display(), second.display());
    let relay = place.start(&[&flag]);
    send(&relay, "by-a").await;
    assert!(!is_on_the_disk(&place));
    let reloads = |result: &str| {
        relay.metric(&format!(r#"smile_relay_reloads_total{{what="encryption_keys",result="{result}"}}"#))
    };

    // One that is needed would be gone: the last good keys stay.
    std::fs::write(&first, digits("c")).unwrap();
    eventually("that is refused", || (reloads("failed") == 1.0).then_some(()));
    send(&relay, "still-by-a").await;
    // The new one first, and the old one where the other was.
    std::fs::write(&second, digits("a")).unwrap();
    eventually("the new key is in force", || (reloads("ok") >= 1.0).then_some(()));
    send(&relay, "by-c").await;
    assert!(!is_on_the_disk(&place));
    let events = everything(&relay).await;
    let whole = |event: &smile_relay::event::pb::Event| String::from_utf8_lossy(&event.raw_body).contains(SECRET);
    assert!(events.len() == 3 && events.iter().all(whole), "{events:?}");
    assert!(relay.stop().success());

    // Each is needed still.
    for only in [&first, &second] {
        let refused = run(place.args(&[&format!("--encryption-key-file={}", only.display())]));
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(refused.error().contains("is none of those given"), "{refused:?}");
    }
    let relay = place.start(&[&flag]);
    assert_eq!(everything(&relay).await, events);
}

#[test]
fn what_is_no_key_is_found_by_config_check() {
    let place = Place::default();
    let check = |path: PathBuf| {
        let mut args = place.args(&[&format!("--encryption-key-file={}", path.display())]);
        args.splice(0..1, ["config".to_owned(), "check".to_owned()]);
        (run(args), path.display().to_string())
    };
    let (good, _) = check(key(&place, "good", &digits("0")));
    good.ok();
    for (name, content) in
        [("short", "abcd"), ("letters", &"x".repeat(64)), ("binary", &"\u{1}".repeat(32)), ("empty", "")]
    {
        let (refused, path) = check(key(&place, name, content));
        assert_eq!(refused.code, Some(64), "{name}: {refused:?}");
        let error = refused.error();
        assert!(error.contains("--encryption-key-file") && error.contains(&path), "{error}");
        assert!(content.is_empty() || !error.contains(content), "it repeats the key: {error}");
    }
    let (missing, path) = check(place.path().join("nowhere"));
    assert!(missing.code == Some(64) && missing.error().contains(&path), "{missing:?}");
}
