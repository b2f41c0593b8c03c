use clap::{CommandFactory, Parser};

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

fn parse(flags: &[&str]) -> Settings {
    Flags::parse_from(["serve"].iter().chain(flags)).settings
}

fn refusal(flags: &[&str]) -> String {
    load(parse(flags)).and_then(|settings| check(&settings)).unwrap_err().to_string()
}

const SECRET: &str = "--webhook-secret=s3cret";
const SELF_SIGNED: &str = "--tls-self-signed";

#[test]
fn the_help_names_the_defaults_that_hold() {
    let defaults = toml::Table::try_from(settings::defaults()).unwrap();
    let mut seen = 0;
    for flag in Flags::command().get_arguments() {
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        let Some((_, said)) = help.split_once("[default: ") else { continue };
        let said = said.trim_end_matches(']').trim_start_matches('`');
        let name = flag.get_long().unwrap();
        let holds = defaults.get(name).map(|value| match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(list) => list[0].as_str().unwrap().to_owned(),
            other => other.to_string(),
        });
        let same = |said: &str, holds: &str| {
            said == holds || matches!((said.parse::<Span>(), holds.parse::<Span>()), (Ok(a), Ok(b)) if a == b)
        };
        match holds {
            Some(holds) => assert!(same(said, &holds), "--{name}: help says {said}, {holds} holds"),
            None => assert!(["no limit", "never", "text on a terminal, else json"].contains(&said), "--{name}: {said}"),
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn every_flag_has_its_variable() {
    for flag in Flags::command().get_arguments() {
        let name = flag.get_long().unwrap();
        let variable = format!("SMILE_RELAY_{}", name.replace('-', "_").to_uppercase());
        assert_eq!(flag.get_env().unwrap().to_str().unwrap(), variable);
    }
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.toml");
    std::fs::write(
        &path,
        "retention = \"7d\"\nmax-streams = 5\nwebhook-secret = [\"from-file\"]\nmax-body = \"1000001B\"\n",
    )
    .unwrap();
    let config = format!("--config={}", path.display());
    let settings = load(parse(&[&config, "--max-streams=9", SELF_SIGNED])).unwrap();
    let checked = check(&settings).unwrap();
    assert_eq!(checked.max_streams, 9);
    assert_eq!(checked.log.retention, Some(Duration::from_hours(168)));
    assert_eq!(settings.max_body, Some(Volume(1_000_001)), "exact");
    assert_eq!(checked.drain_timeout, Duration::from_secs(20));
}

#[test]
fn what_is_printed_is_masked_and_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.toml");
    std::fs::write(&path, "[endpoints.sandbox]\nsecrets = [\"hush\"]\nallow-peers = [\"18.142.61.230/32\"]\n").unwrap();
    let settings = load(parse(&[&format!("--config={}", path.display()), SECRET])).unwrap();
    let shown = settings.masked();
    assert!(!shown.contains("s3cret") && !shown.contains("hush") && shown.contains("***"), "{shown}");
    toml::from_str::<Settings>(&shown).unwrap();
    for shown in
        [format!("{settings:?}"), format!("{:?}", check(&load(parse(&[SECRET, SELF_SIGNED])).unwrap()).unwrap())]
    {
        assert!(!shown.contains("s3cret") && !shown.contains("hush") && shown.contains("***"), "{shown}");
    }
}

#[test]
fn the_public_listener_knows_its_proxies_and_limits() {
    let flags = ["--trusted-proxy=10.0.0.1,2001:db8::/32", "--trusted-proxy=unix", "--proxy-protocol"];
    let limits = check(&load(parse(&[&[SECRET, SELF_SIGNED], &flags[..]].concat())).unwrap()).unwrap().public_limits;
    let trusted = |address: &str| limits.proxies.trusted.contains(address.parse().unwrap());
    assert!(trusted("10.0.0.1") && trusted("2001:db8::9") && !trusted("10.0.0.2"));
    assert!(limits.proxies.trusts_unix && limits.proxies.protocol);
    assert_eq!((limits.connections, limits.connections_per_address), (10_000, Some(1_000)));
}

#[test]
fn an_http2_connection_has_requests_as_its_window_has_room() {
    for (window, expected) in
        [("64KiB", [64 << 10, 32 << 10, 12]), ("300KiB", [300 << 10, 150 << 10, 60]), ("4MiB", [4 << 20, 2 << 20, 100])]
    {
        let flag = format!("--http2-window={window}");
        let limits = check(&load(parse(&[SECRET, SELF_SIGNED, &flag])).unwrap()).unwrap().public_limits;
        let found = [limits.connection_window_bytes, limits.stream_window_bytes, limits.streams_per_connection];
        assert_eq!(found, expected, "{window}");
    }
}

#[test]
fn mistakes_are_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let empty = file("empty", "\n");
    let unknown = file("unknown.toml", "retension = \"7d\"\n");
    let peers = file("peers.toml", "[endpoints.sandbox]\nsecrets = [\"s\"]\nallow-peers = [\"10.0.0.0/99\"]\n");
    for (flags, named) in [
        (vec![SECRET], "--tls-cert"),
        (vec![SELF_SIGNED], "--webhook-secret-file"),
        (vec![SECRET, "--tls-cert=a"], "--tls-key"),
        (vec![SECRET, SELF_SIGNED, "--insecure-public-http"], "only one of"),
        (vec![SECRET, SELF_SIGNED, "--grpc-listen=0.0.0.0:50051"], "--insecure-grpc"),
        (vec![SECRET, SELF_SIGNED, "--grpc-unix-mode=9"], "octal"),
        (vec![SECRET, SELF_SIGNED, "--grpc-web-origin=*"], "--grpc-web-origin *"),
        (vec![SECRET, SELF_SIGNED, "--grpc-web-origin=app.example.com"], "https://app.example.com"),
        (vec![SECRET, SELF_SIGNED, "--grpc-web-origin=https://App.example.com"], "small letters"),
        (vec![SECRET, SELF_SIGNED, "--grpc-web-origin=https://app.example.com/"], "without a path"),
        (vec![SECRET, SELF_SIGNED, "--grpc-web-origin=https://app.example.com:443"], "own port"),
        (vec![SECRET, SELF_SIGNED, "--grpc-web-origin=http://a.example,null"], "--grpc-web-origin null"),
        (vec![SECRET, SELF_SIGNED, "--otlp-endpoint=collector:4317"], "http://HOST:PORT"),
        (vec![SECRET, SELF_SIGNED, "--otlp-endpoint=http://collector:4318/v1/traces"], "over gRPC"),
        (vec![SECRET, SELF_SIGNED, "--trace-sample=1.5"], "from 0 to 1"),
        (vec![SECRET, SELF_SIGNED, "--store=kafka"], "--store kafka"),
        (vec![SECRET, SELF_SIGNED, "--write-queue=1B"], "--write-queue 1B"),
        (vec![SECRET, SELF_SIGNED, "--http2-window=63KiB"], "--http2-window 63KiB"),
        (vec!["--webhook-secret=", SELF_SIGNED], "--webhook-secret"),
        (vec!["--webhook-secret-file", &empty, SELF_SIGNED], "the file is empty"),
        (vec!["--webhook-secret-file", "/nowhere/secret", SELF_SIGNED], "/nowhere/secret"),
        (vec!["--config", "/nowhere/relay.toml"], "/nowhere/relay.toml"),
        (vec!["--config", &unknown], "retension"),
        (vec![SECRET, SELF_SIGNED, "--public-listen=here"], "--public-listen here"),
        (vec![SECRET, SELF_SIGNED, "--allow-peers=smile,sandbox"], "--allow-peers sandbox: write an address"),
        (vec![SELF_SIGNED, "--allow-peers=smile"], "[endpoints.NAME]"),
        (vec!["--config", &peers, SELF_SIGNED], "[endpoints.sandbox] allow-peers 10.0.0.0/99"),
        (vec![SECRET, SELF_SIGNED, "--trusted-proxy=ingress"], "--trusted-proxy ingress: write an address"),
        (vec![SECRET, SELF_SIGNED, "--trusted-proxy=10.0.0.0/8,::/0"], "--trusted-proxy ::/0: that is everybody"),
        (vec![SECRET, SELF_SIGNED, "--proxy-protocol"], "set --trusted-proxy"),
        (vec![SECRET, SELF_SIGNED, "--forwarded-header=X-Real-IP"], "x-forwarded-for or forwarded"),
        (vec![SECRET, SELF_SIGNED, "--max-connections=0"], "--max-connections 0: it has to be from 1 to 1000000000"),
        (vec![SECRET, SELF_SIGNED, "--max-streams=2000000000"], "--max-streams 2000000000: it has to be from 1 to"),
        (vec![SECRET, SELF_SIGNED, "--max-connections-per-address=0"], "--max-connections-per-address 0: it has to be"),
    ] {
        let message = refusal(&flags);
        assert!(message.contains(named), "{flags:?}: {message}");
    }
}
