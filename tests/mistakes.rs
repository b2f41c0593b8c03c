//! Every mistake in a configuration is told with the place where it was made: the flag, the variable, or the file and its
//! line. And what is not known is told with what was probably meant.

mod support;

use clap::{Arg, ArgAction, Args};
use smile_relay::config::Settings;
use support::{
    SECRET, command,
    files::Files,
    program::{Finished, finish},
};

fn check(args: &[String], variables: &[(&str, &str)]) -> Finished {
    finish(command().args(["config", "check"]).args(args).envs(variables.iter().copied()), b"")
}

/// What a setting can't be, by what its help calls the value. None: it can be anything, as far as this is checked before
/// something is opened.
fn mistake(setting: &Arg) -> Option<&'static str> {
    if setting.get_id() == "config" {
        return None;
    }
    Some(match setting.get_value_names()?.first()?.as_str() {
        "ADDRESS" => "here",
        "BOOL" => "maybe",
        "BYTES" => "lots",
        "DURATION" => "a while",
        "FILE" => "/nowhere/at/all",
        "FORMAT" => "xml",
        "LEVEL" => "loud",
        "MODE" => "rw",
        "N" | "RATIO" => "many",
        "NAME" => "x-colour",
        "NETWORK" => "10.0.0.0/99",
        "ORIGIN" => "app.example.com",
        "SECRET" => "",
        "STORE" => "kafka",
        "URL" => "nowhere",
        _ => return None,
    })
}

#[test]
fn a_mistake_is_told_with_the_place_where_it_was_made() {
    let settings = Settings::augment_args(clap::Command::new("settings"));
    let mut tried = 0;
    for setting in settings.get_arguments() {
        let Some(value) = mistake(setting) else { continue };
        let name = setting.get_long().unwrap();
        let variable = setting.get_env().unwrap().to_str().unwrap();
        let (files, flag) = (Files::new(), format!("--{name}"));
        // Secrets of one kind replace those of the other.
        let mine = if name.starts_with("webhook-secret") { "--webhook-secret" } else { &flag };
        let said = |more: &[&str], variables: &[(&str, &str)]| {
            let refused = check(&files.args(&[mine], more), variables);
            assert_eq!(refused.code, Some(64), "{name}: {refused:#?}");
            refused.stderr
        };

        let by_flag = said(&[&format!("{flag}={value}")], &[]);
        assert!(by_flag.contains(&flag) && !by_flag.contains("relay.toml"), "{by_flag}");
        assert!(!by_flag.contains(variable), "{by_flag}");

        let by_variable = said(&[], &[(variable, value)]);
        assert!(by_variable.contains(variable), "{by_variable}");

        let is_list = matches!(setting.get_action(), ArgAction::Append);
        let written = if is_list { format!("[{value:?}]") } else { format!("{value:?}") };
        files.write("relay.toml", format!("# Of the relay.\n\n{name} = {written}\n"));
        let by_file = said(&["--config=@/relay.toml"], &[]);
        let path = files.path("relay.toml").display().to_string();
        let places = [format!("--config {path}: line 3: {name}"), format!("{name} (line 3 of {path})")];
        assert!(places.iter().any(|place| by_file.contains(place)), "{name}: {by_file}");
        assert!(!by_file.contains(&format!("{flag} ")) && !by_file.contains(&format!("{flag}:")), "{by_file}");

        // A flag wins over the rest, and so does its mistake.
        let of_all = said(&[&format!("{flag}={value}"), "--config=@/relay.toml"], &[(variable, value)]);
        assert!(of_all.contains(&flag), "{of_all}");
        tried += 1;
    }
    assert!(tried >= 35, "{tried}");
}

/// What is said when the file holds this.
fn said_of(file: &str) -> String {
    let files = Files::new();
    files.write("relay.toml", file);
    let refused = check(&files.args(&["--grpc-listen"], &["--config=@/relay.toml"]), &[]);
    assert_eq!(refused.code, Some(64), "{file}: {refused:#?}");
    let path = files.path("relay.toml").display().to_string();
    let error = refused.error().replace(&path, "relay.toml");
    assert!(!error.contains("hush") && !error.contains(SECRET), "{error}");
    error.strip_prefix("error: ").unwrap().to_owned()
}

