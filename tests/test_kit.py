"""The contract kit: what a check is and says, and that the bundled providers and a stranger's keep the contract."""

import datetime as dt
import re
import runpy
from pathlib import Path
from typing import Any

import attrs
import pytest
from shapes.fal import FAL
from shapes.openai import OPENAI, TOGETHER
from shapes.replicate import REPLICATE

from fluxkit._wire.samples import Sample, samples_of
from fluxkit.errors import PluginError, SettingsError
from fluxkit.provider import Provider, State
from fluxkit.testing import CHECKS, Check, Deviation, Finding, Grade, check_provider, find_all
from fluxkit.testing.check import check_of, not_applicable, pair_of
from fluxkit.testing.checks.money import check_no_sure_way_to_a_lost_task_without_a_sample
from fluxkit.testing.differs import same
from fluxkit.testing.folders import folder
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

#: The provider of a plugin that is not installed.
ACME: Provider = runpy.run_path(str(Path(__file__).parent / "support" / "acme" / "fluxkit_acme.py"))["ACME"]

DAY = dt.date(2026, 6, 29)
SPOILT = attrs.evolve(ACME, statuses=[*ACME.statuses[:2], ("drawn", State.FAILED)])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_says_what_is_promised_and_what_a_failure_means(check: Check) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", check.name)
    assert re.fullmatch(r"[A-Z].*[^.]\.", check.promise)
    assert re.fullmatch(r"A failure means: .*[^.]\.", check.meaning)


def test_a_promise_has_a_name_of_its_own() -> None:
    assert len(CHECKS) == len({check.name for check in CHECKS})


each_service = pytest.mark.parametrize(
    "provider",
    [MAGNIFIC, FREEPIK, APIMART, BFL, ACME, FAL, OPENAI, TOGETHER, REPLICATE],
    ids=lambda provider: provider.name,
)


@pytest.mark.slow
@each_service
def test_a_provider_keeps_the_contract(provider: Provider) -> None:
    findings = check_provider(provider)
    assert [check.name for check in CHECKS] == [each.check for each in findings]


@each_service
def test_a_lost_submit_stays_unknown_on_every_service(provider: Provider) -> None:
    found = check_no_sure_way_to_a_lost_task_without_a_sample.find(pair_of(provider, samples=()))
    assert (Grade.PASS, "") == (found.outcome, found.why)


def test_a_task_that_is_not_listed_where_a_list_is_declared_is_missed() -> None:
    found = check_no_sure_way_to_a_lost_task_without_a_sample.find(
        pair_of(MAGNIFIC, attrs.evolve(MAGNIFIC, listing=None))
    )
    assert Grade.FAIL is found.outcome
    assert found.why.startswith("accepted-then-dropped: the tasks that it may have become")


@pytest.mark.slow
def test_all_that_fails_is_named() -> None:
    with pytest.raises(AssertionError) as caught:
        check_provider(SPOILT)
    failing = [each.check for each in find_all(SPOILT) if each.outcome is Grade.FAIL]
    assert len(failing) > 1
    assert failing == re.findall(r"^- fail  (\w+): ", str(caught.value), re.MULTILINE)


@pytest.mark.slow
def test_a_known_deviation_is_no_surprise_until_it_is_gone() -> None:
    failing = [each.check for each in find_all(SPOILT) if each.outcome is Grade.FAIL]
    known = [Deviation(name, "it is told to the vendor", "2026-06-29") for name in failing]
    found = [each for each in check_provider(SPOILT, deviations=known) if each.known]
    assert [DAY] * len(failing) == [each.known and each.known.date for each in found]
    assert all("(known since 2026-06-29: it is told to the vendor)" in str(each) for each in found)
    with pytest.raises(AssertionError, match=r"breaks the contract, in 1 of .*\n- pass  polls_are_bounded \(recorded"):
        check_provider(ACME, deviations=[{"check": "polls_are_bounded", "reason": "was told", "date": DAY}])


def test_samples_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "acme.json"
    file.write_text('{"samples": []}')
    assert () == samples_of(attrs.evolve(ACME, samples=f"file:{file}"))
    with pytest.raises(PluginError, match=r"gone.json' cannot be read"):
        check_provider(ACME, samples=tmp_path / "gone.json")


