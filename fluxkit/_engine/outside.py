"""The way into an event loop from any other thread, on asyncio and on trio."""

from collections.abc import Callable
from typing import Any

import anyio.lowlevel


def loop_here() -> Any:
    """The event loop that runs here; on trio what stands for it."""
    token = anyio.lowlevel.current_token()
    return getattr(token, "native_token", token)


def from_outside(call: Callable[[], object]) -> Callable[[], object]:
    """*call*, to be made in this event loop by any thread; anyio itself would have that thread wait for it."""
    loop = loop_here()
    soon: Callable[[Callable[[], object]], object]
    soon = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon
    return lambda: soon(call)
