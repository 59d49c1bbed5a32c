"""The size space of services that name ratios and say nothing of pixels."""

from collections.abc import Hashable, Iterable, Iterator, Mapping

import attrs

from .._contract.by_fields import shown_by_fields
from .._contract.size import Aspect, Point
from .nearest import Ideal, NoSuchSize


def _freeze_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@shown_by_fields
@attrs.frozen(cache_hash=True, repr=False)
class Ratios:
    """A space of ratios by name, of whose pixels nobody says anything: a name is a choice.

    No pixels are invented for it: where they would stand in a point, the terms of the ratio do. Nothing is promised,
    and nothing that comes is wrong.

    Args:
        names: The ratios, in the service's order.
        default: The one that the service makes when it is told nothing; None where nobody says it.

    Raises:
        ValueError: A name is not a ratio or is given twice, or the default is not among them.
    """

    names: tuple[str, ...] = attrs.field(converter=_freeze_names)
    default: str | None = attrs.field(default=None, kw_only=True)
    _points: Mapping[Hashable, Point] = attrs.field(init=False, eq=False, repr=False)

    @_points.default
    def _lay_out(self) -> Mapping[Hashable, Point]:
        ratios = {name: Aspect.parse(name).ratio for name in self.names}
        return {name: Point(name, *ratio, name, documented=False, known=False) for name, ratio in ratios.items()}

    def __attrs_post_init__(self) -> None:
        if len(self._points) < len(self.names):
            raise ValueError(f"a ratio is given twice: {', '.join(self.names)}")
        if self.default is not None:
            self.point(self.default)

    @property
    def aspects(self) -> tuple[str, ...]:
        """The names, in the service's order."""
        return self.names

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Empty, because nobody says how large an image is."""
        return ()

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def point(self, choice: Hashable) -> Point:
        """The point of a ratio. Raises `NoSuchSize`."""
        try:
            return self._points[choice]
        except KeyError:
            raise NoSuchSize(choice, self.allowed()) from None

    def near(self, ideal: Ideal) -> Iterator[Point]:
        """Every point: ratios are few."""
        return iter(self)

    def allowed(self) -> str:
        """For example "1:1, 4:3; pixels not documented"."""
        return f"{', '.join(self.names)}; pixels not documented"
