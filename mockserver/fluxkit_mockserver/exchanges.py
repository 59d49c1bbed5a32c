"""The last exchanges of a mock, and ways to find something among them."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import overload

from .exchange import Exchange

#: How many exchanges are remembered, and how many of them whole: of older ones headers and bodies are forgotten.
MOST_EXCHANGES, MOST_WHOLE = 10_000, 1_000


class Exchanges(Sequence[Exchange]):
    """The last exchanges of a mock, the oldest first."""

    def __init__(self, *, most: int = MOST_EXCHANGES, whole: int = MOST_WHOLE) -> None:
        """None yet; of those that come *most* are remembered, and the last ones *whole*."""
        self._kept: deque[Exchange] = deque(maxlen=most)
        self._whole: deque[Exchange] = deque(maxlen=whole)
        self._numbers = itertools.count(1)

    def keep(self, exchange: Exchange) -> None:
        """Remembers one."""
        exchange.number = next(self._numbers)
        if len(self._whole) == self._whole.maxlen:
            self._whole[0].fades()
        self._whole.append(exchange)
        self._kept.append(exchange)

    def clear(self) -> None:
        """Forgets all, and counts from 1 again."""
        self._kept.clear()
        self._whole.clear()
        self._numbers = itertools.count(1)

    def numbered(self, number: int) -> Exchange | None:
        """The exchange of this number, None if it is not remembered."""
        return next((each for each in reversed(tuple(self._kept)) if each.number == number), None)

    def find(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        task: str | None = None,
        status: int | None = None,
        method: str | None = None,
        path: str | None = None,
    ) -> tuple[Exchange, ...]:
        """Those that are about the *provider*, the *model* and the *task*, ended so, and have *path* in their path."""
        return tuple(
            each
            for each in tuple(self._kept)
            if (task is None or each.task == task)
            and (status is None or each.status == status)
            and (method is None or each.method == method.upper())
            and (path is None or path in each.path)
            and (provider is None or each.provider == provider)
            and (model is None or each.model == model)
        )

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(tuple(self._kept))  # calls may come meanwhile

    @overload
    def __getitem__(self, place: int) -> Exchange: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Exchange, ...]: ...

    def __getitem__(self, place: int | slice) -> "Exchange | tuple[Exchange, ...]":
        return tuple(self._kept)[place]

    def __repr__(self) -> str:
        return f"<{len(self)} exchanges>"
