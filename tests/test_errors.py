"""Errors: the tree that is drawn is the tree that is there, and each keeps its facts through pickling and copying."""

import ast
import copy
import inspect
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import fluxkit
from fluxkit import errors
from fluxkit._contract.amount import Amount
from fluxkit._contract.report import Outcome, Verdict
from fluxkit._contract.task import Task
from fluxkit.errors import (
    Broken,
    BudgetExceeded,
    Cancelled,
    Charged,
    ContractError,
    DeliveryWarning,
    DownloadError,
    Failed,
    FluxError,
    JournalUnavailable,
    OutOfCredit,
    Overdue,
    PluginError,
    RateLimited,
    ReferenceUnusable,
    Refused,
    Rejected,
    ServiceError,
    SettingsError,
    SubmissionUnknown,
    TaskError,
    Unauthorized,
    Unreachable,
    Unsupported,
    Vanished,
    WebhookUnusable,
)

TASK = Task(provider="magnific", model="flux-2-klein", id="046b6c7f", base_url="https://api.example")

# What each class says of itself where the raiser says nothing: whether something was bought, and whether to retry.
SAID: dict[type[FluxError], tuple[Charged, bool]] = {
    FluxError: (Charged.NO, False),
    Unsupported: (Charged.NO, False),
    SettingsError: (Charged.NO, False),
    PluginError: (Charged.NO, False),
    JournalUnavailable: (Charged.NO, False),
    BudgetExceeded: (Charged.NO, False),
    ReferenceUnusable: (Charged.NO, False),
    Unreachable: (Charged.NO, True),
    SubmissionUnknown: (Charged.UNKNOWN, False),
    ServiceError: (Charged.NO, False),
    Unauthorized: (Charged.NO, False),
    OutOfCredit: (Charged.NO, False),
    Rejected: (Charged.NO, False),
    RateLimited: (Charged.NO, True),
    Broken: (Charged.NO, True),
    TaskError: (Charged.UNKNOWN, False),
    Failed: (Charged.UNKNOWN, False),
    Refused: (Charged.UNKNOWN, False),
    Cancelled: (Charged.UNKNOWN, False),
    Vanished: (Charged.UNKNOWN, False),
    Overdue: (Charged.UNKNOWN, False),
    DownloadError: (Charged.YES, False),
    ContractError: (Charged.UNKNOWN, False),
    WebhookUnusable: (Charged.NO, False),
}

COMMON: dict[str, Any] = {
    "charged": Charged.YES,
    "retry": True,
    "provider": "magnific",
    "model": "flux-2-klein",
    "task": TASK,
    "request_id": "req-7",
    "reply": '{"message": "no"}',
}

# What a class carries beside the common facts, its own and those of the classes above it.
OWN: dict[type[FluxError], dict[str, Any]] = {
    Unsupported: {
        "field": "seed",
        "asked": -1,
        "allowed": "a whole number from 0 to 5",
        "setting": 'unsupported = { seed = "drop" }',
        "verdicts": (Verdict("seed", Outcome.REFUSED, -1),),
    },
    BudgetExceeded: {
        "budget": Amount.parse("5 USD"),
        "spent": Amount.parse("4.98 USD"),
        "price": Amount.parse("0.03 USD"),
        "until": 1_767_312_000.0,
    },
    ServiceError: {"status": 418},
    WebhookUnusable: {"reason": "forged"},
    Rejected: {"fields": (("prompt", "too long"),)},
    RateLimited: {"retry_after": 1.5},
    Broken: {"retry_after": 0.0},
    DownloadError: {"status": 403},
}


def classes() -> list[type]:
    """Every error and warning that the module defines."""
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    return [each for each in found if issubclass(each, Exception)]


def facts(kind: type[FluxError]) -> dict[str, Any]:
    own = (OWN.get(each, {}) for each in kind.__mro__ if issubclass(each, FluxError))
    return COMMON | {name: value for facts in own for name, value in facts.items()}


def comparable(error: BaseException) -> dict[str, Any]:
    """The attributes of an error; verdicts, which compare by identity, as texts."""
    return {name: str(value) if name == "verdicts" else value for name, value in vars(error).items()}


