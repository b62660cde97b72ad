"""``blackbull mqtt passwd FILE USER``: who may connect to the broker."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from typing import Final

from blackbull.errors import ConfigurationError
from blackbull.mqtt.auth.password_file import check_username, write_user
from blackbull.mqtt.auth.passwords import hash_password
from blackbull.mqtt.auth.saslprep import saslprep
from blackbull.mqtt.auth.scram import make_credential

from .flags import Parser

DESCRIPTION = "Set a user's password in FILE, which is made if there is none."
EPILOG = (
    "The password is asked for twice on a terminal; otherwise it is the first line of the input. "
    "A broker that uses FILE takes note at once."
)
MAX_PASSWORD: Final = 65535
"""The longest password that MQTT can carry, in bytes."""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ConfigurationError: it cannot be done; one line says why.
    """
    parser = make_parser()
    found = parser.parse_args(list(arguments))
    if found.help:
        print(parser.format_help(), end="")
        return
    if found.file is None or found.user is None:
        raise ConfigurationError("which file and user? say blackbull mqtt passwd FILE USER")
    check_username(found.user)
    if found.delete:
        if not write_user(found.file, found.user, None):
            raise ConfigurationError(f"there is no user {found.user!r} in {found.file!r}")
        return
    write_user(found.file, found.user, hash_for(read_password(found.user), scram=found.scram))


def make_parser() -> Parser:
    """Return the parser of the command's arguments."""
    parser = Parser("blackbull mqtt passwd", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("file", nargs="?", metavar="FILE", help="the password file")
    parser.add_argument("user", nargs="?", metavar="USER", help="the user name")
    parser.add_argument("--scram", action="store_true",
                        help="let the user log in with SCRAM-SHA-256 as well")  # fmt: skip
    parser.add_argument("--delete", action="store_true", help="remove the user instead")
    parser.add_argument("-h", "--help", action="store_true", help="print this help and exit")
    return parser


def read_password(user: str) -> bytes:
    """Return the password that a person or a program gives.

    Raises:
        ConfigurationError: it is empty or too long, or the person mistyped it.
    """
    if sys.stdin.isatty():
        password = ask(user)
    else:
        password = sys.stdin.buffer.readline(MAX_PASSWORD + 3).rstrip(b"\r\n")
    if not password:
        raise ConfigurationError("an empty password is none: nothing was changed")
    if len(password) > MAX_PASSWORD:
        raise ConfigurationError(f"a password has at most {MAX_PASSWORD} bytes")
    return password


def ask(user: str) -> bytes:
    """Return the password that a person types twice.

    Raises:
        ConfigurationError: the person mistyped it, or would rather not.
    """
    try:
        once, twice = getpass.getpass(f"Password of {user}: "), getpass.getpass("Once more: ")
    except (EOFError, KeyboardInterrupt):
        raise ConfigurationError("no password was given: nothing was changed") from None
    if once != twice:
        raise ConfigurationError("the two passwords differ: nothing was changed")
    return once.encode()


def hash_for(password: bytes, *, scram: bool) -> str:
    """Return what the file says of *password*.

    Raises:
        ConfigurationError: SCRAM cannot have such a password.
    """
    if not scram:
        return hash_password(password).render()
    try:
        return make_credential(saslprep(password.decode(), stored=True)).render()
    except ValueError as error:
        raise ConfigurationError(f"SCRAM cannot have this password: {error}") from error
