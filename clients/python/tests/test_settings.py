from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from smile_relay import Settings, SettingsError, Tls
from smile_relay._channel import channel_options, read_access, read_metadata


@pytest.mark.parametrize("target", ["127.0.0.1:50051", "relay.example.com:443", "[::1]:50051", "unix:/run/r.sock"])
def test_targets(target: str) -> None:
    assert Settings(target).target == target


@pytest.mark.parametrize(
    "target", ["", "relay", "relay:", ":50051", "relay:0", "relay:65536", "::1:50051", "http://relay:1", "unix:"]
)
def test_wrong_targets(target: str) -> None:
    with pytest.raises(SettingsError, match="target"):
        Settings(target)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", "now"),
        ("start", datetime(2026, 11, 16)),
        ("heartbeat_interval", 0.9),
        ("heartbeat_interval", 301),
        ("max_event_bytes", 4095),
        ("consumer", "é" * 65),
        ("backoff_initial", 0),
        ("backoff_initial", 11),
    ],
)
def test_wrong_settings_are_named(name: str, value: object) -> None:
    setting: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=name):
        Settings("relay:1", **setting)


@pytest.mark.parametrize("target", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/s"])
def test_a_token_goes_in_plaintext_only_where_it_stays_on_the_machine(target: str) -> None:
    Settings(target, token_file="t")
    Settings("relay:1", token_file="t", tls=Tls())
    for other in ("relay:1", "10.0.0.1:1", "localhost.example.com:1"):
        with pytest.raises(SettingsError, match="token_file"):
            Settings(other, token_file="t")


def test_the_token_is_read_anew_and_trimmed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    settings = Settings("unix:/s", token_file=str(file))
    with pytest.raises(SettingsError, match="token_file"):
        read_access(settings)
    file.write_text(" one\n")
    assert read_metadata(settings) == (("authorization", "Bearer one"),)
    file.write_text("two\r\n")
    assert read_metadata(settings) == (("authorization", "Bearer two"),)


@pytest.mark.parametrize("content", ["", " \n", "s3cret\nmore", "s3cré"])
def test_a_token_that_cannot_be_sent_is_not_repeated_in_the_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="token_file") as error:
        read_metadata(Settings("unix:/s", token_file=str(tmp_path / "token")))
    assert "s3cr" not in str(error.value)


def test_tls_files_are_checked_before_grpc_fails_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="together"):
        Tls(cert_file="c")
    (tmp_path / "ca").write_text("no certificate")
    for ca_file in (tmp_path / "ca", tmp_path / "missing"):
        with pytest.raises(SettingsError, match="ca_file"):
            read_access(Settings("relay:1", tls=Tls(ca_file=str(ca_file))))


def test_a_socket_gets_an_authority_that_http2_servers_accept() -> None:
    assert ("grpc.default_authority", "localhost") in channel_options(Settings("unix:/run/r.sock"))
    assert "grpc.default_authority" not in dict(channel_options(Settings("relay:1")))
    named = Settings("relay:1", tls=Tls(server_name="relay.example.com"))
    assert ("grpc.ssl_target_name_override", "relay.example.com") in channel_options(named)
