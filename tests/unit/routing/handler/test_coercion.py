from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional

import pytest

from blackbull.errors import HTTPException
from blackbull.routing.handler.coercion import EMPTY, accepts, path_reader, query_reader

UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


UTC = datetime.UTC


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (EMPTY, "x", "x"),
        (str, "", ""),
        (int, "-12", -12),
        (int, "+12", 12),
        (float, "1.5", 1.5),
        (float, "-2", -2.0),
        (float, "1e3", 1000.0),
        (Decimal, "1.50", Decimal("1.50")),
        (int | None, "3", 3),
        (Optional[int], "3", 3),  # noqa: UP045 - the old spelling works too
        (Annotated[int, "doc"], "3", 3),
        (UserId, "3", 3),
        (Colour, "red", Colour.RED),
        (Level, "2", Level.HIGH),
        (Literal["a", 1], "1", 1),
        (uuid.UUID, "00000000-0000-0000-0000-000000000001", uuid.UUID(int=1)),
        (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
        (datetime.time, "12:30", datetime.time(12, 30)),
        (
            datetime.datetime,
            "2026-01-31T12:30Z",
            datetime.datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
        ),
    ],
)
def test_query_value_that_fits_is_converted(annotation: object, text: str, value: object) -> None:
    read = query_reader("q", annotation, EMPTY)
    assert read is not None
    found = read({"q": [text]})
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["1", "true", "YES", "On"])
def test_query_bool_spelled_true_is_true(text: str) -> None:
    assert query_reader("q", bool, EMPTY)({"q": [text]}) is True


@pytest.mark.parametrize("text", ["0", "false", "NO", "Off"])
def test_query_bool_spelled_false_is_false(text: str) -> None:
    assert query_reader("q", bool, EMPTY)({"q": [text]}) is False


@pytest.mark.parametrize(
    ("annotation", "text", "noun"),
    [
        (int, "x", "an integer, not 'x'"),
        (int, "", "an integer"),
        (int, "1_000", "an integer"),
        (int, " 1", "an integer"),
        (int, "١", "an integer"),
        (int, "1.0", "an integer"),
        (int, "9" * 5000, r"an integer, not '9+\.\.\."),
        (float, "nan", "a number"),
        (float, "inf", "a number"),
        (bool, "maybe", "true or false"),
        (Decimal, "sNaN", "a number"),
        (Colour, "green", "one of red, blue"),
        (Literal["a", "b"], "c", "one of a, b"),
        (uuid.UUID, "1", "a UUID"),
        (datetime.datetime, "now", "a date and time in ISO 8601"),
        (list[int], "x", "an integer"),
    ],
)
def test_query_value_that_does_not_fit_is_a_400_that_says_why(
    annotation: object, text: str, noun: str
) -> None:
    with pytest.raises(HTTPException, match=f"query parameter 'q' must be {noun}") as caught:
        query_reader("q", annotation, EMPTY)({"q": [text]})
    assert caught.value.status == 400


def test_query_value_repeated_takes_the_last() -> None:
    assert query_reader("q", int, EMPTY)({"q": ["1", "2"]}) == 2


def test_query_list_takes_all_values() -> None:
    assert query_reader("q", list[int], EMPTY)({"q": ["1", "2"]}) == [1, 2]
    assert query_reader("q", list, EMPTY)({"q": ["1"]}) == ["1"]
    assert query_reader("q", list[Colour] | None, None)({"q": ["red"]}) == [Colour.RED]


@pytest.mark.parametrize("annotation", [str, int, int | None, list[int]])
def test_query_value_missing_without_default_is_a_400(annotation: object) -> None:
    with pytest.raises(HTTPException, match="query parameter 'q' is missing") as caught:
        query_reader("q", annotation, EMPTY)({"r": ["1"]})
    assert caught.value.status == 400


def test_query_value_missing_is_the_default() -> None:
    assert query_reader("q", int, 7)({}) == 7
    assert query_reader("q", int | None, None)({}) is None


def test_query_list_default_is_not_shared_between_requests() -> None:
    read = query_reader("q", list[int], [1])
    first = read({})
    assert isinstance(first, list)
    first.append(2)
    assert read({}) == [1]


@pytest.mark.parametrize(("default", "value"), [(1, 5), (1.5, 5.0), ("x", "5"), (None, "5")])
def test_query_value_without_annotation_has_its_defaults_type(
    default: object, value: object
) -> None:
    found = query_reader("q", EMPTY, default)({"q": ["5"]})
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "annotation", [dict, bytes, set[int], int | str, list[dict], list[list[int]], object(), "int"]
)
def test_query_reader_for_what_no_query_holds_is_none(annotation: object) -> None:
    assert query_reader("q", annotation, EMPTY) is None


@pytest.mark.parametrize("annotation", [EMPTY, str, Any, object, str | None, Annotated[str, 1]])
def test_path_reader_for_text_is_none(annotation: object) -> None:
    assert path_reader("x", annotation) is None


def test_path_reader_converts_the_text() -> None:
    assert path_reader("x", int)("12") == 12
    assert path_reader("x", Colour)("blue") is Colour.BLUE
    assert path_reader("x", int | None)("3") == 3
    assert path_reader("x", int | None)(None) is None


def test_path_reader_of_what_does_not_fit_is_a_404() -> None:
    with pytest.raises(HTTPException, match="'x' must be an integer, not 'a'") as caught:
        path_reader("x", int)("a")
    assert caught.value.status == 404


@pytest.mark.parametrize("annotation", [dict, list[int], int | float])
def test_path_reader_for_what_no_path_holds_raises(annotation: object) -> None:
    with pytest.raises(TypeError, match="'x' stands in the path"):
        path_reader("x", annotation)


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (int, int, True),
        (float, int, True),
        (int, float, False),
        (object, str, True),
        (int | None, int, True),
        (str, int, False),
        (list[int], int, False),
    ],
)
def test_accepts_follows_the_types(annotation: object, given: type, expected: bool) -> None:
    assert accepts(annotation, given) is expected
