"""Where a setting stands, which place wins over which, and how far each is trusted with a key."""

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

#: The way to a value: ``("unsupported", "seed")``. What is a table in a file is one way for each of its entries.
Path = tuple[str, ...]


class Trust(enum.IntEnum):
    """Who speaks, from the least trusted: a cloned repository may hold anything."""

    PROJECT = 0
    USER = 1
    ENVIRONMENT = 2
    CALLER = 3

    @property
    def words(self) -> str:
        """Who that is."""
        return ("a project's file", "the user's file", "the environment", "an argument")[self]


class Level(enum.IntEnum):
    """The places where a setting may stand, the weakest first: of several that say it the highest wins."""

    DECLARATION = 0
    USER = 1
    PYPROJECT = 2
    PROJECT = 3
    ENVIRONMENT = 4
    OPTION = 5
    ARGUMENT = 6

    @property
    def trust(self) -> Trust:
        """How far this place is trusted, which is another order: the user's own file is weak and not a stranger's."""
        return _TRUST[self]

    @property
    def words(self) -> str:
        """What the place is called."""
        return _WORDS[self]


_TRUST: Mapping[Level, Trust] = {
    Level.DECLARATION: Trust.CALLER,
    Level.USER: Trust.USER,
    Level.PYPROJECT: Trust.PROJECT,
    Level.PROJECT: Trust.PROJECT,
    Level.ENVIRONMENT: Trust.ENVIRONMENT,
    Level.OPTION: Trust.CALLER,
    Level.ARGUMENT: Trust.CALLER,
}

_WORDS: Mapping[Level, str] = {
    Level.DECLARATION: "the provider's declaration, or what fluxkit does without a setting",
    Level.USER: "the user's file",
    Level.PYPROJECT: "[tool.fluxkit] in the project's pyproject.toml",
    Level.PROJECT: "the project's fluxkit.toml",
    Level.ENVIRONMENT: "the environment",
    Level.OPTION: "an option of the command line",
    Level.ARGUMENT: "an argument",
}


@attrs.frozen
class Source:
    """One place that says something: a file with the line where that is known, a variable, an option, an argument."""

    level: Level
    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}, line {self.line}"


@attrs.frozen
class Setting:
    """A value and where it stands. None takes back what weaker places say of the same.

    *provider* is the service that it is meant for, where the place itself says that, as the name of a variable does.
    """

    value: Any = attrs.field(repr=False)  # it may be a key
    source: Source
    provider: str | None = attrs.field(default=None, kw_only=True)


#: Everything that is said of each value, the strongest first.
Stack = Mapping[Path, tuple[Setting, ...]]


def layer(values: Mapping[Path, Any], source: Source, *, provider: str | None = None) -> Stack:
    """What one place says."""
    return {path: (Setting(value, source, provider=provider),) for path, value in values.items()}


def merged(stacks: Iterable[Stack]) -> Stack:
    """Several places as one, of which the first is the strongest: value by value, and nothing is forgotten."""
    whole: dict[Path, tuple[Setting, ...]] = {}
    for stack in stacks:
        for path, settings in stack.items():
            whole[path] = (*whole.get(path, ()), *settings)
    return whole


def strongest(stack: Stack, *path: str) -> Setting | None:
    """What holds for a value, None if nobody says it or the strongest takes it back."""
    first = next(iter(stack.get(path, ())), None)
    return None if first is None or first.value is None else first
