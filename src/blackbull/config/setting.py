"""What one setting is: a dataclass field with a name, a unit, a default, a range and a sentence.

A part of the framework that has settings of its own writes a dataclass like
:class:`~blackbull.config.Settings`: a :func:`setting` for each field, :func:`check` in
``__post_init__``, ``env_prefix`` if the variables that begin with it are all its own, and
``toml_table``, the table of the TOML file that has its keys: ``"extensions.NAME"`` for a part that
comes from elsewhere.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeAlias, TypeVar, cast

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from dataclasses import Field

KeyPairs: TypeAlias = Mapping[str, tuple[str, str | None]]
"""Certificate chain and key by server name; no key: the chain's file holds it, too."""

LONGEST: Final = 1_000_000_000
"""Seconds, some thirty years: what clocks and timers can still add up and round."""

SettingValue: TypeAlias = str | int | float | bool | enum.Enum | KeyPairs | tuple[str, ...] | None


class Kind(enum.Enum):
    """How a setting is written and what it holds; the value says what to write."""

    SECONDS = "a number of seconds, 0 or more"
    COUNT = "a whole number"
    RATE = "a number, 0 or more"
    TEXT = "text"
    TEXTS = "texts with commas between them"
    AUTO_COUNT = "a whole number or auto"
    SWITCH = "1 or 0"
    AUTO_SWITCH = "1, 0 or auto"
    CHOICE = "one of a few words"
    KEY_PAIRS = "NAME=CERT,KEY, and so on with semicolons between them"


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """What is to be known about one setting.

    Attributes:
        name: The field of its dataclass.
        env: The environment variable.
        kind: How it is written.
        unit: ``"s"``, ``"ms"``, ``"bytes"``, ``"bytes/s"`` or ``""``.
        sentence: What it does.
        default: Its value when nobody sets it; for a choice, a member of its enumeration.
        minimum: The smallest value, for numbers.
        maximum: The largest value, for numbers.
        secret: Its value is shown nowhere.
    """

    name: str
    env: str
    kind: Kind
    unit: str
    sentence: str
    default: SettingValue
    minimum: float
    maximum: float
    secret: bool = False

    @property
    def written(self) -> str:
        """What to write, in words."""
        if self.kind is Kind.CHOICE:
            words = [str(member.value) for member in self.choices]
            return f"{', '.join(words[:-1])} or {words[-1]}"
        return str(self.kind.value)

    @property
    def choices(self) -> type[enum.Enum]:
        """The enumeration of a choice."""
        return type(cast("enum.Enum", self.default))


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's value, and where it was found.

    Attributes:
        value: The value.
        source: For people: ``--port``, ``BLACKBULL_PORT in .env``, ``port in blackbull.toml``.
    """

    value: SettingValue
    source: str


class SettingsClass(Protocol):
    """A dataclass whose fields are settings; ``env_prefix`` and ``toml_table`` are optional."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


_TYPES: Final[Mapping[Kind, tuple[type, ...]]] = {
    Kind.SECONDS: (float, int),
    Kind.RATE: (float, int),
    Kind.COUNT: (int,),
    Kind.AUTO_COUNT: (int,),
    Kind.SWITCH: (bool,),
    Kind.AUTO_SWITCH: (bool, type(None)),
    Kind.TEXTS: (tuple,),
}

T = TypeVar("T")


def setting(
    default: T,
    env: str,
    *,
    kind: Kind,
    sentence: str,
    unit: str = "",
    minimum: float = 0,
    maximum: float = math.inf,
    secret: bool = False,
) -> T:
    """Return the dataclass field of a setting; the arguments are those of :class:`SettingInfo`.

    Args:
        default: Its value when nobody sets it.
        env: The environment variable.
        kind: How it is written.
        sentence: What it does.
        unit: Bytes or bytes per second; a :attr:`Kind.SECONDS` has its own.
        minimum: The smallest value.
        maximum: The largest value.
        secret: Its value is not shown where the settings are.
    """
    metadata = {
        "env": env,
        "kind": kind,
        "unit": "s" if kind is Kind.SECONDS else unit,
        "sentence": sentence,
        "minimum": minimum,
        "maximum": maximum,
    }
    return field(default=default, metadata=metadata, repr=not secret)


