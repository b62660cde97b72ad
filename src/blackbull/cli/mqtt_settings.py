"""What ``blackbull mqtt`` can be told: by a flag, by a variable, by a line of a TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blackbull.config import Kind, setting
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings

DEFAULT_PORT: Final = 1883
DEFAULT_PATH: Final = "/mqtt"
LEVELS: Final = {"4": 4, "5": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings(MQTTSettings):
    """All of a stand-alone broker: where it listens, whom it lets in, and its limits.

    Raises:
        ConfigurationError: a value is out of its range, or values contradict each other.
    """

    host: str = setting(
        "127.0.0.1",
        "BB_MQTT_HOST",
        kind=Kind.TEXT,
        sentence="The address that is bound; :: is every address, 0.0.0.0 every IPv4 address.",
    )
    port: int | None = setting(
        None,
        "BB_MQTT_PORT",
        kind=Kind.COUNT,
        maximum=65535,
        sentence="The port without TLS; 1883 unless there is a certificate, 0 takes any free one.",
    )
    tls_port: int | None = setting(
        None,
        "BB_MQTT_TLS_PORT",
        kind=Kind.COUNT,
        maximum=65535,
        sentence="The port with TLS, usually 8883.",
    )
    websocket_port: int | None = setting(
        None,
        "BB_MQTT_WEBSOCKET_PORT",
        kind=Kind.COUNT,
        maximum=65535,
        sentence="The port of HTTP for clients in browsers; with TLS if there is a certificate.",
    )
    websocket_path: str | None = setting(
        None,
        "BB_MQTT_WEBSOCKET_PATH",
        kind=Kind.TEXT,
        sentence="The path that they ask for; /mqtt unless told otherwise.",
    )
    cert: str | None = setting(
        None,
        "BLACKBULL_CERT",
        kind=Kind.TEXT,
        sentence="The certificate chain, a PEM file.",
    )
    key: str | None = setting(
        None,
        "BLACKBULL_KEY",
        kind=Kind.TEXT,
        sentence="The certificate's private key, a PEM file.",
    )
    client_ca: str | None = setting(
        None,
        "BLACKBULL_CLIENT_CA",
        kind=Kind.TEXT,
        sentence="The authorities of client certificates, a PEM file; clients need one then.",
    )
    certificate_names: bool = setting(
        False,
        "BB_MQTT_CERTIFICATE_NAMES",
        kind=Kind.SWITCH,
        sentence="Whether a client's certificate says who it is: its common name, no password.",
    )
    passwd_file: str | None = setting(
        None,
        "BB_MQTT_PASSWD_FILE",
        kind=Kind.TEXT,
        sentence="Who may connect: a file that 'blackbull mqtt passwd' or Mosquitto's tool wrote.",
    )
    acl_file: str | None = setting(
        None,
        "BB_MQTT_ACL_FILE",
        kind=Kind.TEXT,
        sentence="Who may publish and subscribe to what, in Mosquitto's words.",
    )
    max_connections: int | None = setting(
        None,
        "BB_MAX_CONNECTIONS",
        kind=Kind.AUTO_COUNT,
        sentence="Connections served at a time, more are refused; auto: as open files allow.",
    )
    versions: str = setting(
        "4,5",
        "BB_MQTT_VERSIONS",
        kind=Kind.TEXT,
        sentence="The protocol levels that are spoken: 4 is MQTT 3.1.1, 5 is MQTT 5.0.",
    )

    def __post_init__(self) -> None:
        MQTTSettings.__post_init__(self)
        parse_levels(self.versions)
        if self.tls_port is not None and not self.cert:
            raise ConfigurationError("--tls-port without a certificate: say --cert PATH, too")
        if self.cert and self.tls_port is None and self.websocket_port is None:
            raise ConfigurationError("--cert without a port that uses it: say --tls-port N, too")
        if self.certificate_names and not self.client_ca:
            raise ConfigurationError("--certificate-names without --client-ca: say both")
        if self.websocket_path is not None and self.websocket_port is None:
            raise ConfigurationError("--websocket-path without --websocket-port: say both")
        if self.websocket_path is not None and not self.websocket_path.startswith("/"):
            raise ConfigurationError(
                f"--websocket-path {self.websocket_path!r} must begin with a slash"
            )
        if self.allow_anonymous is False and not self.knows_clients:
            raise ConfigurationError(
                "--no-anonymous without --passwd-file: nobody could connect; say both"
            )

        if self.acl_file and not self.knows_clients and self.allow_anonymous is not True:
            raise ConfigurationError(
                "--acl-file without --passwd-file: clients could say any name; say both, "
                "or --allow-anonymous if it is meant so"
            )

    @property
    def knows_clients(self) -> bool:
        """Somebody is asked who a client is."""
        return bool(self.passwd_file or self.certificate_names)

    @property
    def plain_port(self) -> int | None:
        """The port without TLS; where there is a certificate, none is opened unasked."""
        return DEFAULT_PORT if self.port is None and not self.cert else self.port

    @property
    def levels(self) -> tuple[int, ...]:
        """The protocol levels that are spoken."""
        return parse_levels(self.versions)


def parse_levels(text: str) -> tuple[int, ...]:
    """Return the protocol levels in ``4,5``.

    Raises:
        ConfigurationError: there is none, or one that there is not.
    """
    words = [word.strip() for word in text.split(",")]
    unknown = [word for word in words if word not in LEVELS]
    if unknown:
        raise ConfigurationError(f"--versions {text!r}: write 4 (MQTT 3.1.1), 5 (MQTT 5.0) or 4,5")
    return tuple(sorted({LEVELS[word] for word in words}))
