"""How the mock reads calls to a service: which route one takes, and what a submit says, field by field.

It is as strict as a service and stricter: whatever the declaration has no place for is refused.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import attrs

from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.json import HEADERS, QUERY, Json, Path, Problem, Unfit, leaves
from fluxkit._wire.nearest import NoSuchSize
from fluxkit.errors import Rejected
from fluxkit.provider import Canvas

from .answer import Incoming
from .documents import read_body
from .refused import Refused
from .traits import base64_of

#: How many fields that a model does not have are told, of those that a call brings.
MOST_STRAYS: Final = 50

T = TypeVar("T")


@attrs.frozen(eq=False, repr=False)
class Reader:
    """Reads the calls to one service. *switches* says where it is stricter or laxer than is usual."""

    provider: Provider
    switches: Mapping[str, str]
    _rows: Mapping[str, tuple[Model, ...]] = attrs.field(init=False)
    _submits: Mapping[str, tuple[Model, ...]] = attrs.field(init=False)
    _places: Mapping[int, Mapping[str, frozenset[Path]]] = attrs.field(init=False)
    _whole: Mapping[int, frozenset[str]] = attrs.field(init=False)

    @_rows.default
    def _rows_by_path(self) -> Mapping[str, tuple[Model, ...]]:
        return _grouped(self.provider.models, by=lambda row: row.path)

    @_submits.default
    def _models_by_address(self) -> Mapping[str, tuple[Model, ...]]:
        route = self.provider.submit
        return {path: self._bought_at(path, {}) for path in {route.url("", model=row) for row in self._rows}}

    @_places.default
    def _places_by_first_step(self) -> Mapping[int, Mapping[str, frozenset[Path]]]:
        # Models may share a name, and to hash one is to hash its whole form: so they are told apart by identity.
        return {
            id(row): {
                step: frozenset(places)
                for step, places in _grouped(row.request.places(), by=lambda place: place[0]).items()
            }
            for row in self.provider.models
        }

    @_whole.default
    def _first_steps_that_are_places(self) -> Mapping[int, frozenset[str]]:
        return {
            row: frozenset(step for step, places in steps.items() if (step,) in places)
            for row, steps in self._places.items()
        }

    def methods(self, path: str, query: Mapping[str, str]) -> tuple[str, ...]:
        """The methods with which a call to *path* would be served; none where no path is, or where no page says it."""
        if self.switches.get("wrong-method") == "404":
            return ()
        provider = self.provider
        beside = (provider.upload, provider.cancel, provider.balance, provider.listing)
        steps = [each.route for each in beside if each is not None]
        routes = [each for each in (provider.submit, provider.poll, provider.result, *steps) if each is not None]
        found = {}
        for route in routes:
            said = route.match(route.method, path, query)
            if said is not None and ("id" in said or said.get("model", "") in ("", *self._rows)):
                found[route.method] = True
        return tuple(found)

    def submitted(self, call: Incoming, path: str) -> tuple[Model, ...]:
        """The models that a call to *path* may buy from; none if it buys nothing."""
        if call.method != self.provider.submit.method:
            return ()
        # A model may be spelt in other ways, too.
        return self._submits.get(path) or self._bought_at(path, call.query)

    def _bought_at(self, path: str, query: Mapping[str, str]) -> tuple[Model, ...]:
        submit = self.provider.submit
        said = submit.match(submit.method, path, query)
        if said is None:
            return ()
        return self._rows.get(said["model"], ()) if "model" in said else self.provider.models

    def read(self, rows: tuple[Model, ...], call: Incoming) -> tuple[Model, Mapping[str, Any]]:
        """The model and the values of a submit; ``Refused`` with everything that does not fit.

        Where none of the *rows* fits, the problems are those of the one that fits best.
        """
        try:
            body = read_body(call)
            if self.switches.get("data-prefixes") == "take":
                body = self._unprefixed(rows, body)
            return self._read(rows, call, body)
        except RecursionError:
            raise Refused(Rejected, "The body is nested too deep.") from None

    def _read(
        self, rows: tuple[Model, ...], call: Incoming, body: Mapping[str, Json]
    ) -> tuple[Model, Mapping[str, Any]]:
        document = {**body, HEADERS: call.headers, QUERY: call.query}
        best: tuple[Problem, ...] | None = None
        for row in rows:
            problems: tuple[Problem, ...] = ()
            values: Mapping[str, Any] = {}
            try:
                values = row.request.read(document)
            except Unfit as error:
                problems = error.problems
            problems += self._stray(row, body)
            if call.query:
                problems += self._stray(row, {QUERY: call.query})
            problems += _size_problems(row, values)
            if not problems:
                return row, values
            if best is None or len(problems) < len(best):
                best = problems
        raise Refused(Rejected, problems=best or ())

    def _unprefixed(self, rows: tuple[Model, ...], body: dict[str, Json]) -> dict[str, Json]:
        """A body whose images are base64 alone, at a service that takes them with what a ``data:`` URI begins with."""
        codecs = [codec for row in rows if base64_of(codec := row.form.get("references")) is not None and codec]
        places = {place[0] for codec in codecs for place in codec.places()}
        return {
            name: re.sub(r"\Adata:image/[a-z]+;base64,", "", value)
            if name in places and isinstance(value, str)
            else value
            for name, value in body.items()
        }

    def _stray(self, row: Model, document: Mapping[str, Json]) -> tuple[Problem, ...]:
        """Each field of *document* for which the model has no place, where services are quiet and a mock is strict."""
        if self.switches.get("extra-fields") == "ignore":
            return ()
        # What has a place of its own need not be looked into: most have.
        if (whole := self._whole[id(row)]).issuperset(document):
            return ()
        known = self._places[id(row)]
        rest = {step: value for step, value in document.items() if step not in whole}

        def strays() -> Iterator[Problem]:
            for leaf in leaves(rest):
                places = known.get(leaf[0], frozenset())
                if leaf not in places and not any(_meet(leaf, place) for place in places):
                    yield Problem(".".join(leaf), "given", "no such field")

        return tuple(itertools.islice(strays(), MOST_STRAYS))


def _grouped(items: Iterable[T], *, by: Callable[[T], str]) -> Mapping[str, tuple[T, ...]]:
    groups: dict[str, tuple[T, ...]] = {}
    for item in items:
        groups[by(item)] = (*groups.get(by(item), ()), item)
    return groups


def _meet(one: Path, other: Path) -> bool:
    """Whether one path lies under the other, or is the other."""
    return all(step == along for step, along in zip(one, other, strict=False))


def _size_problems(row: Model, values: Mapping[str, Any]) -> tuple[Problem, ...]:
    if "size" not in values:
        return ()
    try:
        row.sizes.point(values["size"])
    except NoSuchSize as error:
        places = tuple(dict(row.form.fields)["size"].places())
        if isinstance(row.sizes, Canvas) and len(places) == 2:  # a side that is wrong by itself is named alone
            sides = zip(places, values["size"], (row.sizes.width, row.sizes.height), strict=True)
            places = tuple(place for place, side, allowed in sides if side not in allowed) or places
        return tuple(Problem(".".join(place), values["size"], error.allowed, "size") for place in places)
    return ()
