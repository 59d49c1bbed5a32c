"""A call for each service that buys an image, for whoever has made none yet."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fluxkit._contract.request import Request
from fluxkit._wire.calls import submission
from fluxkit._wire.declaration import Provider
from fluxkit._wire.plan import make_plan
from fluxkit.errors import FluxError

from .curl import command

if TYPE_CHECKING:
    from ..service import MockService

#: What the image of an example shows.
PROMPT: Final = "a lighthouse at dusk"


def services_of(world: "MockService", origin: str) -> list[Mapping[str, Any]]:
    """The services that are served to whoever came to *origin*."""
    return [
        {
            "name": provider.name,
            "base_url": world.base_url(provider.name, origin),
            "models": list(dict.fromkeys(model.name for model in provider.models)),
            "example": _example(provider, world.base_url(provider.name, origin), world.key),
        }
        for provider in world.declared
    ]


def _example(provider: Provider, base_url: str, key: str) -> Mapping[str, Any] | None:
    """A call that the first model takes which needs no more than a prompt; None if none does."""
    for model in dict.fromkeys(each.name for each in provider.models):
        try:
            plan = make_plan(provider, model, Request(PROMPT), base_url=base_url, mocked=True)
            call = submission(plan, 0)
        except FluxError:
            continue
        headers = {provider.key.header.lower(): provider.key.form.format(key=key), **call.headers}
        body = bytes(call.body).decode() if isinstance(call.body, bytes) else ""
        line = " \\\n  ".join(command(call.method, call.url, headers, body)) + "\n"
        return {"method": call.method, "url": call.url, "headers": headers, "body": body, "curl": line}
    return None
