"""The dialects that mocks speak, each made once: a test makes a mock, asks it a few things and throws it away.

Whatever follows from a declaration alone is worked out once per dialect, which never changes, and all mocks share it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from fluxkit._wire.declaration import Provider
from fluxkit._wire.samples import answers_of

from .dialect import Dialect
from .switches import settings_of, turned, unusual

#: How many dialects are kept: more than there are services, fewer than a suite that changes declarations makes.
MOST_DIALECTS: Final = 64

#: Switches that are not as usual, by their short names.
Switches = tuple[tuple[str, str], ...]

_dialects: Final[dict[tuple[int, int, Switches], Dialect]] = {}


def dialect_of(provider: Provider, spelling: int = 0, switches: Switches = ()) -> Dialect:
    """The dialect of *provider*, with the samples that its declaration names; one for all mocks."""
    # By identity: to hash a provider is to hash its every table. It lives as long as its dialect, so its id is its own.
    key = id(provider), spelling, switches
    if key not in _dialects:
        if len(_dialects) >= MOST_DIALECTS:
            _dialects.clear()
        samples = answers_of(provider)
        if ("answers", "observed") in switches:
            samples = tuple(sorted(samples, key=lambda each: each.sure != "observed"))
        _dialects[key] = Dialect(provider, samples, spelling, dict(switches))
    return _dialects[key]


class Dialects(Mapping[str, Dialect]):
    """The dialects of a mock's services by their names, each made when it is first spoken: samples are many."""

    def __init__(self, providers: Sequence[Provider], spelling: int, switches: Mapping[str, str]) -> None:
        """Those of *providers*, with *switches* as they are wanted."""
        settings = settings_of(providers, switches) if switches else {}
        self._providers = {each.name: each for each in providers}
        self._unusual = {each.name: unusual(each, settings) if settings else () for each in providers}
        self._spelling = spelling
        self._spoken: dict[str, Dialect] = {}

    @property
    def switches(self) -> Mapping[str, Mapping[str, str]]:
        """What each service does where no page says it, if that is not the usual."""
        return {name: dict(own) for name, own in self._unusual.items()}

    def __getitem__(self, name: str) -> Dialect:
        if name not in self._spoken:
            self._spoken[name] = self.once(name, self._unusual[name])
        return self._spoken[name]

    def of(self, name: str) -> Dialect | None:
        """The dialect of the service of this name, None if there is no such service."""
        return self._spoken.get(name) or self.get(name)

    def own(self, name: str) -> Switches:
        """The switches of one service that are not as usual."""
        return self._unusual[name]

    def once(self, name: str, own: Switches) -> Dialect:
        """The dialect of a service as it was when these were its switches."""
        provider = self._providers[name]
        return dialect_of(turned(provider, own) if own else provider, self._spelling, own)

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)
