"""Where MQTT 3.1.1 says what the codec cites from MQTT 5.0."""

from __future__ import annotations

from typing import Final

_NEW: Final = "MQTT 5.0"
_OLD: Final = "MQTT 3.1.1"

# Only what stands elsewhere, or under another number.
_MOVED: Final = {
    "MQTT 5.0 §1.5.2": "MQTT 3.1.1 §1.5.2",
    "MQTT 5.0 §1.5.4": "MQTT 3.1.1 §1.5.3",
    "MQTT 5.0 §1.5.4 [MQTT-1.5.4-1]": "MQTT 3.1.1 §1.5.3 [MQTT-1.5.3-1]",
    "MQTT 5.0 §1.5.4 [MQTT-1.5.4-2]": "MQTT 3.1.1 §1.5.3 [MQTT-1.5.3-2]",
    "MQTT 5.0 §1.5.5": "MQTT 3.1.1 §2.2.3",
    "MQTT 5.0 §1.5.6": "MQTT 3.1.1 §3.1.3",
    "MQTT 5.0 §2.1.2": "MQTT 3.1.1 §2.2.1",
    "MQTT 5.0 §2.1.3 [MQTT-2.1.3-1]": "MQTT 3.1.1 §2.2.2 [MQTT-2.2.2-1]",
    "MQTT 5.0 §2.1.4": "MQTT 3.1.1 §2.2.3",
    "MQTT 5.0 §2.2.1": "MQTT 3.1.1 §2.3.1",
    "MQTT 5.0 §2.2.1 [MQTT-2.2.1-3]": "MQTT 3.1.1 §2.3.1 [MQTT-2.3.1-1]",
    "MQTT 5.0 §3.1.2.6 [MQTT-3.1.2-11]": "MQTT 3.1.1 §3.1.2.6 [MQTT-3.1.2-13]",
    "MQTT 5.0 §3.1.2.6 [MQTT-3.1.2-12]": "MQTT 3.1.1 §3.1.2.6 [MQTT-3.1.2-14]",
    "MQTT 5.0 §3.1.2.7 [MQTT-3.1.2-13]": "MQTT 3.1.1 §3.1.2.7 [MQTT-3.1.2-15]",
    "MQTT 5.0 §3.2.2.1 [MQTT-3.2.2-1]": "MQTT 3.1.1 §3.2.2.1",
    "MQTT 5.0 §3.2.2.1.1 [MQTT-3.2.2-6]": "MQTT 3.1.1 §3.2.2.2 [MQTT-3.2.2-4]",
    "MQTT 5.0 §3.8.3 [MQTT-3.8.3-2]": "MQTT 3.1.1 §3.8.3 [MQTT-3.8.3-3]",
    "MQTT 5.0 §3.8.3.1": "MQTT 3.1.1 §3.8.3",
    "MQTT 5.0 §3.8.4 [MQTT-3.8.4-6]": "MQTT 3.1.1 §3.8.4 [MQTT-3.8.4-5]",
}


def clause_before_5(spec: str) -> str:
    """Return the clause of MQTT 3.1.1 that says what *spec*, a clause of MQTT 5.0, says."""
    return _MOVED.get(spec) or spec.replace(_NEW, _OLD)
