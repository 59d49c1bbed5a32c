"""Several size spaces in one, for models that take one kind of size or another."""

import itertools
from collections.abc import Hashable, Iterable, Iterator

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.size import Point
from .nearest import Ideal, NoSuchSize, Space


def _freeze_spaces(spaces: Iterable[Space]) -> tuple[Space, ...]:
    return tuple(spaces)


@shown_by_fields
@attrs.frozen(cache_hash=True, repr=False)
class Spaces:
    """Several spaces in one, such as presets beside a canvas. A choice is the place of the space and the choice in it.

    Raises:
        ValueError: There is no space.
    """

    spaces: tuple[Space, ...] = attrs.field(converter=_freeze_spaces, validator=attrs.validators.min_len(1))

    @property
    def default(self) -> tuple[int, Hashable] | None:
        """The default of the first space."""
        first = self.spaces[0].default
        return None if first is None else (0, first)

    @property
    def aspects(self) -> tuple[str, ...]:
        """The names for ratios of all spaces."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(space.aspects for space in self.spaces)))

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The names for areas of all spaces."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(space.resolutions for space in self.spaces)))

    def __iter__(self) -> Iterator[Point]:
        return self._placed(self.spaces)

    def point(self, choice: Hashable) -> Point:
        """The point of a (place, choice). Raises `NoSuchSize`."""
        match choice:
            case (int(place), inner) if 0 <= place < len(self.spaces):
                return attrs.evolve(self.spaces[place].point(inner), choice=choice)
        raise NoSuchSize(choice, self.allowed())

    def near(self, ideal: Ideal) -> Iterator[Point]:
        """The near points of each space."""
        return self._placed(space.near(ideal) for space in self.spaces)

    def allowed(self) -> str:
        """What each space has."""
        return "; or ".join(space.allowed() for space in self.spaces)

    @staticmethod
    def _placed(spaces: Iterable[Iterable[Point]]) -> Iterator[Point]:
        for place, points in enumerate(spaces):
            for point in points:
                yield attrs.evolve(point, choice=(place, point.choice))
