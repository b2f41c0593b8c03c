//! What `serve` is told: what can't work is refused in one line that says what to do, nothing is given up unsaid (promise 8
//! among it), and what holds can be printed.

mod support;

use std::{fs, path::Path};

use support::{
    Place, SECRET, command,
    files::Files,
    program::{Finished, finish, run},
};

/// What `serve` and `config check` have to refuse alike.
struct Mistake {
    without: &'static [&'static str],
    more: &'static [&'static str],
    /// What the file holds that `--config` names, if one is given.
    file: &'static str,
    /// Parts of the one line, `@` being the place.
    named: &'static [&'static str],
}

const SECRET_FLAG: &[&str] = &["--webhook-secret-file"];
const TLS_FLAG: &[&str] = &["--tls-self-signed"];

fn mistake(
    without: &'static [&'static str],
    more: &'static [&'static str],
    file: &'static str,
    named: &'static [&'static str],
) -> Mistake {
    Mistake { without, more, file, named }
}

fn mistakes() -> Vec<Mistake> {
    let of_file = |file, named| mistake(&[], &["--config=@/relay.toml"], file, named);
    let flag = |more, named| mistake(&[], more, "", named);
    vec![
        // Secrets.
        mistake(SECRET_FLAG, &[], "", &["--webhook-secret-file"]),
        mistake(SECRET_FLAG, &["--webhook-secret-file=@/empty"], "", &["--webhook-secret-file", "@/empty", "empty"]),
        mistake(SECRET_FLAG, &["--webhook-secret-file=@/newline"], "", &["--webhook-secret-file", "@/newline"]),
        mistake(SECRET_FLAG, &["--webhook-secret-file=@/none"], "", &["--webhook-secret-file", "@/none"]),
        mistake(SECRET_FLAG, &["--webhook-secret-file=@"], "", &["--webhook-secret-file", "@"]),
        mistake(SECRET_FLAG, &["--webhook-secret="], "", &["--webhook-secret"]),
        flag(&["--webhook-secret-file=@/empty"], &["--webhook-secret-file", "@/empty"]),
        // The public listener.
        mistake(TLS_FLAG, &[], "", &["--tls-cert", "--tls-key", "--insecure-public-http", "--tls-self-signed"]),
        mistake(TLS_FLAG, &["--tls-cert=@/cert.pem"], "", &["--tls-key"]),
        mistake(TLS_FLAG, &["--tls-key=@/key.pem"], "", &["--tls-cert"]),
        mistake(TLS_FLAG, &["--tls-cert=@/none.pem", "--tls-key=@/key.pem"], "", &["--tls-cert", "@/none.pem"]),
        mistake(TLS_FLAG, &["--tls-cert=@/cert.pem", "--tls-key=@/none.pem"], "", &["--tls-key", "@/none.pem"]),
        mistake(TLS_FLAG, &["--tls-cert=@", "--tls-key=@/key.pem"], "", &["--tls-cert", "@"]),
        mistake(TLS_FLAG, &["--tls-cert=@/text.pem", "--tls-key=@/key.pem"], "", &["--tls-cert", "@/text.pem"]),
        mistake(TLS_FLAG, &["--tls-cert=@/cert.pem", "--tls-key=@/cert.pem"], "", &["--tls-key", "@/cert.pem"]),
        mistake(
            TLS_FLAG,
            &["--tls-cert=@/cert.pem", "--tls-key=@/other-key.pem"],
            "",
            &["--tls-cert", "@/other-key.pem", "@/cert.pem"],
        ),
        flag(&["--insecure-public-http", "--tls-self-signed"], &["--insecure-public-http", "--tls-self-signed"]),
        flag(&["--public-listen=here"], &["--public-listen here"]),
        flag(&["--max-body=1GiB"], &["--body-budget"]),
        // The gRPC listeners: promise 8.
        flag(&["--grpc-listen=0.0.0.0:0"], &["--grpc-listen 0.0.0.0:0", "--grpc-tls-cert", "--insecure-grpc"]),
        flag(&["--grpc-listen=[::]:0"], &["--grpc-listen [::]:0", "--insecure-grpc"]),
        flag(&["--grpc-listen=example.com:0"], &["--grpc-listen example.com:0", "--insecure-grpc"]),
        flag(&["--grpc-listen=127.0.0.1:0,10.0.0.1:0"], &["--grpc-listen 10.0.0.1:0", "--insecure-grpc"]),
        flag(
            &["--grpc-listen=0.0.0.0:0", "--grpc-tls-cert=@/cert.pem", "--grpc-tls-key=@/key.pem"],
            &["--grpc-listen 0.0.0.0:0", "--identities", "--insecure-grpc-anonymous"],
        ),
        flag(&["--grpc-token-file=@/tokens"], &["--grpc-token-file", "--identities"]),
        flag(&["--identities=@/none.toml"], &["--identities", "@/none.toml"]),
        flag(&["--grpc-tls-cert=@/cert.pem"], &["--grpc-tls-key"]),
        flag(
            &["--grpc-tls-cert=@/cert.pem", "--grpc-tls-key=@/other-key.pem"],
            &["--grpc-tls-cert", "@/other-key.pem"],
        ),
        flag(&["--grpc-unix-mode=rw"], &["--grpc-unix-mode rw"]),
        // The rest.
        flag(&["--store=kafka"], &["--store kafka"]),
        flag(&["--max-streams=0"], &["--max-streams"]),
        flag(&["--feed-cache=1B"], &["--feed-cache 1B"]),
        flag(&["--log-level=loud"], &["--log-level loud"]),
        flag(&["--log-level=a=b=c"], &["--log-level a=b=c"]),
        // The file.
        flag(&["--config=@/none.toml"], &["--config", "@/none.toml"]),
        of_file("retension = \"7d\"\n", &["--config", "@/relay.toml", "retension", "line 1"]),
        of_file("\n\nmax-streams = \"many\"\n", &["--config", "@/relay.toml", "line 3"]),
        of_file("retention = = 7\n", &["--config", "@/relay.toml", "line 1"]),
        of_file("retention = \"a while\"\n", &["--config", "@/relay.toml", "line 1"]),
        of_file("[endpoints.a]\nsecrets = [\"hush\"]\nsecret = \"hush\"\n", &["@/relay.toml", "line 3", "secret"]),
        of_file("[endpoints.a]\nsecrets = \"hush\"\n", &["@/relay.toml", "line 2"]),
        of_file("webhook-secret = \"hush\"\n", &["@/relay.toml", "line 1"]),
        of_file("webhook-secret = [\"hush\n", &["@/relay.toml", "line 1"]),
        of_file("[endpoints.a]\nsecrets = [\"hush\"]\nallow-peers = [\"1.2.3\"]\n", &["@/relay.toml", "line 3"]),
        of_file("[endpoints.a]\n", &["[endpoints.a]", "secret"]),
        of_file("[endpoints.A]\nsecrets = [\"hush\"]\n", &["\"A\""]),
        of_file("[endpoints.smile]\nsecrets = [\"hush\"]\n", &["smile", "--webhook-secret"]),
        of_file("[endpoints.a]\nsecret-files = [\"/nowhere/secret\"]\n", &["[endpoints.a]", "/nowhere/secret"]),
    ]
}

