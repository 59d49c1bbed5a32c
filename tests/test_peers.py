"""The benchmark of the mock on a port: who is not installed is named, and who refuses is not measured."""

import importlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from support.world import raised

from fluxkit_mockserver import MockService
from fluxkit_mockserver.server import Server
from fluxkit_providers.magnific import MAGNIFIC

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("mock_server")


class Refusing(BaseHTTPRequestHandler):
    """Refuses every call, and closes the connection."""

    def do_POST(self) -> None:
        self.send_response(422)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Shop(ThreadingHTTPServer):
    """Has room for all connections that come at once."""

    request_queue_size = 64


@pytest.fixture
def refusing() -> Iterator[int]:
    with Shop(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_peer_that_is_not_installed_is_named_with_how_to_have_it(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = ["@stoplight/prism-cli", "@mockoon/cli", "wiremock"]
    for place, how in ((None, "DIRECTORY {}, and MOCK_PEERS=DIRECTORY"), (str(tmp_path), f"{tmp_path} {{}}")):
        monkeypatch.delenv("MOCK_PEERS", raising=False)
        if place is not None:
            monkeypatch.setenv("MOCK_PEERS", place)
        sides, versions, missing = bench.peers(tmp_path)
        assert sides.keys() == versions.keys()
        assert {"moto", "pytest-httpserver", *node} == {*sides, *missing}
        assert [f"npm install --prefix {how.format(name)}" for name in node] == [missing[name] for name in node]


def test_all_calls_are_answered_and_each_task_is_looked_at(bench: ModuleType) -> None:
    with Server(MockService([MAGNIFIC])) as server:
        port = int(server.url.rpartition(":")[2])
        bought = bench.load(port, [bench.submit()], times=40)
        seen = bench.load(port, bench.looks(bought.granted), times=40)
        assert (40, 40, 40) == (server.service.billed, len(bought.each), len(seen.granted))
        assert 80 == len(server.service.exchanges)


def test_whoever_refuses_a_call_is_not_measured(bench: ModuleType, refusing: int) -> None:
    error = raised(lambda: bench.load(refusing, [bench.submit()], times=20), RuntimeError)
    assert "Of 20 calls 0 were granted: b'POST /magnific/v1/ai/text-to-image/flux-2-klein" in str(error)
