"""Where webhooks go in this process: to a function, or into an app that is called as a server would call it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

import attrs

from fluxkit._contract.by_fields import shown_by_fields


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Delivery:
    """One attempt to deliver: a POST of *body* to *url*."""

    url: str
    headers: Mapping[str, str]
    body: bytes


#: Takes a delivery and gives the status of the answer, at once or as a coroutine.
Outlet = Callable[[Delivery], "int | Awaitable[int]"]


def to_app(app: Callable[..., Awaitable[None]]) -> Outlet:
    """An outlet into an ASGI app, such as ``fluxkit.webhooks.receiver(client)`` or what it is mounted in.

    An app that fails before it has answered has answered 500, as it would on a server.
    """
    from fluxkit._wire.link import read_link

    async def deliver(delivery: Delivery) -> int:
        target = read_link(delivery.url)
        path, _, query = target.target.partition("?")
        body = [{"type": "http.request", "body": delivery.body, "more_body": False}]
        answers: list[int] = []

        async def receive() -> Mapping[str, Any]:
            return body.pop() if body else {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        headers = {"host": target.where, "content-length": str(len(delivery.body)), **delivery.headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": target.scheme,
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": (target.host, target.port),
            "client": ("127.0.0.1", 0),
        }
        try:
            await app(scope, receive, send)
        except Exception:
            if not answers:
                return 500
            raise
        return answers[0] if answers else 500

    return deliver
