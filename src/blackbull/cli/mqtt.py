"""``blackbull mqtt``: a broker that needs no program around it."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Sequence
from functools import partial
from ipaddress import ip_address

from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.auth import (
    ACLFile,
    ConnectRequest,
    EnhancedAuthentication,
    PasswordFile,
)
from blackbull.mqtt.auth.certificates import CertificateNames
from blackbull.mqtt.auth.password_file import Answer
from blackbull.runner import run

from . import mqtt_passwd
from .mqtt_options import load_broker_settings, make_parser
from .mqtt_settings import DEFAULT_PATH, BrokerSettings


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ConfigurationError: nothing can be served; one line says why.
        SystemExit: the same, found when the broker was started.
    """
    if arguments and arguments[0] == "passwd":
        mqtt_passwd.main(arguments[1:])
        return
    parser = make_parser()
    found = parser.parse_args(list(arguments))
    if found.help:
        print(parser.format_help(), end="")
        return
    serve(load_broker_settings(found))


def serve(settings: BrokerSettings) -> None:
    """Run a broker until a signal ends it.

    Raises:
        ConfigurationError: a file that the settings name cannot be used.
        SystemExit: nothing can be served; one line on stderr says why.
    """
    app = BlackBull()
    app.add_extension(make_broker(settings))
    if is_open_to_all(settings):
        app.on_startup(partial(warn, settings.host))
    run(
        app,
        host=settings.host,
        port=settings.websocket_port,
        http=settings.websocket_port is not None,
        certfile=settings.cert,
        keyfile=settings.key,
        client_ca=settings.client_ca,
        max_connections=settings.max_connections,
        workers=1,
        # The server's settings of an application that is at home here are not a broker's.
        config=os.devnull,
        argv=(),
    )


async def warn(host: str) -> None:
    """Tell the person who started us that nobody is asked for anything."""
    print(
        f"blackbull: anybody who reaches {host} may publish and subscribe: "
        "say --passwd-file FILE, or --allow-anonymous if it is meant so",
        file=sys.stderr,
        flush=True,
    )


def make_broker(settings: BrokerSettings) -> MQTTExtension:
    """Return the broker that *settings* describe.

    Raises:
        ConfigurationError: the password file or the ACL file cannot be used.
    """
    passwords = PasswordFile(settings.passwd_file) if settings.passwd_file else None
    enhanced: list[EnhancedAuthentication] = [passwords.scram()] if passwords else []
    path = settings.websocket_path or DEFAULT_PATH
    return MQTTExtension(
        port=settings.plain_port,
        tls_port=settings.tls_port,
        websocket_path=path if settings.websocket_port is not None else None,
        versions=settings.levels,
        settings=settings,
        authenticate=Doors(passwords, names=settings.certificate_names)
        if settings.knows_clients
        else None,
        authorize=ACLFile(settings.acl_file) if settings.acl_file else None,
        enhanced=enhanced,
    )


class Doors:
    """The ways in: by certificate, by password.

    Args:
        passwords: The password file, if there is one.
        names: Certificates say who a client is.
    """

    def __init__(self, passwords: PasswordFile | None, *, names: bool) -> None:
        self._passwords = passwords
        self._certificates = CertificateNames() if names else None

    def __call__(self, request: ConnectRequest) -> Answer | Awaitable[Answer]:
        """Return who the client is; False if it is nobody."""
        if self._certificates is not None:
            identity = self._certificates(request)
            if identity or self._passwords is None:
                return identity
        return self._passwords(request) if self._passwords is not None else False


def is_open_to_all(settings: BrokerSettings) -> bool:
    """Return True if others than this machine's own users reach a broker that asks for nothing."""
    certified = settings.client_ca is not None and settings.plain_port is None
    if settings.knows_clients or certified or settings.allow_anonymous is not None:
        return False
    try:
        return not ip_address(settings.host).is_loopback
    except ValueError:
        return settings.host != "localhost"
