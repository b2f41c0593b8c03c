//! The command line: every command does what its help says.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use support::{
    Place, Relay, SECRET,
    client::{Sender, body, body_of, everything, large_body, sign},
    command, eventually,
    files::Files,
    program::{Finished, Running, finish, openssl_sign, run, until_finished},
};

const COMMANDS: &[&[&str]] = &[
    &["serve"],
    &["demo"],
    &["tail"],
    &["trigger"],
    &["sign"],
    &["verify"],
    &["events"],
    &["events", "list"],
    &["events", "get"],
    &["healthcheck"],
    &["config"],
    &["config", "check"],
    &["config", "print"],
];
// --- help

#[test]
fn every_command_has_its_help_and_no_secret_in_it() {
    for arguments in COMMANDS {
        let mut helping = command();
        helping.args(*arguments).arg("--help");
        // Where a secret comes from a variable, help must not show it.
        helping.env("SMILE_RELAY_WEBHOOK_SECRET", "hush").env("SMILE_RELAY_WEBHOOK_SECRET_FILE", "/a/file");
        let help = finish(&mut helping, b"").ok();
        let text = help.stdout();
        assert!(text.contains(&format!("Usage: smile-relay {}", arguments.join(" "))), "{arguments:?}: {text}");
        assert!(text.contains("--help"), "{arguments:?}: {text}");
        assert!(!text.contains("hush"), "{arguments:?}: {text}");
        assert!(help.stderr.is_empty(), "{help:#?}");
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 110, "{arguments:?}: a line of {longest} characters");
    }
    let help = run(["--help"]).ok();
    for arguments in COMMANDS {
        assert!(help.stdout().contains(&format!("  {} ", arguments[0])), "{arguments:?}: {}", help.stdout());
    }
    assert_eq!(run(["--version"]).ok().stdout(), format!("smile-relay {}\n", env!("CARGO_PKG_VERSION")));
    let nothing = run::<&str>([]);
    assert_eq!(nothing.code, Some(64), "{nothing:#?}");
    assert!(nothing.stderr.contains("Usage: smile-relay"), "{nothing:#?}");
}

// --- the demonstration

/// The demonstration on free ports, with a temporary directory of its own.
fn demo(temporary: &Path) -> Command {
    let mut demo = command();
    let ports = ["--public-listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"];
    demo.arg("demo").args(ports).env("TMPDIR", temporary);
    demo
}

