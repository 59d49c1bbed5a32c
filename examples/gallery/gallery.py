"""A gallery: a small web service that makes pictures and shows them.

It names no image service. Which one makes the pictures is a line of ``fluxkit.toml``, or ``FLUXKIT_PROFILE``::

    uvicorn --factory gallery:make_app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import fluxkit

#: What a visitor may ask for. Any other field of a request is the gallery's own business.
FIELDS = ("prompt", "aspect", "seed")

#: What a visitor is told: the first kind that fits counts.
STATUSES = {
    fluxkit.Unsupported: 422,  # the model cannot do this; the answer says what it can
    fluxkit.Refused: 422,  # moderation
    fluxkit.RateLimited: 503,
    fluxkit.Unreachable: 503,
    fluxkit.Overdue: 504,
    fluxkit.FluxError: 502,
}


def make_app(profile: str | None = None, *, pictures: str | Path = "pictures", **settings: Any) -> Starlette:
    """The app, on one profile of ``fluxkit.toml``; *settings* are those of ``fluxkit.AsyncClient`` and come first."""
    client = fluxkit.AsyncClient.from_settings(profile, **settings)
    folder = Path(pictures)
    folder.mkdir(exist_ok=True)

    async def make(request: Request) -> Response:
        wanted = await wishes(request)
        plan = client.plan(wanted.pop("prompt", ""), **wanted)
        result = await client.generate(plan.request, to=f"{folder}/")
        image = result.images[0]
        return JSONResponse(
            {
                "picture": f"/pictures/{Path(image.path or '').name}",
                "size": image.pixels,
                "report": [str(verdict) for verdict in result.report],
                "price": plan.price and str(plan.price),
            },
            status_code=201,
        )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    return Starlette(
        routes=[Route("/pictures", make, methods=["POST"]), Mount("/pictures", StaticFiles(directory=folder))],
        exception_handlers={fluxkit.FluxError: tell},
        lifespan=lifespan,
    )


async def wishes(request: Request) -> dict[str, Any]:
    """What a visitor asks for; of what is no JSON object, nothing."""
    try:
        wanted = await request.json()
    except ValueError:
        wanted = None
    return {name: wanted[name] for name in FIELDS if name in wanted} if isinstance(wanted, dict) else {}


def tell(_: Request, error: Exception) -> Response:
    """What went wrong, whether it cost something, and the settings line that would help, if there is one."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    told = {
        "error": type(error).__name__,
        "message": str(error),
        "charged": getattr(error, "charged", None),
        "setting": getattr(error, "setting", None),
    }
    return JSONResponse(told, status_code=status)