def test_what_is_no_provider_is_refused() -> None:
    with pytest.raises(SettingsError, match="There is no provider 'nobody'"):
        check_provider("nobody")
    with pytest.raises(SettingsError, match=r"provider is 7\. Allowed: a declaration, or the name"):
        check_provider(7)  # type: ignore[arg-type]


def test_a_check_can_be_called_with_a_provider() -> None:
    fetched = next(check for check in CHECKS if check.name == "what_is_paid_is_fetched")
    fetched(ACME)
    with pytest.raises(AssertionError, match="an image was bought, and it came to Overdue"):
        fetched(SPOILT)


@check_of("odd")
def check_that_fails(_: object) -> None:
    """It is kept.

    A failure means: it is broken.
    """
    raise AssertionError("one line\nand another")


@check_of("odd", "polled|resulted")
def check_that_breaks_down(_: object) -> None:
    """It is kept."""
    raise KeyError("a name")


@check_of("odd")
def check_that_does_not_apply(_: object) -> None:
    """It is kept."""
    not_applicable("nobody can tell")


SAMPLE = Sample(
    of="polled", name="a", source="a page", date="2026", sure="documented", body={}, means={"state": "running"}
)


@pytest.mark.parametrize(
    ("check", "samples", "expected"),
    [
        (check_that_fails, [], (Grade.FAIL, "one line", "one line\nand another")),
        (check_that_breaks_down, [SAMPLE], (Grade.FAIL, "KeyError: 'a name'", "KeyError: 'a name'")),
        (
            check_that_breaks_down,
            [],
            (Grade.NOT_APPLICABLE, "no sample shows an answer to a poll or an answer with images", ""),
        ),
        (check_that_does_not_apply, [], (Grade.NOT_APPLICABLE, "nobody can tell", "")),
    ],
)
def test_a_finding_says_how_a_check_ended(
    check: Check, samples: list[Sample], expected: tuple[Grade, str, str]
) -> None:
    found = check.find(pair_of(ACME, samples=samples))
    grade, why, details = expected
    assert (grade, why) == (found.outcome, found.why)
    assert found.details.startswith(details)
    assert not found.surprising if grade is Grade.NOT_APPLICABLE else found.surprising


@pytest.mark.parametrize(
    ("expected", "actual", "at", "said"),
    [
        (7, 8, "", "it: 7 expected, and it is 8"),
        (None, "missing", "means.type", "it, means.type: nothing expected, and it is 'missing'"),
        ({"size": (1024, 760)}, {"size": (1024, 768)}, "", "it, size[1]: 760 expected, and it is 768"),
        ({"a": 1}, {"a": 1, "b": 2}, "means", "it, means.b: nothing expected, and it is 2"),
        ([(1, 2)], [(1, 3)], "", "it: [(1, 2)] expected, and it is [(1, 3)]"),
    ],
)
def test_what_differs_is_named_by_its_place(expected: Any, actual: Any, at: str, said: str) -> None:
    @check_of("odd")
    def check_it(_: object) -> None:
        """It is kept."""
        same(expected, actual, "it", at=at)

    found = check_it.find(pair_of(ACME))
    assert said == found.why
    assert re.fullmatch(rf"{re.escape(said)}\n\((?!same)\w+, line \d+\)", found.details)


def test_a_check_that_does_not_apply_raises_nothing_and_one_that_breaks_down_raises_that() -> None:
    check_that_does_not_apply(ACME)
    with pytest.raises(AssertionError, match=r"^one line$"):
        check_that_fails(ACME)
    with pytest.raises(KeyError):
        check_that_breaks_down(ACME, samples=[SAMPLE])


def test_a_finding_reads_as_a_line() -> None:
    assert "pass  it_is_so" == str(Finding("it_is_so", Grade.PASS))
    assert "fail  it_is_so: it is not" == str(Finding("it_is_so", Grade.FAIL, "it is not"))


def test_a_directory_of_a_check_is_empty_again_and_used_again() -> None:
    with folder() as one, folder() as other:
        assert one != other
        (one / "a.png").write_bytes(b"a")
        (one / "inner").mkdir()
        (one / "inner" / "b.png").write_bytes(b"b")
    with folder() as again:
        assert again in (one, other)
        assert [] == [*one.iterdir()]


def test_a_directory_that_cannot_be_emptied_is_not_used_again() -> None:
    with folder() as gone:
        gone.rmdir()
    with folder() as other:
        assert gone != other
        assert other.is_dir()
