"""MQTT 5.0 §3.15, §4.11, §4.12: AUTH, enhanced authentication, and being sent elsewhere."""

from __future__ import annotations

import pytest

from blackbull.mqtt.auth import AuthStep, ConnectRequest
from blackbull.mqtt.messages import ReasonCode
from blackbull.mqtt.state.hooks import Refusal
from tests.mqtt_packets import (
    auth,
    connack,
    connect,
    header,
    pingreq,
    publish,
    suback,
    subscribe,
)
from tests.mqtt_server import Broker, running
from tests.spec import spec

CONTINUE, AGAIN = 0x18, 0x19


class Riddle:
    """A method: it asks *questions*; whoever says them backwards is in."""

    method = "RIDDLE"

    def __init__(self, *questions: bytes) -> None:
        self.questions = questions

    def start(self, request: ConnectRequest) -> Exchange:
        return Exchange(self.questions)


class Exchange:
    """One conversation."""

    def __init__(self, questions: tuple[bytes, ...]) -> None:
        self.left = list(questions)
        self.asked = b""

    def step(self, data: bytes | None) -> AuthStep:
        if self.asked and data != self.asked[::-1]:
            return AuthStep(done=True)
        if not self.left:
            return AuthStep(data=b"welcome", done=True, ok=True, username="sphinx")
        self.asked = self.left.pop(0)
        return AuthStep(data=self.asked)


def said(**properties: object) -> dict[str, object]:
    return {"authentication_method": "RIDDLE", **properties}


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-2", "MQTT-4.12.0-3", "MQTT-4.12.0-5", "MQTT-3.15.2-1",
      "MQTT-3.2.0-1")  # fmt: skip
async def test_enhanced_authentication_goes_to_and_fro() -> None:
    """The peer refuses an AUTH or CONNACK with another method than its own."""
    async with running(enhanced=[Riddle(b"abc", b"xyz")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said(authentication_data=b"hello"))),
                                                   a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(auth(CONTINUE, "RIDDLE", b"cba")), a.expect(auth(CONTINUE, "RIDDLE", b"xyz")),
            a.send(auth(CONTINUE, "RIDDLE", b"zyx")),
            a.expect(connack(**said(authentication_data=b"welcome"))),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §3.15.2", "MQTT-3.15.2-2", "MQTT-3.15.2-3", "AUTH fits the client, too")
async def test_auth_has_nothing_that_the_client_cannot_take() -> None:
    """The peer measures every packet."""
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(maximum_packet_size=35, **said())),
                                                   a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(auth(CONTINUE, "RIDDLE", b"wrong")), a.turned_away(0x87),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-5", "a method may need no further packets")
async def test_enhanced_authentication_is_done_at_once() -> None:
    async with running(enhanced=[Riddle()]) as broker:
        a = broker.peer("a")
        await broker.play(a.send(connect(**said())), a.expect(connack(**said())), a.quiet())


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-1", "0x8C Bad authentication method")
@pytest.mark.parametrize("methods", [[], [Riddle(b"x")]])
async def test_authentication_method_is_unknown_is_turned_away(methods: list[Riddle]) -> None:
    async with running(enhanced=methods) as broker:
        a = broker.peer("a")
        await broker.play(a.send(connect(authentication_method="riddle")), a.turned_away(0x8C))


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-4", "0x87 Not authorized", "MQTT-3.14.0-1")
async def test_enhanced_authentication_fails_is_turned_away() -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(auth(CONTINUE, "RIDDLE", b"wrong")), a.turned_away(0x87),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12", "MQTT-3.1.2-30", "MQTT-3.14.0-1", "only AUTH and DISCONNECT before CONNACK")
@pytest.mark.parametrize("packet", [pingreq(), publish("t"), subscribe(1, "t"), connect("a")])
async def test_other_packets_during_the_authentication_are_refused(packet: object) -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(packet),                        a.turned_away(0x82),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12", "MQTT-3.1.2-30", "DISCONNECT is allowed")
async def test_client_gives_up_during_the_authentication() -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.leaves(),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-5", "another method within an exchange")
@pytest.mark.parametrize(
    "answer",
    [
        auth(CONTINUE, "OTHER", b"cba"),
        auth(CONTINUE),
        auth(AGAIN, "RIDDLE", b"cba"),
        auth(0, "RIDDLE", b"cba"),
    ],
    ids=["other method", "no method", "re-authenticate", "success"],
)
async def test_auth_does_not_fit_the_exchange_is_turned_away(answer: object) -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(answer),                        a.turned_away(0x82),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-6", "MQTT-4.12.0-7")
async def test_without_a_method_there_is_no_auth() -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect()),
            a.expect(connack(authentication_method=None, authentication_data=None)),
            a.send(auth(AGAIN, "RIDDLE")),         a.refused(0x82),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12.1", "MQTT-4.12.1-1", "MQTT-4.12.0-2", "MQTT-3.15.2-1")
