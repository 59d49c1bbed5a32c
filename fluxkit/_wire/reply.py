"""An answer of a service, as far as it is read."""

from collections.abc import Mapping
from typing import Any, Protocol


class Reply(Protocol):
    """What is read of an answer; *at* is when it came, in seconds since the epoch."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def document(self) -> Any: ...
    @property
    def text(self) -> str: ...
    @property
    def at(self) -> float: ...
