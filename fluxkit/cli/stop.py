"""How a command is told to end: Ctrl-C, and SIGTERM, with which a machine stops a service. The library hears neither.

Both are raised where the command is at that moment, as Python does it for Ctrl-C, so that what is under way is wound
up: flows are closed, what became of a submit is noted, and the command says what was bought.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raises ``Terminated`` when SIGTERM comes, and nothing when it comes again: the last words are being said.

    Only the main thread hears signals, and whoever has a handler already keeps it.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
