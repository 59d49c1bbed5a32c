"""``fluxkit mock``: the services' other side, on a port."""

import errno
from typing import Any

import click

from ..errors import PluginError, SettingsError
from .help import Command
from .options import AS_JSON
from .output import put, put_document, say
from .providers import load_all


class Pace(click.Choice[str]):
    """What moves the mock's tasks on; ``at-once`` is also written with a blank."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word as the mock takes it."""
        return super().convert(str(value).replace(" ", "-"), param, ctx).replace("-", " ")


@click.command(
    cls=Command,
    examples=(
        "fluxkit mock",
        "fluxkit mock --port 0 --progression at-once",
        "echo test | fluxkit generate fox -p apimart:flux-2-flex --key-file - \\",
        "    --base-url http://127.0.0.1:4010/apimart",
    ),
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=4010, show_default=True, metavar="PORT", help="0 takes a free one."
)
@click.option(
    "--progression",
    type=Pace(("seconds", "polls", "at-once")),
    default="seconds",
    show_default=True,
    help="What moves a task on: time, each look at it, or nothing: it is done at the first look.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    default=20,
    show_default=True,
    metavar="TIMES",
    help="How many times as fast the mock's time passes.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="NUMBER", help="What ids, images and mishaps derive from."
)
@AS_JSON
def mock(*, port: int, progression: str, speed: float, seed: int, as_json: bool) -> None:
    """Serve a mock of every provider, until Ctrl-C.

    It serves this machine only. The base URL of each service is printed, and the key that all of them take; nothing is
    bought. With --json they are one document. Ctrl-C is its proper end: the exit code is 0.
    """
    from .._plugins import installed

    loaded, _ = load_all(installed())
    service = mock_part("service:MockService")(
        loaded,
        seed=seed,
        progression=progression,
        clock=mock_part("clock:WallClock")(speed),
    )

    def ready(url: str) -> None:
        if as_json:
            urls = {name: service.base_url(name, url) for name in service.providers}
            put_document({"url": url, "key": service.key, "base_urls": urls})
        else:
            width = max(map(len, (*service.providers, "key")))
            rows = [*((name, service.base_url(name, url)) for name in service.providers), ("key", service.key)]
            put("\n".join(f"{name:<{width}}  {value}" for name, value in rows))
        say("serving until Ctrl-C")

    try:
        mock_part("server:serve")(service, port=port, ready=ready)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise SettingsError(f"--port is {port}: {error.strerror}") from None
    say(f"stopped; the mock has billed {service.billed}")


def mock_part(name: str) -> Any:
    """What the installed mock has as *name*, such as ``"server:serve"``; found by entry point, as the core does it.

    Raises ``SettingsError`` if there is no mock, or if a library that it needs is missing.
    """
    import importlib.metadata
    import pkgutil

    from .._mock import GROUP

    points = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: point.name)
    if not points:
        raise SettingsError("No mock server is installed. Install it: pip install 'fluxkit-py[mock]'.")
    package = points[0].module
    try:
        return pkgutil.resolve_name(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(package):
            raise PluginError(f"The mock server {package} has no {name}.") from error
        raise SettingsError(
            f"The mock server needs {error.name}, which is not installed. Install it: pip install 'fluxkit-py[mock]'."
        ) from error
