"""Every standard check, by what it holds against what. No provider can leave one out or put another in its place."""

from collections.abc import Iterable, Sequence

from ..._wire.declaration import Provider
from ..._wire.samples import Sample
from ..check import Check, NotApplicable, Pair
from ..conduct import Endless
from . import asides, both, client, fields, keys, memory, mock, money, tasks, uploads, waiting, words


def _of(*modules: object) -> tuple[Check, ...]:
    """The checks of modules, in the order in which they stand there."""
    return tuple(each for module in modules for each in vars(module).values() if isinstance(each, Check))


CLIENT = _of(client)
MOCK = _of(mock, uploads, asides)
BOTH = _of(both)
CHECKS: tuple[Check, ...] = (*CLIENT, *MOCK, *BOTH, *_of(fields, words, keys, money, waiting, tasks, memory))


def broken(checks: Iterable[Check], provider: Provider, other: Provider, samples: Sequence[Sample]) -> str | None:
    """The name of the first promise that is broken, by whatever error; None if all are kept."""
    pair = Pair(provider, other, tuple(samples))
    for check in checks:
        try:
            check.run(pair)
        except NotApplicable:
            continue
        except (Exception, Endless):  # noqa: BLE001 - a client that breaks down keeps no promise
            return check.__name__
    return None
