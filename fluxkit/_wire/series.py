"""The n tasks of one request: a document for each, alike but for the seed and the token of its webhook."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .codec import Codec
from .declaration import Model
from .form import Form
from .json import Json, Path, merge, plant
from .places import At
from .scalars import Whole


def spread(row: Model, document: Json, values: Sequence[Mapping[str, Any]]) -> tuple[Json, ...]:
    """*document* once for each of *values*, with their seeds. All else is shared: references may be large."""
    if row.form.get("seed") is None or len(values) == 1 or "seed" not in values[0]:
        return (document,) * len(values)
    return tuple(restated(row, document, "seed", each["seed"]) for each in values)


def restated(row: Model, document: Json, field: str, value: Any) -> Json:
    """The document of a request to the model *row* in which one field has another value."""
    alone = Form({field: row.form.get(field)})
    return merge(document, plant(steps_of(row.request), alone.write({field: value})))


def seeds(codec: Codec, first: int, count: int) -> Iterator[int]:
    """*count* seeds from *first* on; after the highest that *codec* takes comes its lowest."""
    inner: Any = codec
    while inner is not None and not isinstance(inner, Whole):
        inner = getattr(inner, "inner", None)
    for seed in range(first, first + count):
        if inner is None or inner.first is None or inner.last is None:
            yield seed
        else:
            yield inner.first + (seed - inner.first) % (inner.last - inner.first + 1)


def steps_of(codec: Any) -> Path:
    """The way from a document to the fields of the form in it."""
    steps: Path = ()
    while not isinstance(codec, Form):
        steps += codec.steps if isinstance(codec, At) else ()
        codec = codec.inner
    return steps
