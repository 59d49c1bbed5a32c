"""What is seen of one task, as it is seen: a flow that is followed step by step, by whoever iterates."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

from .._contract.event import Event
from ..errors import TaskError
from .drive import AsyncDriver, Driver
from .effects import Flow, Seen


class Sight(Iterator[Event]):
    """The events of a flow that buys nothing. Between two of them nothing is done, and nothing need be closed.

    That its task ends without an image is no error here: the last event has said it.
    """

    def __init__(self, driver: Driver, flow: Flow[Any]) -> None:
        self._driver, self._flow = driver, flow
        self._answer: Any = None
        self._resume: Callable[[Any], Any] = flow.send

    def __next__(self) -> Event:
        try:
            while True:
                effect = self._resume(self._answer)
                self._answer, self._resume = self._driver.answer(effect, self._flow)
                if isinstance(effect, Seen):
                    return self._driver.ears.event_of(effect)
        except TaskError:
            raise StopIteration from None
        except Exception:
            raise
        except BaseException:
            self._flow.close()
            raise


class AsyncSight(AsyncIterator[Event]):
    """The same on an event loop. It is no asynchronous generator, which would have to be closed by hand on trio."""

    def __init__(self, driver: AsyncDriver, flow: Flow[Any]) -> None:
        self._driver, self._flow = driver, flow
        self._answer: Any = None
        self._resume: Callable[[Any], Any] = flow.send

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            while True:
                effect = self._resume(self._answer)
                self._answer, self._resume = await self._driver.answer(effect, self._flow)
                if isinstance(effect, Seen):
                    return self._driver.ears.event_of(effect)
        except (StopIteration, TaskError):
            raise StopAsyncIteration from None
        except Exception:
            raise
        except BaseException:
            self._flow.close()
            raise
