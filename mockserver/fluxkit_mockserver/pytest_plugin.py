"""The pytest plugin: the fixture ``fluxkit_mock``, its marks and its part of the report of a test that failed.

It is loaded by every run of pytest where fluxkit is installed, so it imports nothing until a test uses the fixture.
"""

import contextlib
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .fixture import FluxkitMock

MARKS = (
    "fluxkit_live: may buy in earnest: the fixture fluxkit_mock neither stands in for services nor guards the network",
    "fluxkit_mock(**settings): with which settings of MockService the fixture fluxkit_mock is made",
)
PROGRESSIONS = ("at once", "polls", "seconds")

_USED = pytest.StashKey["FluxkitMock"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What an ini file may say of the fixture."""
    parser.addini("fluxkit_mock_seed", "What ids, images and mishaps of fluxkit_mock derive from.", default="0")
    parser.addini(
        "fluxkit_mock_progression", f"What moves tasks on: {', '.join(PROGRESSIONS)}.", default=PROGRESSIONS[0]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marks, checks what the ini file says, and settles where clients record what they ask for."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    _settings(config)
    if place := os.environ.get("FLUXKIT_RECORD"):  # a test may go to another directory
        os.environ["FLUXKIT_RECORD"] = str(config.invocation_params.dir / place)


@pytest.fixture
def fluxkit_mock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator["FluxkitMock"]:
    """A mock of every installed service, for this test alone; clients that the app makes meanwhile speak to it."""
    from .fixture import FluxkitMock

    settings = _settings(request.config)
    for mark in reversed([*request.node.iter_markers("fluxkit_mock")]):
        if mark.args:
            pytest.fail("The mark fluxkit_mock takes settings by name, such as progression='seconds'.", pytrace=False)
        settings.update(mark.kwargs)
    _check(settings)
    with contextlib.ExitStack() as standing, FluxkitMock(**settings) as mock:
        if request.node.get_closest_marker("fluxkit_live") is None:
            standing.enter_context(mock.guarding())
            monkeypatch.setenv("FLUXKIT_OFFLINE", "loopback")  # for the programs that the test starts
        request.node.stash[_USED] = mock
        yield mock


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the mock was asked last, and what was bought, under a test that failed."""
    report = yield
    if report.failed and (mock := item.stash.get(_USED, None)) is not None:
        report.sections.append(("fluxkit mock", mock.summary()))
    return report


def _check(settings: dict[str, object]) -> None:
    """Fails a test whose mark names a setting that a mock does not have."""
    import inspect

    from .service import MockService

    allowed = [*inspect.signature(MockService).parameters]
    if strange := settings.keys() - {*allowed}:
        named = ", ".join(sorted(strange))
        pytest.fail(f"The mark fluxkit_mock has {named}. Allowed: {', '.join(allowed)}.", pytrace=False)


def _settings(config: pytest.Config) -> dict[str, object]:
    seed, progression = (str(config.getini(f"fluxkit_mock_{name}")) for name in ("seed", "progression"))
    try:
        number = int(seed)
    except ValueError:
        raise pytest.UsageError(f"fluxkit_mock_seed is {seed!r}. Allowed: a whole number.") from None
    if progression not in PROGRESSIONS:
        raise pytest.UsageError(f"fluxkit_mock_progression is {progression!r}. Allowed: {', '.join(PROGRESSIONS)}.")
    return {"seed": number, "progression": progression}
