"""The flags of scripts and of the command."""

from __future__ import annotations

import pytest

from blackbull.cli.flags import Flags, flag_name, parse_flags, said
from blackbull.config import Found
from blackbull.errors import ConfigurationError


def test_flags_absent_say_nothing() -> None:
    assert parse_flags([]) == Flags()


def test_flags_all_are_understood() -> None:
    argv = ["--host", "::1", "--port", "0", "--cert", "c.pem", "--key", "k.pem",
            "--workers", "3", "--reload"]  # fmt: skip
    assert parse_flags(argv) == Flags("::1", 0, "c.pem", "k.pem", 3, True)


def test_flags_long_names_of_files_are_understood() -> None:
    assert parse_flags(["--certfile=c", "--keyfile=k"]) == Flags(certfile="c", keyfile="k")


def test_flags_places_are_gathered() -> None:
    argv = ["--bind", "127.0.0.1:1", "--bind=[::1]:1?tls=off", "--bind", "unix:/run/x.sock"]
    assert parse_flags(argv).bind == ("127.0.0.1:1", "[::1]:1?tls=off", "unix:/run/x.sock")


def test_flags_more_certificates_are_gathered() -> None:
    argv = ["--client-ca", "ca.pem", "--sni", "a.example=a.pem,a.key", "--sni=b.example=b.pem"]
    assert parse_flags(argv) == Flags(
        client_ca="ca.pem", sni={"a.example": ("a.pem", "a.key"), "b.example": ("b.pem", None)}
    )


def test_flags_certificate_without_a_name_raises() -> None:
    with pytest.raises(ConfigurationError, match=r"'a\.pem' is not NAME=CERT,KEY"):
        parse_flags(["--sni", "a.pem"])


@pytest.mark.parametrize(
    "argv", [["--verbose"], ["-x", "name"], ["--por", "1"], ["--rel"], ["--hostname", "a"], ["-h"]]
)
def test_flags_unknown_are_left_alone(argv: list[str]) -> None:
    assert parse_flags(argv) == Flags()


@pytest.mark.parametrize("port", ["", "x", "-1", "65536", "80.0", "８０", "0x50"])
def test_port_impossible_raises(port: str) -> None:
    with pytest.raises(ConfigurationError, match="is no port"):
        parse_flags([f"--port={port}"])


@pytest.mark.parametrize("port", ["0", "1", "65535"])
def test_port_within_range_is_taken(port: str) -> None:
    assert parse_flags(["--port", port]).port == int(port)


def test_flags_connections_are_counted() -> None:
    assert parse_flags(["--max-connections", "100"]) == Flags(max_connections=100)


@pytest.mark.parametrize("count", ["0", "-1", "auto"])
def test_connections_impossible_raises(count: str) -> None:
    with pytest.raises(ConfigurationError, match="is no number of connections"):
        parse_flags([f"--max-connections={count}"])


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("8", 8.0), ("2.5", 2.5)])
def test_flags_drain_timeout_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_flags(["--drain-timeout", text]) == Flags(drain_timeout=seconds)


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "soon"])
def test_drain_timeout_impossible_raises(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no number of seconds"):
        parse_flags([f"--drain-timeout={text}"])


def test_flags_workers_can_be_as_many_as_processors() -> None:
    assert parse_flags(["--workers", "0", "--max-requests", "100"]) == Flags(
        workers=0, max_requests=100
    )


def test_flags_watched_paths_are_gathered() -> None:
    argv = ["--reload-path", "a", "b", "--reload-path=c"]
    assert parse_flags(argv) == Flags(reload_paths=("a", "b", "c"))


@pytest.mark.parametrize("requests", ["-1", "many"])
def test_requests_impossible_raises(requests: str) -> None:
    with pytest.raises(ConfigurationError, match="is no number of requests"):
        parse_flags([f"--max-requests={requests}"])


@pytest.mark.parametrize("workers", ["-1", "many"])
def test_workers_impossible_raises(workers: str) -> None:
    with pytest.raises(ConfigurationError, match="is no number of workers"):
        parse_flags([f"--workers={workers}"])


def test_flags_file_is_understood() -> None:
    assert parse_flags(["--config", "a.toml"]) == Flags(config="a.toml")


def test_flags_that_say_something_are_found_by_their_name() -> None:
    flags = Flags(host="", port=0, certfile="c", reload=False, sni={}, config="a.toml")
    assert said(flags) == {
        "port": Found(0, "--port"),
        "certfile": Found("c", "--cert"),
        "reload": Found(False, "--reload"),
    }


@pytest.mark.parametrize("text", ["", "localhost", "::1:8080", "a:99999", "unix:", "a:1?x=1"])
def test_bind_impossible_raises(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--bind"):
        parse_flags(["--bind", text])


@pytest.mark.parametrize("name", [n for n in Flags.__slots__ if n not in ("reload", "sni", "bind")])
def test_flag_name_is_what_the_parser_understands(name: str) -> None:
    value = {"log_format": "json", "log_level": "info"}.get(name, "1")
    assert getattr(parse_flags([flag_name(name), value]), name) in (value, 1, (value,))