#[test]
fn what_is_not_known_or_can_not_be_read_is_told_with_what_to_write() {
    let endpoint = "[endpoints.a]\nsecrets = [\"hush\"]\n";
    for (file, told) in [
        ("retension = \"7d\"\n", "line 1: unknown key `retension`; did you mean `retention`?"),
        ("grpc_listen = [\"127.0.0.1:0\"]\n", "line 1: unknown key `grpc_listen`; did you mean `grpc-listen`?"),
        (
            "\ncolour = \"red\"\n",
            "line 2: unknown key `colour`; `smile-relay serve --help` lists all of them, as flags",
        ),
        (&format!("{endpoint}secret = \"hush\"\n"), "line 3: unknown key `secret`; did you mean `secrets`?"),
        (&format!("{endpoint}peers = []\n"), "line 3: unknown key `peers`; an endpoint has "),
        ("[endpoint.a]\n", "line 1: unknown key `endpoint`; did you mean `endpoints`?"),
        ("max-streams = \"many\"\n", "line 1: max-streams: invalid type: string, expected usize; write a whole number"),
        (
            "\nretention = 7\n",
            "line 2: retention: invalid type: integer, expected a string; write a text such as \"90s\"",
        ),
        (
            "webhook-secret = \"hush\"\n",
            "line 1: webhook-secret: invalid type: string, expected a sequence; write a list",
        ),
        (
            "[endpoints.a]\nsecrets = \"hush\"\n",
            "line 2: [endpoints.a] secrets: invalid type: string, expected a sequence",
        ),
        // Found when all is there, and told with its place as well.
        ("max-body = \"1GiB\"\nbody-budget = \"1MiB\"\n", "line 1"),
        ("\n[endpoints.a]\n", "line 2: [endpoints.a]: it has no secret"),
        ("[endpoints.A]\nsecrets = [\"hush\"]\n", "line 1: [endpoints.A]: \"A\" can't be an endpoint's name"),
        ("[endpoints.a]\nsecret-files = [\"/none\"]\n", "line 2: [endpoints.a] secret-files /none: "),
        (&format!("{endpoint}[endpoints.b]\nsecrets = [\"\"]\n"), "line 4: [endpoints.b] secrets: "),
        ("[endpoints.smile]\nsecrets = [\"hush\"]\n", "[endpoints.smile] (line 1 of relay.toml)"),
        ("insecure-public-http = true\n", "and insecure-public-http (line 1 of relay.toml) can be set"),
        ("grpc-listen = [\n  \"0.0.0.0:0\",\n]\n", "line 1: grpc-listen 0.0.0.0:0 is reachable from elsewhere"),
    ] {
        let said = said_of(file);
        assert!(said.contains(told), "{file}: {said}");
        assert!(said.contains("relay.toml"), "{file}: {said}");
    }
}

#[test]
fn a_variable_that_is_mistyped_is_not_passed_over() {
    let files = Files::new();
    let args = files.args(&[], &[]);
    for (variable, meant) in [
        ("SMILE_RELAY_RETENSION", "SMILE_RELAY_RETENTION"),
        ("SMILE_RELAY_MAX_STREAM", "SMILE_RELAY_MAX_STREAMS"),
        ("SMILE_RELAY_TLSCERT", "SMILE_RELAY_TLS_CERT"),
    ] {
        let refused = check(&args, &[(variable, "7d")]);
        assert_eq!(refused.code, Some(64), "{refused:#?}");
        let expected = format!("error: {variable}: there is no such setting; did you mean {meant}?");
        assert_eq!(refused.error(), expected);
    }
    // Kubernetes tells every pod of every Service in this way; the others are of commands and of nobody.
    let others = [
        "SMILE_RELAY_SERVICE_HOST",
        "SMILE_RELAY_SERVICE_PORT",
        "SMILE_RELAY_SERVICE_PORT_GRPC",
        "SMILE_RELAY_PORT",
        "SMILE_RELAY_PORT_8443_TCP",
        "SMILE_RELAY_PORT_50051_TCP_ADDR",
        "SMILE_RELAY_ADDRESS",
        "SMILE_RELAY_TOKEN_FILE",
        "SMILE_RELAY_OWNER",
        "OTHER_RELAY_RETENSION",
    ];
    check(&args, &others.map(|variable| (variable, "x"))).ok();
}