@cache
def describe(cls: type[SettingsClass]) -> tuple[SettingInfo, ...]:
    """Return what is to be known about every setting of *cls*, in the order of its fields."""
    described = []
    for entry in fields(cls):
        metadata: Mapping[str, object] = entry.metadata
        described.append(
            SettingInfo(
                name=entry.name,
                env=cast("str", metadata["env"]),
                kind=cast("Kind", metadata["kind"]),
                unit=cast("str", metadata["unit"]),
                sentence=cast("str", metadata["sentence"]),
                default=cast("SettingValue", entry.default),
                minimum=cast("float", metadata["minimum"]),
                maximum=cast("float", metadata["maximum"]),
                secret=not entry.repr,
            )
        )
    return tuple(described)


def check(settings: SettingsClass) -> None:
    """Refuse *settings* with a value that cannot be; for ``__post_init__``.

    A choice may be given as its word, and None where it is the default.

    Raises:
        ConfigurationError: a value is of another kind, out of its range, or no choice.
    """
    for info in describe(type(settings)):
        value = getattr(settings, info.name)
        if value is None and info.default is None:
            continue
        if info.kind is Kind.CHOICE and not isinstance(value, info.choices):
            # Frozen: this is the one moment at which it may still be put right.
            object.__setattr__(settings, info.name, parse_setting(info, str(value)))
        allowed = _TYPES.get(info.kind)
        if allowed is not None and type(value) not in allowed:
            raise ConfigurationError(f"{info.env} must be {info.written}, not {value!r}")
        check_range(info, value)
        texts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(text, str) and "\0" in text for text in texts):
            # No file, address or name has one, and few that get it say so in a sentence.
            raise ConfigurationError(f"{info.env} must be text without NUL")


def check_range(info: SettingInfo, value: object) -> None:
    """Refuse a number that the setting cannot be.

    Raises:
        ConfigurationError: *value* is no finite number, or not within the setting's range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if info.kind is Kind.SECONDS and value > LONGEST:
        raise ConfigurationError(f"{info.env} must be at most {LONGEST} s, not {value}")
    if info.minimum <= value <= info.maximum and math.isfinite(value):
        return
    upper = f" to {_plain(info.maximum)}" if math.isfinite(info.maximum) else " or more"
    unit = f" {info.unit}" if info.unit else ""
    raise ConfigurationError(f"{info.env} must be {_plain(info.minimum)}{upper}{unit}, not {value}")


def parse_setting(info: SettingInfo, text: str, *, source: str | None = None) -> SettingValue:
    """Return the value that *text* means.

    Args:
        info: The setting.
        text: What was written for it.
        source: What an error calls the setting; its variable if None.

    Raises:
        ConfigurationError: it is not written like that, or out of its range.
    """
    if source is not None:
        info = replace(info, env=source)
    try:
        value = _convert(info, text)
    except (ValueError, KeyError):
        raise ConfigurationError(f"{info.env} must be {info.written}, not {text!r}") from None
    check_range(info, value)
    return value


def parse_key_pairs(text: str) -> KeyPairs:
    """Return the certificates in ``NAME=CERT,KEY;NAME=CERT,KEY``; a key may be left out.

    Raises:
        ValueError: *text* is not written like that.
    """
    found: dict[str, tuple[str, str | None]] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        matched = re.fullmatch(r"([^=,]+)=([^,]+)(?:,([^,]+))?", part)
        if matched is None:
            raise ValueError(f"{part!r} is not NAME=CERT,KEY")
        found[matched[1].strip()] = (matched[2].strip(), matched[3] and matched[3].strip())
    return found


_SWITCH: Final = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
    "auto": None,
}  # fmt: skip


def _convert(info: SettingInfo, text: str) -> SettingValue:
    match info.kind:
        case Kind.SECONDS | Kind.RATE:
            return float(text)
        case Kind.COUNT:
            return int(text)
        case Kind.AUTO_COUNT:
            return 0 if text.lower() == "auto" else int(text)
        case Kind.SWITCH:
            switch = _SWITCH[text.lower()]
            if switch is None:
                raise ValueError(text)
            return switch
        case Kind.AUTO_SWITCH:
            return _SWITCH[text.lower()]
        case Kind.CHOICE:
            return info.choices(text.lower())
        case Kind.KEY_PAIRS:
            return parse_key_pairs(text)
        case Kind.TEXTS:
            return tuple(filter(None, map(str.strip, text.split(","))))
        case Kind.TEXT:
            return text


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"