#[test]
fn the_demonstration_shows_every_type_once() {
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shown = finish(demo(temporary.path()).arg("--once"), b"").ok();
    let lines = shown.lines();
    assert_eq!(lines.len(), 37, "{shown:#?}");
    let types = run(["trigger", "--list"]).ok();
    assert_eq!(types.lines().len(), 37);
    for (n, (line, name)) in lines.iter().zip(types.lines()).enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(words.contains(&&*format!("#{}", n + 1)) && words.contains(&name), "{n}: {line}");
    }
    assert!(!shown.stderr.contains("error"), "{shown:#?}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "it leaves nothing behind");

    // It stays if it is asked to, and others can take part with what it says.
    let mut staying = Running::start(&mut demo(temporary.path()));
    staying.until_lines(37);
    staying.until_said("Ctrl-C");
    let said = staying.stderr().join("\n");
    assert!(said.contains("grpcurl -plaintext"), "{said}");
    let trigger = said.lines().find(|line| line.contains("smile-relay trigger")).expect("a line to try").trim();
    let words: Vec<_> = trigger.split_whitespace().skip(1).collect();
    run(&words).ok();
    let lines = staying.until_lines(38);
    assert!(lines[37].contains("#38") && lines[37].contains(words[1]), "{lines:?}");
    let tail = said.lines().find(|line| line.contains("smile-relay tail")).expect("a line to try").trim();
    let words: Vec<_> = tail.split_whitespace().skip(1).chain(["--no-follow"]).collect();
    assert_eq!(run(words).ok().lines().len(), 38);
    staying.signal(Signal::INT);
    assert_eq!(staying.until_exit(), Some(0), "{:?}", staying.stderr());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn the_demonstration_says_which_port_is_in_use() {
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut demo = command();
    let listen = format!("--public-listen={}", taken.local_addr().unwrap());
    demo.args(["demo", "--once", "--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", &listen]);
    let refused = finish(demo.env("TMPDIR", temporary.path()), b"");
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.error().contains("--public-listen"), "{refused:#?}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

// --- commands of a running relay

fn address(relay: &Relay) -> String {
    format!("--address=http://{}", relay.grpc)
}

/// Runs a command of a relay.
fn of(relay: &Relay, args: &[&str]) -> Finished {
    run(args.iter().map(|arg| (*arg).to_owned()).chain([address(relay)]))
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

fn ids(lines: &[impl AsRef<str>]) -> Vec<String> {
    lines.iter().map(|line| json(line.as_ref())["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_without_following_prints_what_the_log_holds() {
    let place = Place::default();
    let relay = place.start(&[]);
    assert!(of(&relay, &["tail", "--no-follow", "--json"]).ok().stdout.is_empty(), "an empty log");
    let sender = Sender::new(&relay);
    for (id, type_name, user) in [("a", "USER_CREATED", "u-1"), ("b", "TASK_STARTED", "u-2"), ("c", "NEW", "u-1")] {
        assert_eq!(sender.send(body_of(id, type_name, user)).await, 200);
    }
    let tail = |more: &[&str]| of(&relay, &[&["tail", "--no-follow"], more].concat()).ok();
    let all = tail(&["--json"]);
    assert_eq!(ids(&all.lines()), ["a", "b", "c"]);
    let first = json(all.lines()[0]);
    assert_eq!((first["sequence"].as_str(), first["type"].as_str()), (Some("1"), Some("EVENT_TYPE_USER_CREATED")));
    assert_eq!((first["typeName"].as_str(), first["userId"].as_str()), (Some("USER_CREATED"), Some("u-1")));
    assert_eq!(ids(&tail(&["--json", "--type=TASK_STARTED"]).lines()), ["b"]);
    assert_eq!(ids(&tail(&["--json", "--user=u-1"]).lines()), ["a", "c"]);
    assert_eq!(ids(&tail(&["--json", "--user=u-1", "--type=NEW"]).lines()), ["c"]);
    assert_eq!(ids(&tail(&["--json", "--endpoint=other"]).lines()), Vec::<String>::new());
    assert_eq!(ids(&tail(&["--json", "--since=1h"]).lines()), ["a", "b", "c"]);
    assert_eq!(ids(&tail(&["--json", "--since=2999-01-01T00:00:00Z"]).lines()), Vec::<String>::new());
    let cursor = json(all.lines()[1])["cursor"].as_str().unwrap().to_owned();
    assert_eq!(ids(&tail(&["--json", &format!("--after={cursor}")]).lines()), ["c"]);
    assert_eq!(ids(&tail(&["--json", "--count=2"]).lines()), ["a", "b"]);
    assert_eq!(ids(&tail(&["--json", "--count=2", "--user=u-1"]).lines()), ["a", "c"]);
    let too_few = of(&relay, &["tail", "--no-follow", "--json", "--count=2", "--type=NEW"]);
    assert_eq!((too_few.code, ids(&too_few.lines())), (Some(1), vec!["c".to_owned()]), "{too_few:#?}");
    assert!(too_few.stderr.contains("error: 1 of 2 events"), "{too_few:#?}");
    let raw = tail(&["--raw"]);
    let bodies = ["a", "b", "c"].iter().zip(["USER_CREATED", "TASK_STARTED", "NEW"]).zip(["u-1", "u-2", "u-1"]);
    let bodies: Vec<_> = bodies.map(|((id, type_name), user)| body_of(id, type_name, user)).collect();
    assert_eq!(raw.lines(), bodies);
    let human = tail(&[]);
    assert!(human.lines()[0].contains("#1 USER_CREATED") && human.lines().len() == 3, "{human:#?}");
    assert!(!human.stdout().contains("somebody"), "no name of a person in it: {human:#?}");
    let mistyped = tail(&["--type=USER_CRAETED"]);
    assert!(mistyped.stderr.contains("USER_CREATED"), "{mistyped:#?}");
    // What can't be followed is one line.
    let refused = of(&relay, &["tail", "--no-follow", "--after=nonsense"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.error().contains("after_cursor"), "{refused:#?}");
    let address = address(&relay);
    relay.kill();
    let refused = run(["tail", "--no-follow", &address]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.error().contains("smile-relay serve"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_tail_prints_each_event_once_over_restarts_of_either_side() {
    let place = Place::default();
    // A socket, so that the relay is at the same address after its restart; its path has to be short.
    let sockets = tempfile::tempdir().unwrap();
    let listen = format!("--grpc-listen=unix:{}", sockets.path().join("s").display());
    let start = || place.start(&[&listen, "--drain-timeout=5s"]);
    let state = place.path().join("state");
    let tail = |more: &[&str]| {
        let mut tail = command();
        let address = format!("--address=unix:{}", sockets.path().join("s").display());
        tail.args(["tail", "--name=audit", "--json", &address]).args(more).env("XDG_STATE_HOME", &state);
        tail
    };
    let send = async |relay: &Relay, id: &str| assert_eq!(Sender::new(relay).send(body(id)).await, 200);

    let relay = start();
    send(&relay, "before").await;
    let mut tailing = Running::start(&mut tail(&[]));
    tailing.until_said("Ready");
    for id in ["1", "2", "3"] {
        send(&relay, id).await;
    }
    tailing.until_lines(3);
    // Two can't share a name.
    let second = finish(&mut tail(&[]), b"");
    assert_eq!(second.code, Some(1), "{second:#?}");
    assert!(second.error().contains("--name audit"), "{second:#?}");
    // The relay goes and comes back, by its own will and by none.
    assert!(relay.stop().success());
    let relay = start();
    send(&relay, "4").await;
    send(&relay, "5").await;
    tailing.until_lines(5);
    relay.kill();
    let relay = start();
    send(&relay, "6").await;
    assert_eq!(ids(&tailing.until_lines(6)), ["1", "2", "3", "4", "5", "6"]);
    // Then the tail goes, and comes back.
    tailing.signal(Signal::TERM);
    assert_eq!(tailing.until_exit(), Some(0), "{:?}", tailing.stderr());
    send(&relay, "7").await;
    assert!(relay.stop().success());
    let relay = start();
    send(&relay, "8").await;
    assert_eq!(ids(&finish(&mut tail(&["--no-follow"]), b"").ok().lines()), ["7", "8"], "what it missed");
    assert!(finish(&mut tail(&["--no-follow"]), b"").ok().stdout.is_empty(), "and not again");
    send(&relay, "9").await;
    let mut tailing = Running::start(&mut tail(&[]));
    tailing.until_lines(1);
    send(&relay, "10").await;
    assert_eq!(ids(&tailing.until_lines(2)), ["9", "10"]);
    // Killed, it may print again what it had not kept, and skips nothing.
    tailing.signal(Signal::KILL);
    assert_eq!(tailing.until_exit(), None);
    send(&relay, "11").await;
    let printed = ids(&finish(&mut tail(&["--no-follow"]), b"").ok().lines());
    assert!(
        printed.ends_with(&["11".to_owned()]) && ["9", "10", "11"].map(str::to_owned).ends_with(&printed),
        "{printed:?}"
    );
    // It goes on after what it was told to end with, and ends as soon as that has come.
    for id in ["12", "13", "14"] {
        send(&relay, id).await;
    }
    assert_eq!(ids(&finish(&mut tail(&["--no-follow", "--count=1"]), b"").ok().lines()), ["12"]);
    assert_eq!(ids(&finish(&mut tail(&["--count=2"]), b"").ok().lines()), ["13", "14"]);
    let mut counting = Running::start(&mut tail(&["--count=1"]));
    counting.until_said("Ready");
    send(&relay, "15").await;
    assert_eq!((ids(&counting.until_lines(1)), counting.until_exit()), (vec!["15".to_owned()], Some(0)));
    // A start that is given comes first.
    assert_eq!(finish(&mut tail(&["--no-follow", "--from-start"]), b"").ok().lines().len(), 16);
    // Another log is not taken for this one.
    drop(relay);
    let elsewhere = Place::default();
    let _other = elsewhere.start(&[&listen]);
    let refused = finish(&mut tail(&["--no-follow"]), b"");
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.error().contains("CURSOR_FOREIGN_LOG"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_that_is_closed_ends_printing_quietly() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    // More than a pipe holds.
    sender.send_all((0..40).map(|n| large_body(&format!("et-{n}"), 20_000)), 8).await;
    for args in [
        &["tail", "--no-follow", "--raw"][..],
        &["tail", "--no-follow", "--json"],
        &["tail", "--from-start", "--raw"],
        &["events", "list", "--raw"],
    ] {
        let mut printing = command();
        printing.args(args).arg(address(&relay)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = printing.spawn().unwrap();
        let mut output = BufReader::with_capacity(16, child.stdout.take().unwrap());
        let mut line = Vec::new();
        output.read_until(b'{', &mut line).unwrap();
        assert_eq!(line, b"{");
        drop(output);
        let mut sending = 0;
        // One that follows sees that nobody reads when it has something to print.
        let ended = tokio::task::block_in_place(|| {
            let (sent, stop) = std::sync::mpsc::channel::<()>();
            let runtime = tokio::runtime::Handle::current();
            let sender = sender.clone();
            let more = std::thread::spawn(move || {
                while stop.recv_timeout(Duration::from_millis(20)).is_err() {
                    runtime.block_on(sender.send(body(&format!("more-{sending}-{}", rand::random::<u32>()))));
                    sending += 1;
                }
            });
            let ended = until_finished(child, &format!("{args:?}"));
            sent.send(()).unwrap();
            more.join().unwrap();
            ended
        });
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:#?}");
        let said: Vec<_> = ended.stderr.lines().filter(|line| !line.starts_with("Ready")).collect();
        assert!(said.is_empty(), "{args:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trigger_sends_what_it_is_asked_to() {
    let place = Place::default();
    let relay = place.start(&[]);
    let url = format!("--url=https://{}/webhooks/smile", relay.public);
    let secret = format!("--secret-file={}", place.path().join("secret").display());
    let trigger = |args: &[&str]| of(&relay, &[&["trigger", &url, &secret, "--insecure"], args].concat());
    let newest = async || everything(&relay).await.pop().unwrap();

    for name in ["USER_CREATED", "account_connected", "TASK_FINISHED", "USER_SESSION_RESET"] {
        let sent = trigger(&[name]).ok();
        assert!(sent.lines().len() == 1 && sent.stdout().contains("200 OK"), "{sent:#?}");
        let event = newest().await;
        assert_eq!(event.type_name, name.to_uppercase());
        assert!(sent.stdout().contains(&event.id) && event.data.is_some(), "{sent:#?} {event:?}");
    }
    trigger(&["ACCOUNT_CONNECTED", "--set=data.userId=u-42", "--set=data.providers.0=x", "--set=extra={\"n\":1.50}"])
        .ok();
    let event = newest().await;
    let sent = json(std::str::from_utf8(&event.raw_body).unwrap());
    assert_eq!((event.user_id.as_str(), sent["data"]["providers"][0].as_str()), ("u-42", Some("x")));
    assert!(String::from_utf8_lossy(&event.raw_body).contains(r#"{"n":1.50}"#));
    let time = event.created_at.unwrap().seconds;
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((now - 300..=now).contains(&time), "the time of now: {time}, {now}");

    // A file goes out as it is, whatever it is.
    for (n, bytes) in [&b"{ \"id\" : \"by-hand\",\n\"type\":\"T\" }\n"[..], b"\xff\0 not JSON", b""].iter().enumerate()
    {
        let file = place.path().join("body");
        fs::write(&file, bytes).unwrap();
        trigger(&[&format!("--file={}", file.display())]).ok();
        assert!(newest().await.raw_body == *bytes, "file {n}");
    }
    let stdin = finish(command().args(["trigger", "--file=-", &url, &secret, "--insecure"]), b"from stdin").ok();
    assert!(stdin.stdout().contains("200"), "{stdin:#?}");
    assert_eq!(newest().await.raw_body, "from stdin");

    // From an event: a new one like it, or the very same again.
    let original = &everything(&relay).await[0];
    trigger(&["--from-event=1"]).ok();
    let like_it = newest().await;
    assert_ne!(like_it.id, original.id);
    assert_eq!((like_it.type_name.as_str(), like_it.user_id.as_str()), (&*original.type_name, &*original.user_id));
    let count = everything(&relay).await.len();
    let again = trigger(&[&format!("--from-event={}", original.id), "--keep-id"]).ok();
    assert!(again.stdout().contains("held already"), "{again:#?}");
    assert_eq!(everything(&relay).await.len(), count);
    trigger(&["--from-event=1", "--set=data.userId=u-43"]).ok();
    assert_eq!(newest().await.user_id, "u-43");

    // Many, at a rate.
    let began = Instant::now();
    let many = trigger(&["TASK_STARTED", "--count=21", "--rate=40/s"]).ok();
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(many.lines().len(), 22, "{many:#?}");
    assert!(many.lines()[21].starts_with("21 sent: 21 stored, 0 held already, 0 failed"), "{many:#?}");
    assert_eq!(everything(&relay).await.len(), count + 1 + 21);
    let quiet = trigger(&["--from-event=1", "--keep-id", "--count=30", "--quiet"]).ok();
    assert!(
        quiet.lines()[0].starts_with("30 sent: 0 stored, 30 held already") && quiet.lines().len() == 1,
        "{quiet:#?}"
    );

    // What goes wrong is said, once.
    let wrong = run(["trigger", "USER_CREATED", "--count=3", &url, "--secret=wrong", "--insecure"]);
    assert_eq!(wrong.code, Some(1), "{wrong:#?}");
    assert!(wrong.error().contains("401") && wrong.error().contains("secret"), "{wrong:#?}");
    assert!(!wrong.stderr.contains("wrong"), "the secret itself is not: {wrong:#?}");
    let unknown = trigger(&["USER_CRAETED"]);
    assert_eq!(unknown.code, Some(64), "{unknown:#?}");
    assert!(unknown.error().contains("USER_CREATED"), "{unknown:#?}");
    let untrusted = run(["trigger", "USER_CREATED", &url, &secret]);
    assert_eq!(untrusted.code, Some(1), "{untrusted:#?}");
    assert!(untrusted.error().contains("--insecure"), "{untrusted:#?}");
    let nowhere = run(["trigger", "USER_CREATED", "--url=http://127.0.0.1:1/webhooks/smile", &secret]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:#?}");
    assert!(nowhere.error().contains("127.0.0.1:1"), "{nowhere:#?}");
    let no_secret = run(["trigger", "USER_CREATED", &url]);
    assert_eq!(no_secret.code, Some(64), "{no_secret:#?}");
    assert!(no_secret.error().contains("--secret-file"), "{no_secret:#?}");
    let missing = trigger(&["--from-event=et-none"]);
    assert_eq!(missing.code, Some(1), "{missing:#?}");
    assert!(missing.error().contains("EVENT_NOT_FOUND"), "{missing:#?}");
}

#[test]
fn trigger_trusts_the_certificate_it_is_given() {
    let files = Files::new();
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    let relay =
        files.place.start(&[&format!("--tls-cert={}", cert.display()), &format!("--tls-key={}", key.display())]);
    let port = relay.public.rsplit(':').next().unwrap();
    let url = format!("--url=https://localhost:{port}/webhooks/smile");
    let secret = format!("--secret={SECRET}");
    run(["trigger", "USER_CREATED", &url, &secret, &format!("--ca={}", cert.display())]).ok();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    files.write("other.pem", other.cert.pem());
    let refused =
        run(["trigger", "USER_CREATED", &url, &secret, &format!("--ca={}", files.path("other.pem").display())]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
}

#[test]
fn sign_and_verify_agree_with_openssl() {
    let place = Place::default();
    let file = place.path().join("body");
    for bytes in [&b"{\"id\":\"et-1\"}"[..], b"", b"\xff\0\n", &vec![7; 100_000]] {
        fs::write(&file, bytes).unwrap();
        let path = file.display().to_string();
        let expected = openssl_sign(SECRET, bytes);
        let secret = format!("--secret={SECRET}");
        assert_eq!(run(["sign", &path, &secret]).ok().stdout(), format!("{expected}\n"));
        let secret_file = format!("--secret-file={}", place.path().join("secret").display());
        let header = run(["sign", &path, &secret_file, "--header"]).ok();
        assert_eq!(header.stdout(), format!("Smile-Signature: {expected}\n"));
        let stdin = finish(command().args(["sign", "-"]).env("SMILE_RELAY_WEBHOOK_SECRET", SECRET), bytes).ok();
        assert_eq!(stdin.stdout(), format!("{expected}\n"));

        let verify = |signature: &str| run(["verify", &path, &secret, "--signature", signature]);
        assert_eq!(verify(&expected).ok().stdout(), "valid\n");
        assert_eq!(verify(&expected.to_uppercase()).ok().stdout(), "valid\n");
        let first = if expected.starts_with('0') { '1' } else { '0' };
        for wrong in [&format!("{first}{}", &expected[1..]), &openssl_sign("another", bytes)] {
            let verdict = verify(wrong);
            assert_eq!((verdict.code, verdict.stdout()), (Some(1), "invalid\n"), "{verdict:#?}");
        }
        let no_signature = verify("abc");
        assert_eq!(no_signature.code, Some(64), "{no_signature:#?}");
        assert!(no_signature.error().contains("--signature"), "{no_signature:#?}");
        let stdin = finish(command().args(["verify", "-", &secret, "--signature", &expected]), bytes).ok();
        assert_eq!(stdin.stdout(), "valid\n");
    }
    for args in [
        &["sign", "/nowhere/body", "--secret=s"][..],
        &["sign", "/dev/null", "--secret="],
        &["sign", "/dev/null"],
        &["sign", "/dev/null", "--secret-file=/nowhere/secret"],
    ] {
        let refused = run(args);
        assert_eq!(refused.code, Some(64), "{args:?}: {refused:#?}");
        refused.error();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_listed_and_got() {
    let place = Place::default();
    let relay = place.start(&[]);
    let sender = Sender::new(&relay);
    let bodies: Vec<_> = (1..=150).map(|n| body(&format!("et-{n}"))).collect();
    for body in &bodies {
        assert_eq!(sender.send(body.clone()).await, 200);
    }
    let odd: &[u8] = b"\xff not JSON\n";
    assert_eq!(sender.send(odd).await, 200);

    let list = of(&relay, &["events", "list", "--json"]).ok();
    assert_eq!(ids(&list.lines()), (1..=100).map(|n| format!("et-{n}")).collect::<Vec<_>>());
    assert!(list.stderr.contains("--after"), "how to go on: {list:#?}");
    assert_eq!(of(&relay, &["events", "list", "--json", "--all"]).ok().lines().len(), 151);
    assert_eq!(ids(&of(&relay, &["events", "list", "--json", "--limit=2"]).ok().lines()), ["et-1", "et-2"]);
    let cursor = json(list.lines()[99])["cursor"].as_str().unwrap().to_owned();
    let rest = of(&relay, &["events", "list", "--json", "--after", &cursor]).ok();
    assert_eq!(rest.lines().len(), 51);
    assert_eq!(of(&relay, &["events", "list", "--all"]).ok().lines().len(), 151, "for people");

    let by_sequence = json(of(&relay, &["events", "get", "42"]).ok().stdout());
    let by_id = json(of(&relay, &["events", "get", "et-42"]).ok().stdout());
    let cursor = by_id["cursor"].as_str().unwrap();
    let by_cursor = json(of(&relay, &["events", "get", cursor]).ok().stdout());
    assert_eq!((&by_sequence, &by_cursor), (&by_id, &by_id));
    assert_eq!((by_id["id"].as_str(), by_id["sequence"].as_str()), (Some("et-42"), Some("42")));
    assert_eq!(of(&relay, &["events", "get", "42", "--raw"]).ok().stdout(), bodies[41]);
    assert!(of(&relay, &["events", "get", "151", "--raw"]).ok().stdout == odd);
    // The way that `verify --help` shows.
    let raw = of(&relay, &["events", "get", "42", "--raw"]).ok().stdout;
    let secret = format!("--secret={SECRET}");
    let signature = sign(bodies[41].as_bytes());
    finish(command().args(["verify", "-", &secret, "--signature", &signature]), &raw).ok();
    for missing in ["9999", "et-none"] {
        let refused = of(&relay, &["events", "get", missing]);
        assert_eq!((refused.code, refused.stdout()), (Some(1), ""), "{refused:#?}");
        assert!(refused.error().contains("EVENT_NOT_FOUND"), "{refused:#?}");
    }
    let elsewhere = of(&relay, &["events", "get", "et-42", "--endpoint=other"]);
    assert_eq!(elsewhere.code, Some(1), "{elsewhere:#?}");
}

#[test]
fn healthcheck_tells_by_its_exit_code() {
    let place = Place::default();
    let relay = place.start(&[]);
    let check = |relay: &Relay, more: &[&str]| {
        run(["healthcheck".to_owned(), format!("--admin=http://{}", relay.admin)]
            .into_iter()
            .chain(more.iter().map(|arg| (*arg).to_owned())))
    };
    assert_eq!(check(&relay, &[]).ok().stdout(), "ready\n");
    assert_eq!(check(&relay, &["--live"]).ok().stdout(), "alive\n");
    assert_eq!(check(&relay, &["--started"]).ok().stdout(), "started\n");
    // One that waits for the directory is alive and not ready.
    let waiting = place.spawn(&["--lock-timeout=120s"]);
    eventually("it waits", || waiting.log().contains("another process uses it").then_some(()));
    let not_ready = check(&waiting, &[]);
    assert_eq!(not_ready.code, Some(1), "{not_ready:#?}");
    assert!(not_ready.error().contains("starting"), "{not_ready:#?}");
    assert_eq!(check(&waiting, &["--started"]).code, Some(1));
    check(&waiting, &["--live"]).ok();
    let by_variable =
        finish(command().arg("healthcheck").env("SMILE_RELAY_ADMIN", format!("http://{}", relay.admin)), b"");
    assert_eq!(by_variable.ok().stdout(), "ready\n");
    // Nobody there, and somebody who does not answer.
    let admin = format!("--admin=http://{}", relay.admin);
    assert!(relay.stop().success());
    let gone = run(["healthcheck", &admin]);
    assert_eq!(gone.code, Some(1), "{gone:#?}");
    gone.error();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("--admin=http://{}", silent.local_addr().unwrap());
    let silence = run(["healthcheck", &admin, "--timeout=300ms"]);
    assert_eq!(silence.code, Some(1), "{silence:#?}");
    assert!(silence.error().contains("300ms"), "{silence:#?}");
}

#[test]
fn samples_differ_only_in_what_is_fresh() {
    // Twice the same type: other ids, the same content.
    let place = Place::default();
    let relay = place.start(&[]);
    let url = format!("--url=https://{}/webhooks/smile", relay.public);
    let secret = format!("--secret={SECRET}");
    for _ in 0..2 {
        run(["trigger", "EMPLOYMENTS_ADDED", &url, &secret, "--insecure"]).ok();
    }
    let raw = of(&relay, &["tail", "--no-follow", "--raw"]).ok();
    let without_fresh: Vec<BTreeMap<String, Value>> = raw
        .lines()
        .iter()
        .map(|line| {
            let mut members: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
            assert!(members.remove("id").is_some() && members.remove("createdAt").is_some(), "{line}");
            members
        })
        .collect();
    assert_eq!(without_fresh.len(), 2, "{raw:#?}");
    assert_eq!(without_fresh[0], without_fresh[1]);
}
