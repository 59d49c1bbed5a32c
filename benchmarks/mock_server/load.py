"""Calls, and connections that ask as fast as they are answered."""

import asyncio
import json
import statistics
import time
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

CONNECTIONS = 16

#: No load may take longer than so many seconds, whatever is asked.
PATIENCE = 60.0


class Answered(NamedTuple):
    """What became of calls: how long they took in all and one by one, and the bodies of those that were granted."""

    seconds: float
    each: list[float]
    granted: list[bytes]

    @property
    def a_second(self) -> float:
        """How many are answered in a second."""
        return len(self.each) / self.seconds

    @property
    def p99_ms(self) -> float:
        """Within how many milliseconds 99 of 100 are answered."""
        return statistics.quantiles(self.each, n=100)[98] * 1000


def call(method: str, path: str, body: str = "") -> bytes:
    """A call to the service of ours, as bytes."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-magnific-api-key: test\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}\r\n{body}".encode()


def textract(action: str, job: dict[str, Any]) -> bytes:
    """A call to moto's Amazon Textract."""
    body = json.dumps(job)
    scope = "Credential=test/20260101/us-east-1/textract/aws4_request, SignedHeaders=host, Signature=0"
    return (
        "POST / HTTP/1.1\r\nhost: textract.us-east-1.amazonaws.com\r\ncontent-type: application/x-amz-json-1.1\r\n"
        f"x-amz-target: Textract.{action}\r\nauthorization: AWS4-HMAC-SHA256 {scope}\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


class _Line(asyncio.Protocol):
    """A connection that asks again as soon as it is answered. What a call may be is in a list, taken in turn."""

    def __init__(self, calls: Sequence[bytes], left: list[int], each: list[float], granted: list[bytes]) -> None:
        self._calls, self._left, self._each, self._granted = calls, left, each, granted
        self._rest, self.done = b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if not self._left[0]:
            self._transport.close()
            return
        self._left[0] -= 1
        self._begin = time.perf_counter()
        self._transport.write(self._calls[self._left[0] % len(self._calls)])

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, mark, body = self._rest.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        if len(body) < length:
            return
        self._each.append(time.perf_counter() - self._begin)
        if head.split(b" ", 2)[1].startswith(b"2"):
            self._granted.append(body)
        self._rest = b""
        if b"connection: close" in head.lower():  # pytest-httpserver and moto answer one call each
            self._transport.close()
        else:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self.done.set_result(None)


async def _load(port: int, calls: Sequence[bytes], times: int, connections: int) -> Answered:
    left, each, granted = [times], list[float](), list[bytes]()
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()

    async def ask() -> None:
        while left[0]:
            await (await loop.create_connection(lambda: _Line(calls, left, each, granted), "127.0.0.1", port))[1].done

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(ask() for _ in range(connections)))
    return Answered(time.perf_counter() - begin, each, granted)


def _run(work: Coroutine[Any, Any, Answered]) -> Answered:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def load(port: int, calls: Sequence[bytes], *, times: int) -> Answered:
    """Asks *times* times in all on sixteen connections. Whoever does not grant each call is not measured.

    Raises:
        RuntimeError: Some calls were refused, or not answered.
    """
    answered = _run(_load(port, calls, times, CONNECTIONS))
    if len(answered.granted) != times:
        raise RuntimeError(f"Of {times} calls {len(answered.granted)} were granted: {calls[0][:60]!r}")
    return answered


def ask(port: int, call: bytes) -> bytes | None:
    """One call: the body of its answer, or nothing if it was refused.

    Raises:
        ConnectionError: Nobody listens there, or who does hangs up.
    """
    answered = _run(_load(port, [call], 1, 1))
    if not answered.each:
        raise ConnectionError("The call was not answered.")
    return answered.granted[0] if answered.granted else None