#[test]
fn a_configuration_that_can_not_be_used_is_refused_in_one_line_that_names_what_is_wrong() {
    for mistake in mistakes() {
        let files = Files::new();
        files.write("relay.toml", mistake.file);
        let args = files.args(mistake.without, mistake.more);
        let said = |command: &[&str]| {
            let refused = run(command.iter().map(|word| (*word).to_owned()).chain(args.clone()));
            assert_eq!(refused.code, Some(64), "{command:?} {args:?}: {refused:#?}");
            assert!(refused.stdout.is_empty(), "{refused:#?}");
            refused.error().to_owned()
        };
        let served = said(&["serve"]);
        let place = files.place.path().display().to_string();
        for named in mistake.named {
            assert!(served.contains(&named.replace('@', &place)), "{args:?}: {named:?} is not in {served:?}");
        }
        assert!(!served.contains("hush") && !served.contains(SECRET), "{args:?}: a secret is in {served:?}");
        assert_eq!(said(&["config", "check"]), served, "{args:?}: both have to say the same");
        assert!(!files.place.data_dir().exists(), "{args:?}: nothing was touched");
    }
    let files = Files::new();
    let checked = run(["config".to_owned(), "check".to_owned()].into_iter().chain(files.args(&[], &[])));
    assert_eq!(checked.ok().stdout(), "the configuration is good\n", "without a mistake");
}

