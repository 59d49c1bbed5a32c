"""Requests: any, and those that a model can serve."""

import functools
from bisect import bisect_right
from collections.abc import Mapping
from itertools import islice, product
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .._contract.reference import Reference, is_address
from .._contract.request import MOST_IMAGES, Request
from .._contract.size import LARGEST_SIDE, LARGEST_TERM, RESOLUTIONS, aspect_deviation
from .._wire.canvas import Canvas
from .._wire.declaration import Model, Provider
from .._wire.draft import FIELDS, TOLERANCE
from .._wire.nearest import Space, nearest
from .._wire.spaces import Spaces
from .domains import values
from .pieces import ADDRESSES, HEADS, json_values, pictures

_PROMPTS = st.text(min_size=1).filter(str.strip)
_MOST = 4  # images of one request
_ASPECTS = ("1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9", "4:5")


def requests() -> SearchStrategy[Request]:
    """Any request, whether or not a model can serve it: for what plans refuse, and how."""
    terms, sides = st.integers(1, LARGEST_TERM), st.integers(1, LARGEST_SIDE)
    aspects = st.sampled_from(_ASPECTS) | st.builds("{}:{}".format, terms, terms)
    resolutions = st.sampled_from([*RESOLUTIONS, *map(str.lower, RESOLUTIONS)])
    sizes = st.fixed_dictionaries({}, optional={"aspect": aspects, "resolution": resolutions}) | st.fixed_dictionaries(
        {"size": st.tuples(sides, sides) | st.builds("{}x{}".format, sides, sides)}
    )
    whole = st.integers(-(2**63), 2**64 - 1)
    own = {field.name for field in attrs.fields(Request)}
    others = st.fixed_dictionaries(
        {"prompt": _PROMPTS},
        optional={
            "n": st.integers(1, MOST_IMAGES),
            "seed": whole,
            "references": st.lists(pictures(tuple(HEADS)) | st.builds(Reference, url=ADDRESSES), max_size=10),
            "enhance_prompt": st.booleans(),
            "safety_tolerance": st.integers(-1, 10) | whole,
            "output_format": st.sampled_from(["png", "jpeg", "JPG", ".webp", "image/gif"]) | _PROMPTS,
            "webhook_url": ADDRESSES,
            "options": st.dictionaries(st.text().filter(lambda name: name not in own), json_values(), max_size=3),
        },
    )
    return st.builds(lambda size, rest: Request(**size, **rest), sizes, others)


def requests_for(provider: Provider, model: str) -> SearchStrategy[Request]:
    """Requests that *model* serves under the default ``fit="close"``, with every field and option that it has.

    Raises ``ValueError`` if the provider has no such model.
    """
    rows = provider.named(model)
    if not rows:
        raise ValueError(f"{provider.name} has no model {model!r}")
    return st.one_of([_requests_of(row) for row in rows])


def from_provider(provider: Provider) -> SearchStrategy[tuple[str, Request]]:
    """The name of any model of *provider*, with a request that it serves."""
    models = sorted({row.name for row in provider.models})
    return st.one_of([st.tuples(st.just(name), requests_for(provider, name)) for name in models])


def _requests_of(row: Model) -> SearchStrategy[Request]:
    fields = {name: values(codec) for name, codec in row.form.fields if name != "size"}
    if "webhook_url" in fields:
        fields["webhook_url"] = fields["webhook_url"].filter(is_address)
    if "seed" in fields:  # the n-th image gets seed + n, which must fit into 64 bits
        fields["seed"] = fields["seed"].filter(lambda seed: seed < 2**64 - _MOST)
    own = {name: fields.pop(name) for name in FIELDS if name in fields}
    prompts = own.pop("prompt").filter(str.strip)
    return st.builds(
        lambda size, own, n, options: Request(**size, **own, n=n, options=options),
        _sizes_of(row.sizes) if row.form.get("size") else st.just({}),
        st.fixed_dictionaries({"prompt": prompts}, optional=own),
        st.integers(1, _MOST),
        st.fixed_dictionaries({}, optional=fields),
    )


def _sizes_of(space: Space) -> SearchStrategy[dict[str, Any]]:
    """Names that lead to a point of the space, or nothing asked, or the pixels of a point."""
    names = product(dict.fromkeys((None, *space.aspects, *_ASPECTS)), (None, *RESOLUTIONS))
    sizes = [{"aspect": aspect, "resolution": resolution} for aspect, resolution in names]
    return st.sampled_from([size for size in sizes if _is_near(space, size)]) | _pixels(space).map(
        lambda pixels: {"size": pixels}
    )


def _is_near(space: Space, size: Mapping[str, Any]) -> bool:
    want = Request("any", **size).want
    point = nearest(space, want)
    return aspect_deviation(want, point) <= TOLERANCE or (want.aspect is not None and point.names(want.aspect))


@functools.singledispatch
def _pixels(space: Space) -> SearchStrategy[tuple[int, int]]:
    """The width and height of any point of a space; of the first ones if there are very many."""
    return st.sampled_from([point.pixels for point in islice(space, 4096)])


@_pixels.register
def _(space: Canvas) -> SearchStrategy[tuple[int, int]]:
    most = space.max_pixels or space.width[-1] * space.height[-1]
    widths = space.width[: bisect_right(space.width, most // space.height[0])]
    return st.sampled_from(widths).flatmap(
        lambda width: st.tuples(
            st.just(width), st.sampled_from(space.height[: bisect_right(space.height, most // width)])
        )
    )


@_pixels.register
def _(space: Spaces) -> SearchStrategy[tuple[int, int]]:
    return st.one_of([_pixels(each) for each in space.spaces])
