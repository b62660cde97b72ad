"""SCRAM-SHA-256 against the RFC's own conversation and against a client that nobody here wrote."""

from __future__ import annotations

import base64

import pytest
from scramp import ScramClient, ScramException

from blackbull.mqtt.auth import (
    AuthStep,
    ConnectRequest,
    ScramAuthentication,
    ScramCredential,
    make_credential,
)
from blackbull.mqtt.auth.saslprep import saslprep
from blackbull.mqtt.auth.scram import MAX_MESSAGE, ScramExchange, parse_credential
from tests.spec import spec

FAILED = AuthStep(done=True, ok=False)
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
PENCIL = make_credential("pencil", salt=SALT, iterations=4096)
USERS = {
    "user": PENCIL,
    "a,b=c": make_credential("comma", iterations=4096),
    "Jürgen": make_credential("Straße", iterations=4096),
}
REQUEST = ConnectRequest(client_id="c")


def method(users: dict[str, ScramCredential] = USERS) -> ScramAuthentication:
    return ScramAuthentication(users.get, iterations=4096)


@spec("RFC 7677 §3", "the example")
def test_scram_example_of_the_rfc_is_followed_to_the_letter() -> None:
    exchange = ScramExchange(lambda name: (PENCIL, True), nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    first = exchange.step(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    assert first == AuthStep(data=b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    final = exchange.step(b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert final == AuthStep(
        data=b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", done=True, ok=True, username="user"
    )


def converse(username: str, password: str) -> AuthStep:
    """Let a client of another make log in; it checks the broker's proof."""
    client = ScramClient(["SCRAM-SHA-256"], username, password)
    exchange = method().start(REQUEST)
    challenge = exchange.step(client.get_client_first().encode())
    assert challenge.data is not None
    assert not challenge.done
    client.set_server_first(challenge.data.decode())
    last = exchange.step(client.get_client_final().encode())
    if last.data is not None:
        client.set_server_final(last.data.decode())
    return last


@pytest.mark.parametrize(
    ("username", "password"), [("user", "pencil"), ("a,b=c", "comma"), ("Jürgen", "Straße")]
)
def test_scram_client_of_another_make_is_let_in(username: str, password: str) -> None:
    last = converse(username, password)
    assert (last.done, last.ok, last.username) == (True, True, username)


@pytest.mark.parametrize(
    ("username", "password"), [("user", "pencils"), ("nobody", "pencil"), ("User", "pencil")]
)
def test_scram_wrong_name_or_password_ends_without_a_word(username: str, password: str) -> None:
    assert converse(username, password) == FAILED


def test_scram_client_finds_out_a_broker_that_does_not_know_the_password() -> None:
    impostor = ScramCredential(SALT, 4096, PENCIL.stored_key, bytes(32))
    client = ScramClient(["SCRAM-SHA-256"], "user", "pencil")
    exchange = method({"user": impostor}).start(REQUEST)
    challenge = exchange.step(client.get_client_first().encode())
    client.set_server_first((challenge.data or b"").decode())
    last = exchange.step(client.get_client_final().encode())
    with pytest.raises(ScramException):
        client.set_server_final((last.data or b"").decode())


def challenge_of(scram: ScramAuthentication, username: str) -> dict[str, str]:
    step = scram.start(REQUEST).step(f"n,,n={username},r=abc".encode())
    assert step.data is not None
    return dict(part.split("=", 1) for part in step.data.decode().split(","))  # type: ignore[misc]


def test_scram_unknown_user_is_challenged_like_a_known_one() -> None:
    scram = method()
    known, unknown = challenge_of(scram, "user"), challenge_of(scram, "nobody")
    assert known.keys() == unknown.keys()
    assert known["i"] == unknown["i"]
    assert len(known["s"]) == len(unknown["s"])
    assert unknown["s"] == challenge_of(scram, "nobody")["s"]
    assert unknown["s"] != challenge_of(scram, "somebody")["s"]
    assert unknown["s"] != challenge_of(method(), "nobody")["s"]


def test_scram_unknown_users_keys_are_nobodys_proof() -> None:
    """The keys that stand in for an unknown user's are constants that anybody may know."""
    exchange = method({}).start(REQUEST)
    challenge = exchange.step(b"n,,n=nobody,r=abc")
    nonce = (challenge.data or b"").split(b",")[0]
    proof = base64.b64encode(bytes(32))
    assert exchange.step(b"c=biws," + nonce + b",p=" + proof) == FAILED


def finish(exchange: ScramExchange, nonce: str) -> AuthStep:
    """Give a proof of the right password, for a conversation with this *nonce*."""
    exchange.step(b"n,,n=user,r=abc")
    bare = f"c=biws,r={nonce}"
    proof = prove(f"n=user,r=abc,r=abcxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,{bare}")
    return exchange.step(f"{bare},p={proof}".encode())


@spec("RFC 5802 §5.1", "the nonce of the last message is that of the challenge")
def test_scram_proof_for_another_nonce_is_none() -> None:
    assert finish(ScramExchange(lambda name: (PENCIL, True), nonce="xyz"), "abcxyz").ok
    for other in ("abc", "abcxy", "abcxyzz", "other"):
        exchange = ScramExchange(lambda name: (PENCIL, True), nonce="xyz")
        assert finish(exchange, other) == FAILED


def test_scram_unknown_user_proves_nothing_even_with_the_right_proof() -> None:
    exchange = ScramExchange(lambda name: (PENCIL, False), nonce="xyz")
    assert finish(exchange, "abcxyz") == FAILED


@spec("RFC 5802 §5.1")
def test_scram_nonce_is_the_clients_and_a_new_one_of_ours() -> None:
    nonces = {challenge_of(method(), "user")["r"] for _ in range(8)}
    assert len(nonces) == 8
    assert all(nonce.startswith("abc") and len(nonce) >= 3 + 24 for nonce in nonces)


@pytest.mark.parametrize(
    "first",
    [
        b"n,,",
        b"n=user,r=abc",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,r=abc,n=user",
        b"n,,n=user,r=a b",
        b"n,,n=,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,n=us\0er,r=abc",
        b"n,,n=us\xffer,r=abc",
        b"n,,n=us\xcd\x80\xd7\x90er,r=abc",
        b"n,,m=ext,n=user,r=abc",
        b"p=tls-unique,,n=user,r=abc",
        b"n,a=admin,n=user,r=abc",
        b"x,,n=user,r=abc",
        b"n,,n=" + b"u" * MAX_MESSAGE + b",r=abc",
        b"n,,n=" + "ü".encode() * MAX_MESSAGE + b",r=abc",
    ],
)
def test_scram_first_message_that_cannot_be_ends_it(first: bytes) -> None:
    exchange = method().start(REQUEST)
    assert exchange.step(first) == FAILED
    assert exchange.step(b"n,,n=user,r=abc") == FAILED


def test_scram_message_is_as_long_as_it_may_be() -> None:
    for length, fails in ((MAX_MESSAGE, False), (MAX_MESSAGE + 1, True)):
        first = b"n,,n=" + b"u" * (length - 11) + b",r=abc"
        assert len(first) == length
        assert (method().start(REQUEST).step(first) == FAILED) is fails


@pytest.mark.parametrize("header", ["n,,", "y,,", "n,a=user,"])
def test_scram_header_of_the_first_message_is_to_be_repeated(header: str) -> None:
    def answer(repeated: str) -> AuthStep:
        exchange = ScramExchange(lambda name: (PENCIL, True), nonce="xyz")
        exchange.step(f"{header}n=user,r=abc".encode())
        encoded = base64.b64encode(repeated.encode()).decode()
        bare = f"c={encoded},r=abcxyz"
        proof = prove(f"n=user,r=abc,r=abcxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,{bare}")
        return exchange.step(f"{bare},p={proof}".encode())

    assert answer(header).ok
    assert answer("n,,x" if header == "n,," else "n,,") == FAILED


def prove(message: str) -> str:
    """Return a client's proof for *message*, worked out anew (RFC 5802 §3)."""
    import hashlib
    import hmac

    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", SALT, 4096)
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    signature = hmac.new(hashlib.sha256(client_key).digest(), message.encode(), hashlib.sha256)
    proof = bytes(a ^ b for a, b in zip(client_key, signature.digest(), strict=True))
    return base64.b64encode(proof).decode()


@pytest.mark.parametrize(
    "final",
    [
        "c=biws,r={nonce}x,p={proof}",
        "c=biws,r=abc,p={proof}",
        "c=biws,r={nonce}",
        "c=biws,r={nonce},p=",
        "c=biws,r={nonce},p=AAAA",
        "c=!,r={nonce},p={proof}",
        "r={nonce},c=biws,p={proof}",
        "c=biws,r={nonce},p={proof},x=y",
        "c=biws,r={nonce},x=y,p={proof}",
        "",
    ],
)
def test_scram_last_message_that_does_not_fit_ends_it(final: str) -> None:
    exchange = ScramExchange(lambda name: (PENCIL, True), nonce="xyz")
    exchange.step(b"n,,n=user,r=abc")
    proof = prove("n=user,r=abc,r=abcxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=abcxyz")
    assert exchange.step(final.format(nonce="abcxyz", proof=proof).encode()) == FAILED
    assert exchange.step(f"c=biws,r=abcxyz,p={proof}".encode()) == FAILED


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-2")
def test_scram_connect_without_data_is_asked_for_the_first_message() -> None:
    exchange = method().start(REQUEST)
    assert exchange.step(None) == AuthStep()
    assert exchange.step(b"n,,n=user,r=abc").data is not None


def test_scram_stored_form_is_postgresqls() -> None:
    text = PENCIL.render()
    assert text == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert parse_credential(text) == PENCIL


@pytest.mark.parametrize(
    ("text", "expected"),
    [("user", "user"), ("I\u00adX", "IX"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
@spec("RFC 4013 §3")
def test_saslprep_names_that_look_the_same_become_the_same(text: str, expected: str) -> None:
    assert saslprep(text) == expected


@pytest.mark.parametrize("text", ["\u0007", "\u06271", "a\u0627", "\ue000", "\ud800"])
@spec("RFC 4013 §2")
def test_saslprep_what_cannot_be_compared_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        saslprep(text)


def test_saslprep_new_characters_can_be_asked_for_but_not_stored() -> None:
    assert saslprep("\U0001f602") == "\U0001f602"
    with pytest.raises(ValueError, match="stored"):
        saslprep("\U0001f602", stored=True)