async def test_client_authenticates_again_messages_flow_meanwhile() -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(auth(CONTINUE, "RIDDLE", b"cba")), a.expect(connack(**said())),
            a.send(subscribe(1, "t")),             a.expect(suback(1, 0)),
            *(
                [a.send(auth(AGAIN, "RIDDLE")),    a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
                 a.send(publish("t", b"x")),       a.expect(publish("t", b"x")),
                 a.send(auth(CONTINUE, "RIDDLE", b"cba")), a.expect(auth(0, "RIDDLE", b"welcome"))]
                for _ in range(2)
            ),
            a.quiet(),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12.1", "MQTT-4.12.1-2", "0x87 Not authorized")
async def test_client_fails_to_authenticate_again_is_disconnected() -> None:
    async with running(enhanced=[Riddle(b"abc")]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(auth(CONTINUE, "RIDDLE", b"cba")), a.expect(connack(**said())),
            a.send(auth(AGAIN, "RIDDLE")),         a.expect(auth(CONTINUE, "RIDDLE", b"abc")),
            a.send(auth(CONTINUE, "RIDDLE", b"wrong")), a.refused(0x87),
        )  # fmt: skip


@spec("MQTT 5.0 §4.12.1", "MQTT-4.12.1-1", "with the method of the CONNECT and no other")
@pytest.mark.parametrize(
    "again",
    [auth(AGAIN, "OTHER"), auth(CONTINUE, "RIDDLE", b"cba"), auth(0, "RIDDLE"), auth(AGAIN)],
    ids=["other method", "continue", "success", "no method"],
)
async def test_auth_of_a_client_that_is_in_does_not_fit_is_refused(again: object) -> None:
    async with running(enhanced=[Riddle()]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(connack(**said())),
            a.send(again),                         a.refused(0x82),
        )  # fmt: skip


@spec("MQTT 5.0 §3.15.2", "MQTT-3.15.1-1", "MQTT-3.15.2-1")
@pytest.mark.parametrize(
    ("packet", "code"),
    [
        pytest.param(header(0xF1, b""), 0x81, id="flags"),
        pytest.param(header(0xF0, b"\x01"), 0x81, id="unknown reason code"),
        pytest.param(header(0xF0, b"\x19\x05\x15\0\x06RID"), 0x81, id="cut off"),
        pytest.param(header(0xF0, b"\x19\x02\x01\x01"), 0x81, id="property of another packet"),
        pytest.param(header(0xF0, b"\x19\x12" + b"\x15\0\x06RIDDLE" * 2), 0x82, id="method twice"),
    ],
)
async def test_auth_is_unsound_is_refused(packet: bytes, code: int) -> None:
    async with running(enhanced=[Riddle()]) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(**said())),             a.expect(connack(**said())),
            a.send(packet),                        a.refused(code),
        )  # fmt: skip


