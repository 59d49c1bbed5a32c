"""The page of faults says what the benchmark of faults measures: its rows, and the figures of fluxkit itself."""

import importlib
import json
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "faults.md"


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("faults")


def cells() -> list[tuple[str, ...]]:
    """The rows of the page's table, without its head."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_the_page_has_the_rows_of_the_benchmark(faults: ModuleType) -> None:
    head, _, *found = cells()
    assert faults.rows.HEAD == head
    assert list(faults.rows.ROWS) == [row[:2] for row in found]


@pytest.mark.slow
def test_the_page_has_the_figures_of_fluxkit(faults: ModuleType) -> None:
    measured = [faults.row(*place).cells for place in faults.rows.ROWS if place[1] in faults.MODELS]
    assert measured == [row for row in cells() if row[1] in faults.MODELS]


def bought(faults: ModuleType, **headers: str) -> int:
    """How many images a client buys that resends once, because the first answer was lost."""
    prompt = "answer lost 1 x / a client"
    with faults.Shop() as shop:

        def submit() -> HTTPResponse:
            line = HTTPConnection(shop.host, timeout=5)
            try:
                line.request("POST", "/v1/flux-pro-1.1", json.dumps({"prompt": prompt}), headers)
                return line.getresponse()
            finally:
                line.close()

        with pytest.raises(RemoteDisconnected):
            submit()
        assert 200 == submit().status
        return len(shop.tallies[prompt].bought)


def test_the_service_sells_twice_to_who_resends(faults: ModuleType) -> None:
    assert 2 == bought(faults)


def test_the_service_sells_once_to_who_resends_with_a_key(faults: ModuleType) -> None:
    assert 1 == bought(faults, **{"Idempotency-Key": "one"})
