"""``fluxkit mock``: the services' other side, on a port."""

import errno
import gc
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import quote

import click

from ..errors import PluginError, SettingsError
from . import USUAL
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
        "fluxkit mock --limit rate=50/60 --balance 10 --fault 503:x2",
        "fluxkit mock --switch magnific.envelope=bare --switches",
        "fluxkit mock --openapi magnific > magnific.json",
        "fluxkit mock --host 0.0.0.0 --token a-secret-of-yours",
        "echo test | fluxkit generate fox -p apimart:flux-2-flex --key-file - \\",
        "    --base-url http://127.0.0.1:4010/apimart",
    ),
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=4010, show_default=True, metavar="PORT", help="0 takes a free one."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen; 0.0.0.0 is every address of this machine, where the control asks for a token.",
)
@click.option(
    "--token", metavar="TOKEN", help="What the control asks for; beyond this machine one is made if none is given."
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
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep tasks, bills, uploads and time in this file, so that a mock that is started again goes on.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Append to this file what is asked of the mock, for fluxkit verify --app.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="How much each key may do: rate=REQUESTS/SECONDS or in-flight=TASKS; more is refused with 429.",
)
@click.option(
    "--balance",
    metavar="AMOUNT",
    help="What the account at each service begins with; an image of unknown price costs 1, and what it cannot pay is "
    "refused with 402.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="Something that goes wrong, such as 503:x2 or accepted-then-dropped:0.1.",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="What a service does where no page says it, such as magnific.envelope=bare.",
)
@click.option(
    "--webhook-host",
    "webhook_hosts",
    multiple=True,
    metavar="HOST",
    help="A host to which webhooks are posted. Of others, this machine is for who calls from it, and for anybody else "
    "the address from which he calls.",
)
@click.option("--openapi", metavar="PROVIDER", help="Print a service as an OpenAPI 3.1 document, and serve nothing.")
@click.option("--faults", "list_faults", is_flag=True, help="List every fault, and serve nothing.")
@click.option("--switches", "list_switches", is_flag=True, help="List every switch as it is set, and serve nothing.")
@AS_JSON
def mock(
    *,
    port: int,
    host: str,
    token: str | None,
    progression: str,
    speed: float,
    seed: int,
    limits: tuple[str, ...],
    balance: str | None,
    faults: tuple[str, ...],
    state: str | None,
    record: str | None,
    switches: tuple[str, ...],
    webhook_hosts: tuple[str, ...],
    openapi: str | None,
    list_faults: bool,
    list_switches: bool,
    as_json: bool,
) -> None:
    """Serve a mock of every provider, until Ctrl-C.

    It serves this machine only, unless --host says otherwise. The base URL of each service is printed, the key that all
    of them take, where tests control it, and the inspector, a page that shows what happens; nothing is bought. With
    --json they are one document. A key with a name behind it, such as test-checkout, leads into a namespace of its own.
    Ctrl-C is its proper end: the exit code is 0.
    """
    from .._plugins import installed

    loaded, _ = load_all(installed())
    try:
        service = mock_part("service:MockService")(
            loaded,
            seed=seed,
            progression=progression,
            clock=mock_part("clock:WallClock")(speed),
            limits=limits,
            balance=balance,
            faults=faults,
            state=state,
            webhook_hosts=webhook_hosts,
            switches=dict(map(mock_part("switches:read_switch"), switches)),
        )
        described = None if openapi is None else service.openapi(openapi, mock_part("server:url_of")(host, port))
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if described is not None:
        put_document(described)
        return
    if list_faults or list_switches:
        rows = [*(_faults() if list_faults else ()), *(_switches(service) if list_switches else ())]
        _put_list(rows, as_json=as_json)
        return
    token = mock_part("server:token_for")(host, token)

    def ready(url: str) -> None:
        urls = {name: service.base_url(name, url) for name in service.providers}
        control = f"{url}/__mock__/"
        inspector = f"{control}#token={quote(token, safe='')}" if token else control  # a browser sends no fragment
        if as_json:
            put_document(
                {
                    "url": url,
                    "key": service.key,
                    "keys": list(service.keys),
                    "base_urls": urls,
                    "control": control,
                    "inspector": inspector,
                    "token": token,
                }
            )
        else:
            rows = {**urls, "key": service.key, "control": control, "inspector": inspector}
            rows |= {"token": token} if token else {}
            width = max(map(len, rows))
            put("\n".join(f"{name:<{width}}  {value}" for name, value in rows.items()))
        say("serving until Ctrl-C")
        gc.freeze()  # what was loaded is no garbage, and need not be looked through
        gc.set_threshold(*USUAL)

    try:
        with _recording(service, record):
            mock_part("server:serve")(service, host=host, port=port, token=token, ready=ready)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise SettingsError(f"--host is {host}: {error.strerror}") from None
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        allowed = "" if error.errno == errno.EADDRINUSE else " Allowed: a port from 1024, or 0, which takes a free one."
        raise SettingsError(f"--port is {port}: {(error.strerror or '').rstrip('.')}.{allowed}") from None
    finally:
        gc.unfreeze()
        service.close()
    say(f"stopped; the mock has billed {service.billed}")


def _recording(service: Any, record: str | None) -> AbstractContextManager[None]:
    """What records what is asked of a mock, as long as it lasts, if that is wanted."""
    if record is None:
        return nullcontext()
    from .._recording.call import PROMPTS

    recording = mock_part("recording:Recording").at(record, prompts=os.environ.get(PROMPTS) != "0")
    recorded: AbstractContextManager[None] = recording.of(service)
    return recorded


def _faults() -> list[dict[str, Any]]:
    """Every fault that the mock knows."""
    return [
        {"fault": each.name, "moment": each.moment, "about": each.about} for each in mock_part("faults:FAULTS").values()
    ]


def _switches(service: Any) -> list[dict[str, Any]]:
    """Every switch of the services that are served, as it is set."""
    rows = []
    for name, value in service.switches.items():
        switch = mock_part("switches:SWITCHES")[name.partition(".")[2]]
        rows.append({"switch": name, "value": value, "values": list(switch.values), "about": switch.about})
    return rows


def _put_list(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Writes what is listed, in lines or as one document."""
    if as_json:
        put_document(rows)
        return
    lines = []
    for row in rows:
        if "fault" in row:
            lines.append((row["fault"], row["moment"], row["about"]))
        else:
            others = ", ".join(each for each in row["values"] if each != row["value"])
            lines.append((f"{row['switch']}={row['value']}", f"or {others}", row["about"]))
    widths = [max(len(line[place]) for line in lines) for place in (0, 1)]
    put("\n".join(f"{one:<{widths[0]}}  {two:<{widths[1]}}  {about}" for one, two, about in lines))


def mock_part(name: str) -> Any:
    """What the installed mock has as *name*, such as ``"server:serve"``; found by entry point, as the core does it.

    Raises ``SettingsError`` if there is no mock, or if a library that it needs is missing.
    """
    import pkgutil

    from .._mock import mock_point

    package = mock_point().module
    try:
        return pkgutil.resolve_name(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(package):
            raise PluginError(f"The mock server {package} has no {name}.") from error
        raise SettingsError(
            f"The mock server needs {error.name}, which is not installed. Install it: pip install 'fluxkit-py[mock]'."
        ) from error
