"""Where webhooks may go."""

import socket
import threading

import httpx
import pytest

from fluxkit_mockserver import MockService, WallClock
from fluxkit_mockserver.answer import Incoming
from fluxkit_mockserver.reach import may_go
from fluxkit_mockserver.server import Server
from fluxkit_providers.magnific import MAGNIFIC

HERE = "http://127.0.0.1:9/hook"


@pytest.mark.parametrize(
    ("url", "caller", "may"),
    [
        (HERE, "", True),
        (HERE, "127.0.0.1", True),
        ("http://[::1]:9/hook", "::ffff:127.0.0.1", True),
        ("http://localhost/hook", "::1", True),
        ("https://example.com/hook", "127.0.0.1", False),
        (HERE, "192.0.2.7", False),
        ("http://localhost/hook", "192.0.2.7", False),
        ("http://[::1]/hook", "2001:db8::7", False),
        ("http://192.0.2.7:8000/hook", "192.0.2.7", True),
        ("http://192.0.2.7:8000/hook", "::ffff:192.0.2.7", True),
        ("http://[2001:db8::7]/hook", "2001:db8::7", True),
        ("http://192.0.2.8/hook", "192.0.2.7", False),
        ("http://192.0.2.7/hook", "127.0.0.1", False),
        ("http://app.test/hook", "192.0.2.7", False),
        ("http://hooks.test/hook", "192.0.2.7", True),
        ("http://hooks.test/hook", "", True),
        ("no address", "", False),
    ],
)
def test_a_webhook_goes_where_its_caller_could_go_himself(url: str, caller: str, may: bool) -> None:
    assert may == may_go(url, caller=caller, allowed={"hooks.test"})


def test_a_task_that_was_bought_from_elsewhere_reports_nothing_to_this_machine() -> None:
    mock = MockService([MAGNIFIC], clock=WallClock(), durations=lambda _: 0.001)
    body = b'{"prompt": "a fox", "webhook_url": "%s"}' % HERE.encode()
    path, headers = "/magnific/v1/ai/text-to-image/flux-2-klein", {"x-magnific-api-key": "test"}
    with socket.create_server(("127.0.0.1", 0)) as closed:
        here = f"http://127.0.0.1:{closed.getsockname()[1]}/hook".encode()
    both = threading.Event()

    def hear() -> None:
        if len({each.task for each in mock.webhooks.sent}) == 2:  # one of them is tried more than once
            both.set()

    with Server(mock) as server, mock.feed.heard(hear):
        mock.handle(Incoming("POST", path, {}, headers, body, server.url, caller="192.0.2.7"))
        httpx.post(f"{server.url}{path}", headers=headers, content=body.replace(HERE.encode(), here), trust_env=False)
        assert ["192.0.2.7", "127.0.0.1"] == [each.caller for each in mock.tasks]
        assert both.wait(10)
    answers = {each.task: each.answer for each in mock.webhooks.sent}
    assert [None, 0] == [answers[each.id] for each in mock.tasks]
