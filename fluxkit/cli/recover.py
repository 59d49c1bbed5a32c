"""``fluxkit recover``: fetches what was bought and not fetched, and settles what nobody knows."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .._contract.report import shorten
from .._service import address_of, place_variable, seconds_of
from ..errors import FluxError, SettingsError
from .complete import files
from .given import read_key
from .help import Command
from .options import IDEMPOTENCY
from .output import Code, code_of, interrupted, lines_of, printable, put, put_document, say
from .tasks import journal_of, journal_option
from .watch import Watch

if TYPE_CHECKING:
    from .._client import Client
    from .._contract.journal import Recovered, Row
    from .._engine.journal.journal import Journal


def _pair(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, str] | None:
    if value is None:
        return None
    task, equals, row = value.rpartition("=")  # an id may hold anything, the name of a row has letters and digits
    if not (task and equals and row):
        raise click.BadParameter(f"{value!r} is not TASK=ROW: the service's id of the task, and the name of the row")
    return task, row


@click.command(
    cls=Command,
    examples=(
        "fluxkit recover",
        "fluxkit recover --provider magnific --timeout 60",
        "fluxkit tasks --state unknown",
    ),
)
@click.option("--adopt", metavar="TASK=ROW", callback=_pair, help="A row of unknown fate is this task of the service.")
@click.option("--resubmit", metavar="ROW", help="Buy what a row of unknown fate asked for, perhaps a second time.")
@click.option("--dismiss", metavar="ROW", help="Do not mention a row again.")
@click.option("-p", "--provider", metavar="NAME", help="Only what was bought from this provider.")
@click.option("--base-url", metavar="URL", help="Where the service is, if elsewhere. The key goes there.")
@click.option(
    "--key-file", metavar="FILE|-", help="Read the key from a file, or from stdin for -.", shell_complete=files
)
@click.option("--timeout", type=float, default=300, show_default=True, metavar="SECONDS", help="For each provider.")
@journal_option
@click.option("--idempotency", type=click.Choice(("off", "trust")), help=IDEMPOTENCY)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def recover(**given: Any) -> int:
    """Fetch what was bought and not fetched.

    Waits for tasks that still run, and puts images where they were to go, or where fluxkit keeps images that have no
    other place. Their paths are printed. Nothing is bought, but by --resubmit. A submit of which nobody knows whether
    it was accepted is listed with what to do: --adopt TASK=ROW if the account of the service has the task, --resubmit
    ROW if it has not and the image is still wanted, --dismiss ROW if it is not. With --idempotency trust, or if the
    profile in use says so, it is sent again first, with the key by which the service is to know it.

    A service is asked at its own address, or where --base-url or FLUXKIT_<PROVIDER>_BASE_URL says that it is. What was
    bought elsewhere is left alone and said, and the exit code is 6.
    """
    from .._engine.journal.journal import open_journal

    settling = [name for name in ("adopt", "resubmit", "dismiss") if given[name] is not None]
    if len(settling) > 1:
        raise click.UsageError(f"--{settling[0]} and --{settling[1]} exclude each other")
    seconds_of("timeout", given["timeout"])
    check_address(given["base_url"])
    given["journal"] = journal_of(given["journal"])
    journal = open_journal(given["journal"])
    if given["dismiss"] is not None:
        return _dismiss(journal, given["dismiss"])
    if settling:
        row = given["adopt"][1] if given["adopt"] else given["resubmit"]
        services = services_of(journal.rows(row=row), given)
        if not services:
            raise no_row(row)
        code = Code.DONE
    else:
        rows = journal.rows()
        _check_provider(given["provider"], rows)
        open_rows = [row for row in rows if row.open]
        services = services_of(open_rows, given)
        code = Code.UNKNOWN if parted(open_rows, given)[1] else Code.DONE
    watch = Watch()
    watch.tell = lambda _: None
    try:
        return _all(services, {**given, "listener": watch}, code)
    except KeyboardInterrupt as stop:
        standing, facts = watch.standing()
        advice = "what was not fetched is in the journal still: fluxkit recover goes on where this has ended"
        raise interrupted(stop, standing, advice=advice, **facts) from None


def no_row(row: str) -> SettingsError:
    """That the journal has no such row, and where one finds those that it has."""
    return SettingsError(f"The journal has no row {row or shorten(row)}. fluxkit tasks lists those that it has.")


def check_address(base_url: str | None) -> None:
    """Refuses what is no address: no row would be of a service there, and nothing seem to be left."""
    if base_url is not None:
        address_of(base_url, insecure_http=True)


def _dismiss(journal: "Journal", row: str) -> int:
    from .._contract.journal import Settled
    from .._engine.effects import Note

    if not journal.rows(row=row):
        raise no_row(row)
    journal.take(Note("settled", {"row": row, "how": Settled.DISMISSED}))
    say(f"dismissed: {row}")
    return Code.DONE


def services_of(rows: "Sequence[Row]", given: Mapping[str, Any]) -> "list[tuple[Row, Callable[[], Client]]]":
    """The services to be asked, each with a row of it: those at their own address, and the one that is named."""
    found, elsewhere = parted(rows, given)
    for provider, base_url in elsewhere:
        say(f"left alone: what was bought from {provider} at {base_url}; give --base-url {base_url} to ask there")
    if given["key_file"] and len({row.provider for row in found.values()}) > 1:
        raise click.UsageError("--key-file holds one key, and the journal has several providers: give --provider, too")
    if rows and not found and any(given.get(name) for name in ("adopt", "resubmit", "id")):
        raise SettingsError(f"The row is of {rows[0].provider} at {rows[0].base_url}. Give --base-url to ask there.")
    key = read_key(given["key_file"]) if found else None
    return [(row, lambda row=row: _client(row, key, given)) for row in found.values()]  # type: ignore[misc]


def parted(
    rows: "Sequence[Row]", given: Mapping[str, Any]
) -> "tuple[dict[tuple[str, str], Row], dict[tuple[str, str], Row]]":
    """The services of *rows* that may be asked, and those at an address that nobody names.

    A journal must not say where a key goes: the declaration does, ``--base-url``, or for a key of the environment the
    environment. Who gives an address means the rows there and no others.
    """
    from .._plugins import installed

    registry, found, elsewhere = installed(), {}, {}
    for row in rows:
        if given["provider"] not in (None, row.provider):
            continue
        places = {registry.provider(row.provider).base_url} if row.provider in registry.names else set()
        if not given["key_file"]:
            places.add(os.environ.get(place_variable(row.provider), "").rstrip("/"))
        if given["base_url"] is not None:
            places = {given["base_url"].rstrip("/")}
        if row.base_url in places:
            found[row.provider, row.base_url] = row
        elif given["base_url"] is None:
            elsewhere[row.provider, row.base_url] = row
    return found, elsewhere


def _check_provider(name: str | None, rows: "Sequence[Row]") -> None:
    """Refuses a provider that neither is installed nor has a row: nothing of it would be left, whatever was bought."""
    from .._plugins import installed

    known = sorted({*installed().names, *(row.provider for row in rows)})
    if name is not None and name not in known:
        raise SettingsError(f"--provider is {shorten(name)}. Allowed: {', '.join(known)}.")


def _client(row: "Row", key: str | None, given: Mapping[str, Any]) -> "Client":
    from .._client import Client

    return Client(
        f"{row.provider}:{row.model}",
        key=key,
        base_url=row.base_url,
        journal=given["journal"],
        listener=given.get("listener"),
        price=row.price if given.get("resubmit") else None,
        idempotency=_idempotency(row, given),
        **({} if given["timeout"] is None else {"timeout": given["timeout"]}),
    )


def _idempotency(row: "Row", given: Mapping[str, Any]) -> str | None:
    """Whether the service is trusted to know a submit again: as the option says, or the profile in use of this one."""
    from .._plugins import installed
    from .._settings.arguments import working_directory
    from .._settings.found import find_settings
    from .profile import profile_in

    if "idempotency" not in given or installed().provider(row.provider).idempotency is None:
        return None
    if given["idempotency"] is not None:
        return str(given["idempotency"])
    profile = profile_in(find_settings(working_directory(), os.environ), None, {})
    setting, base_url = profile.setting("idempotency"), profile.setting("base_url")
    if setting is None or profile.declared is None or profile.provider != row.provider:
        return None
    here = profile.declared.base_url if base_url is None else str(base_url.value).rstrip("/")
    return str(setting.value) if here == row.base_url else None


def _all(services: "list[tuple[Row, Callable[[], Client]]]", given: Mapping[str, Any], code: Code) -> int:
    """Recovers from each service; what is wrong with one does not stop the others. *code* is what is known already."""
    found = []
    for row, make in services:
        try:
            with make() as client:
                if given["adopt"]:
                    client.adopt(row.row, given["adopt"][0])
                elif given["resubmit"]:
                    say(f"bought again: task {client.resubmit(row.row).id}")
                found.append(client.recover())
        except FluxError as error:
            if len(services) == 1:
                raise
            for line in lines_of(error):
                say(line)
            code = max(code, code_of(error))
    for each in found:
        code = max((code, *map(code_of, each.errors), Code.UNKNOWN if each.running or each.unknown else Code.DONE))
        _tell(each)
    if given["as_json"]:
        put_document({"recovered": [each.to_dict() for each in found]})
    else:
        for image in (image for each in found for result in each.results for image in result.images):
            put(str(image.path))
    if not any(map(bool, found)) and code is Code.DONE:
        say("nothing was left to recover")
    return code


def _tell(found: "Recovered") -> None:
    for line in str(found).splitlines() if found else ():
        if not line.startswith("fetched: "):
            say(printable(line))
