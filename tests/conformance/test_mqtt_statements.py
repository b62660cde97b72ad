"""Every normative statement of both MQTT standards that concerns a server has its test.

The numbers are those of appendix B of each; a statement about clients alone is listed as such.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

MQTT_5 = """
1.5.4:3 1.5.5:1 1.5.7:1 2.1.3:1 2.2.1:2-6 2.2.2:1 3.1.0:2 3.1.2:30 3.1.3:12 3.1.4:6 3.2.0:2
3.2.2:22 3.3.1:13 3.3.2:20 3.3.4:10 3.4.2:3 3.5.2:3 3.6.1:1 3.6.2:3 3.7.2:3 3.8.1:1 3.8.3:5
3.8.4:8 3.9.2:2 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.11.2:2 3.11.3:2 3.12.4:1 3.14.0:1 3.14.1:1
3.14.2:4 3.14.4:3 3.15.1:1 3.15.2:3 4.1.0:2 4.2.0:1 4.3.1:1 4.3.2:5 4.3.3:13 4.4.0:2 4.5.0:2
4.6.0:6 4.7.0:1 4.7.1:2 4.7.2:1 4.7.3:4 4.8.2:6 4.9.0:3 4.12.0:7 4.12.1:2 4.13.1:1 4.13.2:1
6.0.0:4
"""
MQTT_5_CLIENTS = {
    "3.1.2-20",  # sends PINGREQ
    "3.2.2-4", "3.2.2-5",  # what it makes of Session Present
    "3.3.2-10",  # takes a server's Topic Aliases
    "4.5.0-2",  # acknowledges what it was sent
    "4.6.0-4",  # sends PUBREL in order
}  # fmt: skip

MQTT_3_1_1 = """
1.5.3:3 2.2.2:2 2.3.1:7 3.1.0:2 3.1.2:24 3.1.3:11 3.1.4:5 3.2.0:1 3.2.2:6 3.3.1:12 3.3.2:3 3.3.4:1
3.3.5:2 3.6.1:1 3.8.1:1 3.8.3:4 3.8.4:6 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.12.4:1 3.14.1:1
3.14.4:3 4.1.0:2 4.2.0:1 4.3.1:1 4.3.2:2 4.3.3:2 4.4.0:1 4.5.0:2 4.6.0:6 4.7.1:3 4.7.2:1 4.7.3:4
4.8.0:2 6.0.0:4
"""


def numbers(listed: str) -> list[str]:
    """``3.1.0:2`` stands for two statements, ``2.2.1:2-6`` for those from the second on."""
    found = []
    for entry in listed.split():
        section, _, count = entry.partition(":")
        first, _, last = count.rpartition("-")
        found += [f"{section}-{n}" for n in range(int(first or 1), int(last) + 1)]
    return found


@cache
def statements_of(standard: str) -> set[str]:
    """The statements that the marks of the tests name."""
    found = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            words = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if node.func.id != "spec" or not words or not str(words[0]).startswith(standard):
                continue
            found |= {str(word).removeprefix("MQTT-") for word in words[1:]}
    return found


def test_lists_are_as_long_as_the_appendices() -> None:
    assert len(numbers(MQTT_5)) == 251
    assert len(set(numbers(MQTT_3_1_1))) == len(numbers(MQTT_3_1_1))


@pytest.mark.parametrize(
    ("standard", "listed", "clients"),
    [("MQTT 5.0 ", MQTT_5, MQTT_5_CLIENTS), ("MQTT 3.1.1 ", MQTT_3_1_1, set())],
)
def test_every_statement_about_a_server_has_a_test(
    standard: str, listed: str, clients: set[str]
) -> None:
    missing = [each for each in numbers(listed) if each not in statements_of(standard) | clients]
    assert missing == []


@pytest.mark.parametrize(
    ("standard", "listed"), [("MQTT 5.0 ", MQTT_5), ("MQTT 3.1.1 ", MQTT_3_1_1)]
)
def test_no_test_names_a_statement_that_there_is_not(standard: str, listed: str) -> None:
    named = {
        each for each in statements_of(standard) if each[:1].isdigit() and each.count("-") == 1
    }
    assert sorted(each for each in named if each not in numbers(listed)) == []
