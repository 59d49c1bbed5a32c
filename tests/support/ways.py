"""The three ways of carrying out effects on real sockets, and a name service that says what a test wants."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import anyio

from fluxkit._engine.transport import AsyncTransport, Transport

WAYS = ("sync", "asyncio", "trio")


def carried(way: str, *effects: Any, **options: Any) -> Any:
    """Carries effects out one after the other by one transport; gives the last answer."""
    answer = None
    if way == "sync":
        with contextlib.closing(Transport(**options)) as blocking:
            for effect in effects:
                answer = getattr(blocking, type(effect).__name__.lower())(effect)
        return answer

    async def carry() -> Any:
        answer = None
        async with contextlib.aclosing(AsyncTransport(**options)) as carrier:
            for effect in effects:
                answer = await getattr(carrier, type(effect).__name__.lower())(effect)
        return answer

    return anyio.run(carry, backend=way)


@contextlib.contextmanager
def resolving(known: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[None]:
    """Host names with the addresses that they have at the first look-up, at the second, and at every later one."""
    look_up = socket.getaddrinfo
    turns: dict[str, int] = {}

    def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        answers = known.get(name, [[name]])
        addresses = answers[min(turns.get(name, 0), len(answers) - 1)]
        turns[name] = turns.get(name, 0) + 1
        return [entry for address in addresses for entry in look_up(address, port, *rest, **options)]

    with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
        yield
