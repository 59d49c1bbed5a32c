"""Images that go out are not held in memory once more, however large they are."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

from ..._contract.reference import Reference
from ..._contract.request import Request
from ..._engine.flows import place_order
from ..._engine.settle import settle
from ..._mock import kit_of_mock
from ..._wire.declaration import Provider
from ..._wire.pictures import Base64, Hosted
from ..._wire.plan import Plan, make_plan
from ..bench import MANNER, driver, service_of
from ..check import Pair, check_of, not_applicable
from ..desk import ORIGIN
from ..differs import same
from ..exhibits import SMALLEST

#: How large the reference is that is sent, in bytes.
SIZE = 8 * 1024 * 1024

#: How many bytes more may be in use while it is sent: a few pieces of it, and what a client needs anyhow.
MOST = 3 * 1024 * 1024

MEDIA_TYPE = "image/png"


@check_of("memory")
def check_memory_is_bounded_while_references_are_sent(pair: Pair) -> None:
    """While a reference of 8 MB is encoded or uploaded, no more than 3 MB are in use beside it.

    A failure means: a server that takes pictures of its users runs out of memory when a few come at once.
    """
    model = _taking(pair.client)
    service = service_of(pair.mock)
    picture = Reference(content=SMALLEST[MEDIA_TYPE].ljust(SIZE, b"\0"))
    plan = _plan(pair, service, model, picture)
    small = _plan(pair, service, model, Reference(content=SMALLEST[MEDIA_TYPE]))
    way = kit_of_mock().Thin(service)
    at = driver(pair.client, way, conduct=pair.conduct)
    ready = at.run(settle(small, service.clock.now() + 60.0, patience=60.0))  # what is loaded once is loaded now
    at.run(place_order(ready, MANNER))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        ready = at.run(settle(plan, service.clock.now() + 60.0, patience=60.0))
        at.run(place_order(ready, MANNER))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    same(True, way.swallowed >= SIZE, f"{way.swallowed} bytes were sent of {SIZE}")
    same(True, peak - before <= MOST, f"{(peak - before) / 1024**2:.1f} MB in use beside {SIZE / 1024**2:.0f} MB")


def _taking(provider: Provider) -> str:
    """The first model that takes a picture as it is, or at a service that takes uploads."""
    for row in provider.models:
        codecs = list(_within(row.form.get("references")))
        if any(isinstance(codec, Base64) and "png" in codec.formats for codec in codecs):
            return row.name
        if provider.upload is not None and any(isinstance(codec, Hosted) for codec in codecs):
            return row.name
    return not_applicable("no model takes a picture as it is, and none can be uploaded")


def _within(codec: Any) -> Iterator[Any]:
    """A codec and all that are in it."""
    if codec is None:
        return
    yield codec
    for name in ("inner", "first", "second"):
        yield from _within(getattr(codec, name, None))


def _plan(pair: Pair, service: Any, model: str, picture: Reference) -> Plan:
    base_url = service.base_url(pair.mock.name, ORIGIN)
    return make_plan(pair.client, model, Request("a cat", references=[picture]), base_url=base_url)
