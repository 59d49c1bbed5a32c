"""Tasks as text: what is written is read again, and what a stranger wrote is taken whole or refused by name."""

import datetime as dt
import json
import sys
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxkit._contract.persist import LAST_SECOND, MOST_LEVELS, VERSION, dump, load_task
from fluxkit._contract.report import shorten
from fluxkit._contract.task import State, Task
from fluxkit.errors import ContractError

NEEDED = {"provider": "magnific", "model": "flux-2-klein", "id": "046b6c7f", "base_url": "https://api.example"}
FULL = Task(
    **NEEDED,
    state=State.RUNNING,
    status="IN_PROGRESS",
    submitted_at=1_763_088_289.5,
    poll_url="https://api.example/poll/046b6c7f",
    result_url="https://api.example/result/046b6c7f",
    cancel_url="https://api.example/cancel/046b6c7f",
    expected=((2048, 1392), (2048, 1408)),
    output_format="jpeg",
    seed=4294967295,
    mocked=True,
)
KNOWN = {field.name for field in attrs.fields(Task)} - {"more"}

# Every text that Python can hold, half a surrogate pair included: a service may have sent one as an escape.
TEXTS = st.text(st.characters())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
STRANGE_NAMES = TEXTS.filter(lambda name: name not in KNOWN | {"version", "state_said"})
TASKS = st.builds(
    Task,
    provider=TEXTS,
    model=TEXTS,
    id=TEXTS,
    base_url=TEXTS,
    state=st.sampled_from(State),
    status=TEXTS,
    submitted_at=st.floats(0, LAST_SECOND, exclude_max=True),
    poll_url=st.none() | TEXTS,
    result_url=st.none() | TEXTS,
    cancel_url=st.none() | TEXTS,
    expected=st.lists(st.tuples(st.integers(1, 999_999), st.integers(1, 999_999)), max_size=3).map(tuple),
    output_format=st.none() | TEXTS,
    seed=st.none() | st.integers(),
    mocked=st.booleans(),
    more=st.dictionaries(STRANGE_NAMES, JSON, max_size=3),
)


def written(**changes: Any) -> str:
    """A task as another process would have written it, with these keys changed."""
    return json.dumps({"version": VERSION, **NEEDED, **changes})


def refusal(text: Any) -> str:
    """What is said of a text that is no task."""
    with pytest.raises(ContractError) as caught:
        Task.from_json(text)
    assert caught.value.__cause__ is None
    return str(caught.value)