def drawn() -> dict[str, tuple[str | None, str]]:
    """The tree in the module's docstring: for each class the one it is drawn under, and what is said beside it."""
    tree: dict[str, tuple[str | None, str]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if row := re.fullmatch(r"( {4,})([A-Z]\w+)(?: {2,}(\S.*))?", line):
            depth, name = len(row[1]), row[2]
            while above and above[-1][0] >= depth:
                above.pop()
            tree[name] = (above[-1][1] if above else None, row[3] or "")
            above.append((depth, name))
    return tree


def test_tree_that_is_drawn_is_the_tree_of_classes() -> None:
    actual = {each.__name__: each.__base__.__name__ for each in classes() if each.__base__}
    expected = {name: parent for name, (parent, _) in drawn().items()}
    assert {"FluxError": None, "DeliveryWarning": None} == {name: up for name, up in expected.items() if up is None}
    assert expected | {"FluxError": "Exception", "DeliveryWarning": "UserWarning"} == actual


def test_every_error_is_drawn_with_what_it_means_and_documented() -> None:
    assert [] == [name for name, (_, meaning) in drawn().items() if not meaning and name != "FluxError"]
    assert [] == [each.__name__ for each in classes() if not each.__doc__]


def test_errors_that_sent_nothing_say_so_in_the_tree() -> None:
    silent = {name for name, (_, meaning) in drawn().items() if "nothing was sent" in meaning}
    assert {"Unsupported", "SettingsError"} == silent
    unpaid = {name for name, (_, meaning) in drawn().items() if "nothing was bought" in meaning}
    # An image may have been uploaded or hosted before.
    assert {"PluginError", "JournalUnavailable", "BudgetExceeded", "ReferenceUnusable"} == unpaid
    assert {Charged.NO} == {SAID[getattr(errors, name)][0] for name in silent}


def test_every_error_comes_through_the_door() -> None:
    assert {each.__name__ for each in classes()} <= set(fluxkit.__all__)
    assert all(getattr(fluxkit, each.__name__) is each for each in classes())


def test_table_of_what_is_said_names_every_error() -> None:
    assert {each for each in classes() if issubclass(each, FluxError)} == SAID.keys()


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_error_says_by_itself_whether_it_charged_and_whether_to_retry(kind: type[FluxError]) -> None:
    error = kind("no")
    assert SAID[kind] == (error.charged, error.retry)
    assert (None,) * 5 == (error.provider, error.model, error.task, error.request_id, error.reply)


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_raiser_may_know_better_even_that_nothing_was_charged(kind: type[FluxError]) -> None:
    error = kind("no", charged=Charged.NO, retry=False)
    assert (Charged.NO, False) == (error.charged, error.retry)
    assert SAID[kind] == (kind.charged, kind.retry), "one error has changed its class"


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_error_carries_its_facts_and_reads_as_its_message(kind: type[FluxError]) -> None:
    error = kind("no", **facts(kind))
    assert {"message": "no", **facts(kind)} == vars(error)
    assert ("no", ("no",)) == (str(error), error.args)


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_error_takes_no_fact_that_is_not_its_own(kind: type[FluxError]) -> None:
    foreign = {name for own in OWN.values() for name in own} - facts(kind).keys()
    for name in foreign:
        with pytest.raises(TypeError, match=name):
            kind("no", **{name: None})


def survivals() -> dict[str, Callable[[Any], Any]]:
    ways: dict[str, Callable[[Any], Any]] = {
        f"pickle-{protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    }
    return ways | {"copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", survivals())
@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_error_survives_with_all_its_facts(kind: type[FluxError], way: str) -> None:
    error = kind("no", **facts(kind))
    error.add_note("while submitting")
    survivor = survivals()[way](error)
    assert kind is type(survivor)
    assert ("no", ("no",)) == (str(survivor), survivor.args)
    assert comparable(error) == comparable(survivor)
    assert ["while submitting"] == survivor.__notes__


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_bare_error_survives_with_what_its_class_says(kind: type[FluxError]) -> None:
    survivor = pickle.loads(pickle.dumps(kind("no")))
    assert vars(kind("no")) == vars(survivor)
    assert SAID[kind] == (survivor.charged, survivor.retry)


def test_what_is_given_as_a_list_is_kept_as_a_tuple() -> None:
    verdict = Verdict("seed", Outcome.REFUSED, -1)
    assert (verdict,) == Unsupported("no", verdicts=[verdict]).verdicts
    assert (("prompt", "too long"),) == Rejected("no", fields=[("prompt", "too long")]).fields


@pytest.mark.parametrize(("charged", "expected"), [(Charged.NO, False), (Charged.YES, True), (Charged.UNKNOWN, True)])
def test_charged_is_true_unless_it_is_known_that_nothing_was_bought(charged: Charged, expected: bool) -> None:
    assert expected is bool(charged)
    assert charged is pickle.loads(pickle.dumps(charged))
    assert charged is Charged(str(charged))


def test_charged_words_are_those_of_a_table() -> None:
    assert ["no", "yes", "unknown"] == [str(charged) for charged in Charged]


def test_delivery_warning_is_a_warning_and_no_error_of_the_tree() -> None:
    warning = DeliveryWarning("other pixels")
    assert not issubclass(DeliveryWarning, FluxError)
    assert ("other pixels",) == pickle.loads(pickle.dumps(warning)).args
    with pytest.warns(DeliveryWarning, match="other pixels"):
        warnings.warn(warning, stacklevel=1)


def test_module_imports_nothing_of_ours() -> None:
    tree = ast.parse(inspect.getsource(errors))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [0] * len(imports) == [node.level for node in imports]