#[test]
fn a_flag_that_is_none_or_a_value_that_can_not_be_read_is_refused() {
    for (args, named) in [
        (&["serve", "--nope"][..], "--nope"),
        (&["serve", "--retention=forever"], "--retention"),
        (&["serve", "--retention"], "--retention"),
        (&["serve", "--admin-listen=here"], "--admin-listen"),
        (&["serve", "--log-format=xml"], "--log-format"),
        (&["serve", "more"], "more"),
        (&["config", "check", "--max-body=lots"], "--max-body"),
        (&["tail", "--name=../x"], "--name"),
        (&["tail", "--json", "--raw"], "--raw"),
        (&["tail", "--since=later"], "--since"),
        (&["tail", "--address=ftp://x"], "--address"),
        (&["trigger"], "<TYPE>"),
        (&["trigger", "USER_CREATED", "--count=0"], "--count"),
        (&["trigger", "USER_CREATED", "--set=x"], "--set"),
        (&["events", "get"], "<ID|SEQUENCE|CURSOR>"),
        (&["nothing"], "nothing"),
    ] {
        let refused = run(args);
        assert_eq!(refused.code, Some(64), "{args:?}: {refused:#?}");
        let errors: Vec<_> = refused.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{args:?}: {refused:#?}");
        assert!(refused.stderr.contains(named), "{args:?}: {refused:#?}");
    }
    let mistaken = finish(command().arg("serve").env("SMILE_RELAY_MAX_STREAMS", "lots"), b"");
    assert!(mistaken.code == Some(64) && mistaken.stderr.contains("--max-streams"), "{mistaken:#?}");
}

/// Serves with what is expected to be refused for the state that the machine is in.
fn serve(files: &Files, more: &[&str]) -> Finished {
    run(["serve".to_owned()].into_iter().chain(files.args(&[], more)))
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let files = Files::new();
    for flag in ["--public-listen", "--grpc-listen", "--admin-listen"] {
        let refused = serve(&files, &[&format!("{flag}={address}")]);
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        assert!(refused.error().contains(&format!("{flag}: {address}")), "{refused:#?}");
        assert!(!files.place.data_dir().exists(), "nothing was touched");
    }
    // The path of a socket where something else is.
    let refused = serve(&files, &["--grpc-listen=unix:@/text.pem"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let error = refused.error();
    assert!(error.contains("--grpc-listen: unix:") && error.contains("text.pem"), "{error}");
    assert_eq!(fs::read(files.path("text.pem")).unwrap(), b"not PEM");
}

#[test]
fn a_data_directory_that_can_not_be_used_is_named_and_left_as_it_is() {
    let refused_at = |files: &Files, dir: &Path, code: i32, named: &[&str]| {
        let refused = serve(files, &[&format!("--data-dir={}", dir.display())]);
        assert_eq!(refused.code, Some(code), "{refused:#?}");
        let error = refused.error();
        for named in ["--data-dir", &dir.display().to_string()].iter().chain(named) {
            assert!(error.contains(named), "{named:?} is not in {error:?}");
        }
    };
    let files = Files::new();
    // It can't be made, or is no directory.
    refused_at(&files, &files.path("text.pem").join("data"), 64, &[]);
    refused_at(&files, &files.path("text.pem"), 64, &[]);
    refused_at(&files, Path::new("/proc/smile-relay"), 64, &[]);
    if !rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        let closed = files.path("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        refused_at(&files, &closed, 64, &[]);
        refused_at(&files, &closed.join("data"), 64, &[]);
    }
    // Somebody else's.
    let text = files.path("text");
    fs::create_dir(&text).unwrap();
    let precious = "a diary, longer than the header of a database, day by day by day by day by day by day\n".repeat(20);
    fs::write(text.join("events.db"), &precious).unwrap();
    refused_at(&files, &text, 64, &["events.db"]);
    assert_eq!(fs::read_to_string(text.join("events.db")).unwrap(), precious);

    let other = files.path("other");
    fs::create_dir(&other).unwrap();
    let database = rusqlite::Connection::open(other.join("events.db")).unwrap();
    database.execute_batch("CREATE TABLE birds (name TEXT); INSERT INTO birds VALUES ('wren')").unwrap();
    drop(database);
    let before = fs::read(other.join("events.db")).unwrap();
    refused_at(&files, &other, 64, &["events.db"]);
    assert!(fs::read(other.join("events.db")).unwrap() == before, "not a byte of it was changed");

    let directory = files.path("directory");
    fs::create_dir_all(directory.join("events.db")).unwrap();
    refused_at(&files, &directory, 1, &[]);

    // A newer version's.
    assert!(files.place.start(&[]).stop().success());
    let database = rusqlite::Connection::open(files.place.data_dir().join("events.db")).unwrap();
    let number = |sql| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let (known, used) = (number("SELECT version FROM log"), number("PRAGMA user_version"));
    database.execute_batch(&format!("PRAGMA user_version = {}", known + 1)).unwrap();
    refused_at(&files, &files.place.data_dir(), 64, &["newer", &format!("schema {}", known + 1)]);
    database.execute_batch(&format!("PRAGMA user_version = {used}")).unwrap();
    drop(database);
    assert!(files.place.start(&[]).stop().success(), "it was left as it was");
}

#[test]
fn a_file_system_in_memory_is_refused_unless_allowed() {
    const TMPFS: u64 = 0x0102_1994;
    let shared = Path::new("/dev/shm");
    let is_memory = rustix::fs::statfs(shared).is_ok_and(|found| u64::try_from(found.f_type) == Ok(TMPFS));
    if !is_memory {
        println!("there is no tmpfs at {} to try this with", shared.display());
        return;
    }
    let memory = tempfile::tempdir_in(shared).unwrap();
    let flag = format!("--data-dir={}", memory.path().display());
    let files = Files::new();
    let refused = serve(&files, &[&flag]);
    assert_eq!(refused.code, Some(64), "{refused:#?}");
    let error = refused.error();
    for named in ["--data-dir", "tmpfs", "--allow-any-filesystem", &memory.path().display().to_string()] {
        assert!(error.contains(named), "{named:?} is not in {error:?}");
    }
    let allowed = files.place.start(&[&flag, "--allow-any-filesystem"]);
    assert!(allowed.log().contains("--allow-any-filesystem"), "it is named in the log: {}", allowed.log());
    assert!(allowed.stop().success());
}

#[test]
fn what_gives_up_a_protection_is_named_in_the_log() {
    let place = Place::default();
    let relay = place.start(&["--insecure-public-http", "--insecure-grpc", "--grpc-listen=0.0.0.0:0"]);
    for flag in ["--insecure-public-http", "--insecure-grpc"] {
        assert!(relay.log().contains(flag), "{}", relay.log());
    }
    assert!(!relay.log().contains(SECRET));
}

#[test]
fn the_configuration_is_printed_with_secrets_masked_and_can_be_read_again() {
    let files = Files::new();
    let file = r#"
        retention = "7d"
        max-streams = 5
        feed-cache = "1MiB"
        webhook-secret = ["hush-file-1", "hush-file-2"]
        [endpoints.sandbox]
        secrets = ["hush-endpoint"]
        allow-peers = ["18.142.61.230/32"]
    "#;
    files.write("relay.toml", file);
    let config = format!("--config={}", files.path("relay.toml").display());
    let print = |args: &[&str], variables: &[(&str, &str)]| {
        let mut printing = command();
        printing.args(["config", "print"]).args(args).envs(variables.iter().copied());
        let printed = finish(&mut printing, b"").ok();
        assert!(!printed.stdout().contains("hush") && printed.stderr.is_empty(), "{printed:#?}");
        printed.stdout().to_owned()
    };
    let parsed = |text: &str| text.parse::<toml::Table>().unwrap_or_else(|e| panic!("{e}: {text}"));

    let printed = print(&[&config], &[]);
    let table = parsed(&printed);
    assert_eq!(table["retention"].as_str(), Some("7days"), "of the file");
    assert_eq!(table["drain-timeout"].as_str(), Some("20s"), "the default");
    assert_eq!(table["webhook-secret"].as_array().unwrap().len(), 2);
    assert_eq!(table["webhook-secret"][0].as_str(), Some("***"));
    assert_eq!(table["endpoints"]["sandbox"]["secrets"][0].as_str(), Some("***"));
    assert_eq!(table["endpoints"]["sandbox"]["allow-peers"][0].as_str(), Some("18.142.61.230/32"));
    // What is printed is a file that says the same.
    files.write("printed.toml", &printed);
    assert_eq!(print(&[&format!("--config={}", files.path("printed.toml").display())], &[]), printed);

    // Flags over variables over the file.
    let variables = [
        ("SMILE_RELAY_MAX_STREAMS", "6"),
        ("SMILE_RELAY_FEED_CACHE", "2MiB"),
        ("SMILE_RELAY_WEBHOOK_SECRET", "hush-variable"),
        ("SMILE_RELAY_GRPC_LISTEN", "127.0.0.1:1,127.0.0.1:2"),
        ("SMILE_RELAY_INSECURE_GRPC", "true"),
    ];
    let table = parsed(&print(&[&config, "--max-streams=7"], &variables));
    assert_eq!(table["max-streams"].as_integer(), Some(7));
    assert_eq!(table["feed-cache"].as_str(), Some("2MiB"));
    assert_eq!(table["retention"].as_str(), Some("7days"));
    assert_eq!(table["webhook-secret"].as_array().unwrap().len(), 1);
    assert_eq!(table["grpc-listen"].as_array().unwrap().len(), 2);
    assert_eq!(table["insecure-grpc"].as_bool(), Some(true));
    let table = parsed(&print(&[&config, "--webhook-secret=hush-flag", "--webhook-secret=hush-flag-2"], &variables));
    assert_eq!(table["webhook-secret"].as_array().unwrap().len(), 2);
}