# User name and password -----------------------------------------------------------------------


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-2", "MQTT-3.1.3-8", "0x85 to 0x8A as the application says")
@pytest.mark.parametrize(
    ("verdict", "code"),
    [(False, 0x86), (ReasonCode.NOT_AUTHORIZED, 0x87), (ReasonCode.BANNED, 0x8A),
     (ReasonCode.SERVER_UNAVAILABLE, 0x88), (ReasonCode.SERVER_BUSY, 0x89),
     (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 0x85)],
)  # fmt: skip
async def test_authenticate_says_no_is_turned_away(verdict: object, code: int) -> None:
    """Gap 1."""
    async with running(authenticate=lambda request: verdict) as broker:
        a, b = broker.peers("a b")
        await broker.play(
            a.send(connect(username="u", password=b"p")),
            a.turned_away(code, session_present=False),
            b.send(connect(username="u", password=b"p"), publish("t")), b.turned_away(code),
        )  # fmt: skip


@spec("MQTT 5.0 §3.1.3.5", "MQTT-3.1.3-12", "MQTT-3.1.4-6", "the answer may take its time")
async def test_authenticate_is_asked_with_what_the_client_said() -> None:
    """Gap 1: what the client sent meanwhile is answered after its CONNACK."""
    asked: list[ConnectRequest] = []

    async def authenticate(request: ConnectRequest) -> bool:
        asked.append(request)
        return request.username == "u" and request.password == b"p\0"

    async with running(authenticate=authenticate) as broker:
        a, b, c = broker.peers("a b c")
        await broker.play(
            a.send(connect(username="u", password=b"p\0"), subscribe(1, "t"), pingreq()),
            a.expect(connack(), suback(1, 0)),
            a.expect_bytes(b"\xd0\0"),
            b.send(connect(username="u", password=b"q")), b.turned_away(0x86),
            c.send(connect()),                     c.turned_away(0x87),
        )  # fmt: skip
    first = asked[0]
    assert (first.client_id, first.username, first.password) == ("a", "u", b"p\0")
    assert first.transport == "tcp"
    assert (asked[2].username, asked[2].password) == (None, None)


# Server redirection ---------------------------------------------------------------------------


@spec("MQTT 5.0 §4.11", "0x9C Use another server, 0x9D Server moved", "MQTT-3.2.2-7")
@pytest.mark.parametrize("code", [0x9C, 0x9D])
async def test_client_is_sent_to_another_server(code: int) -> None:
    def authenticate(request: ConnectRequest) -> Refusal:
        return Refusal(reason_code=code, server_reference="other.example:1883 third")

    async with running(authenticate=authenticate) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect()),
            a.turned_away(code, server_reference="other.example:1883 third"),
        )


@spec("MQTT 5.0 §3.2.2.3.9", "MQTT-3.2.2-19", "MQTT-3.2.2-20", "a Reason String that fits")
@pytest.mark.parametrize("most", [None, 20])
async def test_reason_string_is_left_out_when_it_does_not_fit(most: int | None) -> None:
    def authenticate(request: ConnectRequest) -> Refusal:
        return Refusal(reason_code=0x88, reason_string="back at noon, with a longer sentence")

    async with running(authenticate=authenticate) as broker:
        a = broker.peer("a")
        reason = "back at noon, with a longer sentence" if most is None else None
        limit = {} if most is None else {"maximum_packet_size": most}
        await broker.play(a.send(connect(**limit)), a.turned_away(0x88, reason_string=reason))


@spec("MQTT 5.0 §3.1.4", "MQTT-3.1.4-2", "a hook that fails lets nobody in")
async def test_authenticate_raises_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    def authenticate(request: ConnectRequest) -> bool:
        raise RuntimeError("the database is away")

    async with running(authenticate=authenticate) as broker:
        a = broker.peer("a")
        await broker.play(a.send(connect()), a.turned_away(0x88))
    assert "the database is away" in caplog.text


async def test_broker_without_hooks_lets_everybody_in(broker: Broker) -> None:
    a = broker.peer("a")
    await broker.play(a.joins(username="who", password=b"ever"), a.quiet())
