"""A table of bad providers by checks: each fails exactly the checks that it names, and each kind of check fails one."""

import runpy
from pathlib import Path

import attrs
import pytest

from fluxkit._wire.samples import samples_of
from fluxkit.provider import At, Base64, Each, Form, Provider, StandardWebhook, Webhook, With
from fluxkit.testing import CHECKS, Grade, Pair, find_all
from fluxkit.testing.bad import BAD, Bad


def good() -> Provider:
    """The provider of a plugin, which takes pictures as they are, and signs its webhooks."""
    acme: Provider = runpy.run_path(str(Path(__file__).parent / "support" / "acme" / "fluxkit_acme.py"))["ACME"]
    (row,) = acme.models
    pictures = Form({"references": At("input.inspirations", Each(Base64(["png", "jpeg"]), most=2))})
    assert isinstance(row.request, With)
    row = attrs.evolve(row, request=attrs.evolve(row.request, inner=row.form | pictures))
    return attrs.evolve(acme, models=[row], webhook=Webhook(acme.polled, StandardWebhook()))


GOOD = good()


def failing(bad: Bad | None = None) -> frozenset[str]:
    found = find_all(GOOD) if bad is None else find_all(bad.made(GOOD), mock=GOOD, conduct=bad.conduct)
    return frozenset(each.check for each in found if each.outcome is Grade.FAIL)


@pytest.mark.slow
def test_the_good_one_fails_nothing() -> None:
    assert frozenset() == failing()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_one_fails_the_checks_that_it_names(bad: Bad) -> None:
    pair = Pair(bad.made(GOOD), GOOD, samples_of(GOOD), bad.conduct)
    found = {check.name: check.find(pair).outcome for check in CHECKS if check.name in bad.fails}
    assert dict.fromkeys(bad.fails, Grade.FAIL) == found


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_one_fails_exactly_the_checks_that_it_names(bad: Bad) -> None:
    assert bad.fails == failing(bad)


def test_what_a_bad_one_names_is_a_check() -> None:
    assert frozenset().union(*(bad.fails for bad in BAD)) <= {check.name for check in CHECKS}


def test_a_bad_one_has_a_name_of_its_own_and_says_what_it_does() -> None:
    assert len(BAD) == len({bad.name for bad in BAD})
    assert all(bad.about.endswith(".") for bad in BAD)


#: Checks of conduct that no bad provider fails, and why.
UNTRIED = {
    "what_a_model_lacks_is_refused_or_dropped_by_name": "it is decided before a conduct or a codec is asked",
    "limits_hold_inside_and_just_outside": "mutants of declarations fail it",
    "key_stays_home_when_an_answer_names_an_address": "the good one names none",
}


def test_every_check_of_conduct_is_failed_by_a_bad_one() -> None:
    conduct = {check.name for check in CHECKS if check.kind not in ("client", "mock", "both")}
    assert UNTRIED.keys() == conduct - frozenset().union(*(bad.fails for bad in BAD))