def nested(levels: int) -> list[Any]:
    """Lists in lists: ``nested(1)`` is the empty list."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


# What is written


@given(TASKS)
@example(FULL)
@example(Task(**NEEDED))
@example(attrs.evolve(FULL, id="\ud800"))
def test_task_survives_as_text(task: Task) -> None:
    assert task == Task.from_json(task.to_json())


@given(TASKS)
def test_text_is_ascii_json_that_any_queue_carries(task: Task) -> None:
    document = json.loads(task.to_json().encode("ascii"), parse_constant=pytest.fail)
    assert {"version", *KNOWN, *task.more} == document.keys()
    assert (VERSION, str(task.state)) == (document["version"], document["state"])


def test_text_of_a_task_is_this() -> None:
    assert {
        "version": 1,
        **NEEDED,
        "state": "running",
        "status": "IN_PROGRESS",
        "submitted_at": 1763088289.5,
        "poll_url": "https://api.example/poll/046b6c7f",
        "result_url": "https://api.example/result/046b6c7f",
        "cancel_url": "https://api.example/cancel/046b6c7f",
        "expected": [[2048, 1392], [2048, 1408]],
        "output_format": "jpeg",
        "seed": 4294967295,
        "mocked": True,
    } == json.loads(FULL.to_json())


@pytest.mark.parametrize(
    "more", [{"version": 9}, {"state": "completed"}, {"id": "another"}, {"more": 1}], ids=lambda more: next(iter(more))
)
def test_what_more_keeps_never_hides_what_is_known(more: dict[str, Any]) -> None:
    read = load_task(dump(attrs.evolve(FULL, more=more)))
    assert FULL == attrs.evolve(read, more={})
    assert {"more": 1} == read.more if "more" in more else {} == read.more


def test_what_is_no_json_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        attrs.evolve(FULL, submitted_at=float("nan")).to_json()


# What is read


def test_only_what_names_the_task_is_needed() -> None:
    assert Task(**NEEDED) == Task.from_json(written())


def test_text_may_come_as_bytes() -> None:
    assert FULL == load_task(FULL.to_json().encode())  # type: ignore[arg-type]  # as a queue gives it


def test_unknown_keys_are_kept_and_written_again() -> None:
    strange = {"priority": 3, "labels": ["a", {"b": None}], "more": "of it", "Seed": 1.5}
    task = Task.from_json(written(**strange))
    assert strange == task.more
    assert strange == {key: value for key, value in json.loads(task.to_json()).items() if key in strange}


@pytest.mark.parametrize("state", State)
def test_every_state_is_read_as_itself(state: State) -> None:
    task = Task.from_json(written(state=state))
    assert (state, {}) == (task.state, task.more)


@given(TEXTS.filter(lambda word: word not in set(State)))
@example("paused")
@example("COMPLETED")
@example("")
def test_unknown_state_reads_as_running_and_its_word_is_kept(word: str) -> None:
    task = Task.from_json(written(state=word))
    assert (State.RUNNING, {"state_said": word}) == (task.state, task.more)
    assert task == Task.from_json(task.to_json())


def test_task_without_a_state_has_said_none() -> None:
    task = Task.from_json(written())
    assert (State.CREATED, {}) == (task.state, task.more)


def test_times_are_those_that_a_calendar_can_show() -> None:
    assert dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC).timestamp() + 1 == LAST_SECOND


@given(st.integers(0, int(LAST_SECOND) - 1))
def test_whole_seconds_are_read_as_seconds(second: int) -> None:
    read = Task.from_json(written(submitted_at=second)).submitted_at
    assert (float(second), float) == (read, type(read))


# What is refused, by name

WRONG = {
    "text": (17, None, True, [], {}, 1.5),
    "text or null": (17, True, [], {}, 1.5),
    "seconds": ("1", None, True, [], {}, -1, -0.5, LAST_SECOND, 10**400, -(10**400)),
    "whole or null": ("17", True, 1.0, 1.5, [], {}),
    "flag": (0, 1, "true", None, [], 1.0),
    "sizes": (
        None,
        "1x1",
        {},
        1,
        [1, 2],
        [[1]],
        [[1, 2, 3]],
        [["1", 2]],
        [[1.0, 2]],
        [[True, 2]],
        [[0, 2]],
        [[-1, 2]],
        [[1_000_000, 2]],
        [[1, 2], None],
        [{"width": 1, "height": 2}],
    ),
}
EXPECTED = {
    "text": "str",
    "text or null": "str",
    "seconds": "seconds since the epoch",
    "whole or null": "int",
    "flag": "bool",
    "sizes": "a list of width and height pairs",
}
KINDS = {
    "provider": "text",
    "model": "text",
    "id": "text",
    "base_url": "text",
    "state": "text",
    "status": "text",
    "submitted_at": "seconds",
    "poll_url": "text or null",
    "result_url": "text or null",
    "cancel_url": "text or null",
    "expected": "sizes",
    "output_format": "text or null",
    "seed": "whole or null",
    "mocked": "flag",
}


def test_every_key_has_its_wrong_values_below() -> None:
    assert KNOWN == KINDS.keys()


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, kind in KINDS.items() for value in WRONG[kind]])
def test_value_of_a_wrong_type_is_refused_by_its_key(key: str, value: Any) -> None:
    said = f"expected {EXPECTED[KINDS[key]]}, not {shorten(value)} @ {key}"
    assert f"This is no task: {said}." == refusal(written(**{key: value}))


@pytest.mark.parametrize("key", NEEDED)
def test_missing_key_is_named(key: str) -> None:
    document = json.loads(written())
    del document[key]
    assert f"This is no task: missing @ {key}." == refusal(json.dumps(document))


def test_everything_that_is_wrong_is_named_at_once() -> None:
    message = refusal(json.dumps({"version": 1, "provider": None, "seed": "17", "mocked": 1}))
    said = message.removeprefix("This is no task: ").removesuffix(".").split("; ")
    assert {
        "expected str, not None @ provider",
        "missing @ model",
        "missing @ id",
        "missing @ base_url",
        "expected int, not '17' @ seed",
        "expected bool, not 1 @ mocked",
    } == set(said)


@pytest.mark.parametrize("version", [None, 0, 2, -1, True, 1.0, "1", [1], {}])
def test_other_version_is_refused(version: Any) -> None:
    assert f"This is no task: version is {version!r}; allowed: 1." == refusal(written(version=version))


def test_text_without_a_version_is_refused() -> None:
    assert "This is no task: version is None; allowed: 1." == refusal(json.dumps(NEEDED))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("key", ["submitted_at", "strange"])
def test_number_that_json_does_not_have_is_refused(key: str, text: str) -> None:
    message = refusal(written(**{key: "here"}).replace('"here"', text))
    assert f"This is no task: {text} is no number of JSON, or too large a one." == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "{",
        "{}",
        "[]",
        "null",
        "17",
        '"task"',
        "true",
        '{"version": 1',
        "{'version': 1}",
        '{"version": 1}\n{}',
        "\ufeff{}",
        "\x00",
        "\ud800",
        b"\xff\xfe\xfd",
        b"",
        None,
        17,
        {},
        [],
    ],
    ids=repr,
)
def test_garbage_is_refused(text: Any) -> None:
    assert refusal(text).startswith("This is no task: ")


@pytest.mark.parametrize("key", ["seed", "submitted_at", "strange"])
def test_number_of_too_many_digits_is_refused(key: str) -> None:
    digits = "9" * (sys.get_int_max_str_digits() + 1)
    assert "digits" in refusal(written(**{key: "here"}).replace('"here"', digits))


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 500, 100_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":,}'], ids=["lists", "objects"])
@pytest.mark.parametrize("place", ["strange", "expected", "id", None])
def test_deep_nesting_is_refused(place: str | None, brackets: str, levels: int) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
    deep = opening * levels + "1" + closing * levels
    refusal(deep if place is None else written(**{place: "here"}).replace('"here"', deep))


def test_nesting_is_read_up_to_its_limit_and_no_further() -> None:
    # The object that holds the unknown keys is the first level.
    text = written(strange=nested(MOST_LEVELS - 1))
    assert text == written(**Task.from_json(text).more)
    said = f"This is no task: it nests deeper than {MOST_LEVELS} levels."
    assert said == refusal(written(strange=nested(MOST_LEVELS)))


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_whatever_is_no_task_is_refused(text: Any) -> None:
    refusal(text)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN | {"more", "strange"})), JSON))
@example({"state": []})
@example({"submitted_at": 10**400})
def test_any_object_is_a_task_that_can_be_written_or_refused(changes: dict[str, Any]) -> None:
    text, refused = written(**changes), None
    try:
        task = Task.from_json(text)
    except ContractError as error:
        refused = str(error)
    if refused is None:
        assert task == Task.from_json(task.to_json())
    else:
        assert any(f"@ {key}" in refused for key in changes)


@pytest.mark.parametrize("document", [[], "task", 17, None, True])
def test_json_that_is_no_object_is_refused_as_such(document: Any) -> None:
    assert f"This is no task: expected an object, not {document!r}." == refusal(json.dumps(document))


def test_refusal_shows_what_a_stranger_wrote_cut_short() -> None:
    assert len(refusal(written(seed="x" * 100_000))) < 200
    assert len(refusal(json.dumps(["x"] * 100_000))) < 200


@pytest.mark.parametrize("read", [Task.from_json, load_task])
def test_refusal_says_that_it_is_not_known_what_was_charged(read: Callable[[str], Task]) -> None:
    with pytest.raises(ContractError) as caught:
        read("{}")
    assert ("unknown", False) == (caught.value.charged, caught.value.retry)
