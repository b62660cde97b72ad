"""The AsyncAPI document is valid and says what the application listens to (S45)."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from blackbull.app import BlackBull
from blackbull.mqtt.asyncapi import AsyncAPIExtension, asyncapi_html, generate_asyncapi
from blackbull.mqtt.registration import Registration
from blackbull.mqtt.tap import Message, Tap
from blackbull.openapi import OpenAPIExtension
from tests.unit.app.doubles import Exchange, ask, get

OFFICIAL = jsonschema.Draft7Validator(
    json.loads(
        gzip.decompress((Path(__file__).parent / "asyncapi/schema-3.0.0.json.gz").read_bytes())
    )
)


@dataclass
class Reading:
    """What a sensor says."""

    celsius: float
    note: str | None = None


class FakeMQTT(Registration):
    """The extension, as far as a document needs it."""

    def __init__(self, port: int | None = 1883, *, tls: bool = False) -> None:
        super().__init__()
        self.port = port
        self.tls = tls


def dig(value: object, *keys: str) -> object:
    for key in keys:
        assert isinstance(value, dict)
        value = value[key]
    return value


def generate(mqtt: FakeMQTT, **options: str) -> dict[str, object]:
    """Return the document, which is valid and refers to nothing that is not there."""
    document = json.loads(json.dumps(generate_asyncapi(mqtt, **options)))
    assert isinstance(document, dict)
    errors = [f"{list(each.path)}: {each.message}" for each in OFFICIAL.iter_errors(document)]
    assert errors == []
    for reference in references(document):
        assert reference.startswith("#/")
        dig(document, *reference[2:].split("/"))
    return document


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.fixture
def mqtt() -> FakeMQTT:
    return FakeMQTT()


async def on_temp(msg: Message, room: str) -> None:
    """Temperature readings per room.

    In degrees.
    """


async def on_any(msg: Message, **captures: str) -> None: ...


def test_document_describes_a_tap(mqtt: FakeMQTT) -> None:
    mqtt.on_message("sensors/{room}/temperature")(on_temp)
    document = generate(mqtt, title="Sensor Gateway", version="1.0.0")
    assert document["asyncapi"] == "3.0.0"
    assert dig(document, "info", "title") == "Sensor Gateway"
    assert dig(document, "info", "version") == "1.0.0"
    assert document["servers"] == {
        "broker": {"host": "localhost:1883", "protocol": "mqtt", "protocolVersion": "5.0"}
    }
    channel = dig(document, "channels", "sensorsRoomTemperature")
    assert dig(channel, "address") == "sensors/{room}/temperature"
    assert dig(channel, "parameters").keys() == {"room"}  # type: ignore[attr-defined]
    assert dig(channel, "messages") == {
        "bytesPayload": {"$ref": "#/components/messages/bytesPayload"}
    }
    assert document["operations"] == {
        "on_temp": {
            "action": "receive",
            "channel": {"$ref": "#/channels/sensorsRoomTemperature"},
            "summary": "Temperature readings per room.",
            "description": "In degrees.",
            "messages": [{"$ref": "#/channels/sensorsRoomTemperature/messages/bytesPayload"}],
        }
    }
    assert dig(document, "components", "messages", "bytesPayload", "contentType") == (
        "application/octet-stream"
    )


def test_document_without_taps_is_valid(mqtt: FakeMQTT) -> None:
    document = generate(mqtt)
    assert document["channels"] == document["operations"] == {}
    assert dig(document, "info", "title") == "BlackBull MQTT API"
    assert dig(document, "info", "version") == "0.1.0"


def test_document_states_the_three_caveats(mqtt: FakeMQTT) -> None:
    mqtt.on_message("a")(on_any)
    text = dig(generate(mqtt, description="Ours."), "info", "description")
    assert isinstance(text, str)
    assert text.startswith("Ours.\n\n")
    assert text.count("\n- ") == 3
    assert "not the broker's API" in text
    assert "QoS and retain are not captured" in text
    assert "application/octet-stream" in text


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([None], "opaque bytes (application/octet-stream): none"),
        ([None, Reading], "opaque bytes (application/octet-stream) where a message has no schema"),
        ([Reading], "Payloads have schemas"),
    ],
)
def test_document_says_of_payloads_what_is_true(
    mqtt: FakeMQTT, sources: list[object], expected: str
) -> None:
    for source in sources:
        mqtt.on_message("a", schema=source)(on_any)
    assert expected in str(dig(generate(mqtt), "info", "description"))


@pytest.mark.parametrize(
    ("topic", "channel"),
    [
        ("#", "root"),
        ("+/+", "root"),
        ("sensors/#", "sensors"),
        ("sensors/+/temperature", "sensorsTemperature"),
        ("sensors/{room}/temperature", "sensorsRoomTemperature"),
        ("{room_id}/air-quality", "roomIdAirQuality"),
        ("$SYS/broker/uptime", "sysBrokerUptime"),
        ("Haus/Küche", "hausKChe"),
        ("日本", "root"),
        ("/a//b/", "aB"),
    ],
)
def test_channel_is_named_by_its_words(mqtt: FakeMQTT, topic: str, channel: str) -> None:
    mqtt.on_message(topic)(on_any)
    channels = generate(mqtt)["channels"]
    assert isinstance(channels, dict)
    assert list(channels) == [channel]
    assert channels[channel]["address"] == topic


def test_names_that_clash_get_numbers(mqtt: FakeMQTT) -> None:
    for topic in ("a/+", "a/#", "a", "#", "+", "a/#"):
        mqtt.on_message(topic)(on_any)
    document = generate(mqtt)
    assert {name: dig(each, "address") for name, each in document["channels"].items()} == {  # type: ignore[attr-defined]
        "a": "a/+",
        "a2": "a/#",
        "a3": "a",
        "root": "#",
        "root2": "+",
    }
    assert list(document["operations"]) == [  # type: ignore[call-overload]
        "on_any", "on_any2", "on_any3", "on_any4", "on_any5", "on_any6",
    ]  # fmt: skip
    assert dig(document, "operations", "on_any6", "channel", "$ref") == "#/channels/a2"


def test_schema_is_documented(mqtt: FakeMQTT) -> None:
    mqtt.on_message("a", schema=Reading)(on_any)
    mqtt.on_message("b", schema=Reading)(on_any)
    mqtt.on_message(
        "c", schema={"title": "Level", "$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}
    )(on_any)
    mqtt.on_message("d", schema=float)(on_any)
    mqtt.on_message("e", schema=str)(on_any)
    mqtt.on_message("a")(on_any)
    document = generate(mqtt)
    messages = dig(document, "components", "messages")
    assert isinstance(messages, dict)
    assert {name: each["contentType"] for name, each in messages.items()} == {
        "Reading": "application/json",
        "Level": "application/json",
        "on_any4Payload": "application/json",
        "on_any5Payload": "text/plain",
        "bytesPayload": "application/octet-stream",
    }
    assert messages["Reading"]["payload"] == {"$ref": "#/components/schemas/Reading"}
    assert messages["on_any4Payload"]["payload"] == {"type": "number"}
    reading = dig(document, "components", "schemas", "Reading")
    assert dig(reading, "required") == ["celsius"]
    assert dig(reading, "description") == "What a sensor says."
    level = dig(document, "components", "schemas", "Level")
    assert dig(level, "$ref") == "#/components/schemas/Level/$defs/x"
    assert list(dig(document, "channels", "a", "messages")) == ["Reading", "bytesPayload"]  # type: ignore[call-overload]
    assert dig(document, "operations", "on_any6", "messages") == [
        {"$ref": "#/channels/a/messages/bytesPayload"}
    ]


def test_callback_without_a_docstring_has_no_summary(mqtt: FakeMQTT) -> None:
    mqtt.on_message("a")(on_any)
    mqtt.on_message("a")(functools.partial(on_any))
    mqtt.on_message("a")(lambda msg: None)
    operations = generate(mqtt)["operations"]
    assert isinstance(operations, dict)
    assert list(operations) == ["on_any", "partial", "lambda"]
    assert all("summary" not in each for each in operations.values())


@pytest.mark.parametrize(
    ("mqtt", "options", "host", "protocol"),
    [
        (FakeMQTT(11883), {}, "localhost:11883", "mqtt"),
        (FakeMQTT(None), {}, "localhost", "mqtt"),
        (FakeMQTT(8883, tls=True), {}, "localhost:8883", "secure-mqtt"),
        (FakeMQTT(), {"server_host": "mqtt.example.com:1884"}, "mqtt.example.com:1884", "mqtt"),
    ],
)
def test_server_is_the_broker(
    mqtt: FakeMQTT, options: dict[str, str], host: str, protocol: str
) -> None:
    server = dig(generate(mqtt, **options), "servers", "broker")
    assert (dig(server, "host"), dig(server, "protocol")) == (host, protocol)


# ---------------------------------------------------------------------- the extension


def serving(mqtt: FakeMQTT | None, extension: AsyncAPIExtension) -> BlackBull:
    app = BlackBull()
    if mqtt is not None:
        app.extensions["mqtt"] = mqtt
    app.add_extension(extension)
    return app


async def test_extension_serves_document_and_page(mqtt: FakeMQTT) -> None:
    mqtt.on_message("sensors/{room}/temperature")(on_temp)
    app = serving(mqtt, AsyncAPIExtension(title="Sensor Gateway", version="1.0.0"))
    document = await get(app, "/asyncapi.json")
    assert document.headers["content-type"] == b"application/json"
    assert json.loads(document.body) == generate(mqtt, title="Sensor Gateway", version="1.0.0")
    page = await get(app, "/asyncapi")
    assert page.headers["content-type"] == b"text/html; charset=utf-8"
    assert "<title>Sensor Gateway</title>" in page.text
    assert '"/asyncapi.json"' in page.text


async def test_extension_documents_taps_that_come_later(mqtt: FakeMQTT) -> None:
    app = serving(mqtt, AsyncAPIExtension())
    assert json.loads((await get(app, "/asyncapi.json")).body)["operations"] == {}
    mqtt.on_message("late")(on_any)
    assert list(json.loads((await get(app, "/asyncapi.json")).body)["operations"]) == ["on_any"]


async def test_extension_without_mqtt_raises_when_the_document_is_asked_for() -> None:
    extension = AsyncAPIExtension()
    app = serving(None, extension)
    with pytest.raises(RuntimeError, match="MQTTExtension"):
        extension.document(app)
    assert (await get(app, "/asyncapi.json")).status == 500


async def test_extension_paths_and_host_can_be_chosen(mqtt: FakeMQTT) -> None:
    extension = AsyncAPIExtension(
        server_host="gate:1883", description="Ours", spec_path="/spec", docs_path=None
    )
    app = serving(mqtt, extension)
    document = json.loads((await get(app, "/spec")).body)
    assert document["servers"]["broker"]["host"] == "gate:1883"
    assert document["info"]["description"].startswith("Ours")
    assert (await get(app, "/asyncapi")).status == 404


async def test_extension_finds_the_host_of_a_broker_on_the_port_of_http() -> None:
    app = serving(FakeMQTT(None), AsyncAPIExtension())
    fields = [(b"host", b"gate.example:8000")]
    answer = await ask(app, Exchange(path="/asyncapi.json", fields=fields))
    broker = json.loads(answer.body)["servers"]["broker"]
    assert (broker["host"], broker["protocol"]) == ("gate.example:8000", "mqtt")


async def test_extension_lives_beside_openapi(mqtt: FakeMQTT) -> None:
    app = serving(mqtt, AsyncAPIExtension())
    app.add_extension(OpenAPIExtension())
    for path in ("/openapi.json", "/docs", "/asyncapi.json", "/asyncapi"):
        assert (await get(app, path)).status == 200


def test_extension_can_install_itself_once() -> None:
    app = BlackBull()
    extension = AsyncAPIExtension(app)
    assert app.extensions["asyncapi"] is extension
    with pytest.raises(RuntimeError, match="already registered"):
        AsyncAPIExtension(app)


# ---------------------------------------------------------------------- the page


def test_page_escapes_title_and_url() -> None:
    page = asyncapi_html("/</script><b>{title}", "<script>alert(1)</script>{url}")
    assert "<script>alert" not in page
    assert page.count("</script>") == 1


def test_page_names_one_fixed_file_of_the_viewer() -> None:
    page = asyncapi_html("/asyncapi.json", "T")
    assert "https://unpkg.com/@asyncapi/react-component@" in page
    assert page.count("sha384-") == 2
    assert "latest" not in page


def test_page_shows_the_document_without_a_cdn(mqtt: FakeMQTT, tmp_path: Path) -> None:
    """A browser that reaches nothing else renders it all the same."""
    mqtt.on_message("sensors/{room}/temperature")(on_temp)
    mqtt.on_message("a", schema=Reading)(on_any)
    document = generate(mqtt, title="Sensor Gateway")
    encoded = base64.b64encode(json.dumps(document).encode()).decode()
    url = f"data:application/json;base64,{encoded}"
    (tmp_path / "page.html").write_text(asyncapi_html(url, "Sensor Gateway"))
    chromium = shutil.which("chromium")
    assert chromium is not None
    shown = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path}/profile",
            "--dump-dom", (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=50, check=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip
    for text in ("sensors/{room}/temperature", "Temperature readings per room.", "localhost:1883",
                 "Reading", "What a sensor says.", "not the broker's API"):  # fmt: skip
        assert text in shown.partition("<script>")[0]


def test_tap_of_the_registration_is_what_is_documented(mqtt: FakeMQTT) -> None:
    mqtt.on_message("a", reliable=True)(on_any)
    [tap] = mqtt.iter_taps()
    assert isinstance(tap, Tap)
    assert list(dig(generate(mqtt), "operations")) == ["on_any"]  # type: ignore[call-overload]
