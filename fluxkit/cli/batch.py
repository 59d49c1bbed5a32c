"""``fluxkit batch``: makes what a file asks for, row by row, in any number of runs."""

import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from ..errors import DeliveryWarning, FluxError, SettingsError, Unsupported
from .help import Command
from .options import batch_options
from .output import Code, code_of, document_of, interrupted, known, lines_of, parts_of, printable, put, say
from .profile import profile_of
from .progress import Progress, plain, shown

if TYPE_CHECKING:
    from .._batch.run import Batch
    from .._client import Client
    from .._contract.amount import Amount

#: What a row that ended so makes of the exit code.
CODES: Mapping[str, Code] = {
    "done": Code.DONE,
    "partial": Code.ENDED,
    "failed": Code.ENDED,
    "dismissed": Code.ENDED,
    "not fetched": Code.NOT_FETCHED,
    "running": Code.UNKNOWN,
    "unknown": Code.UNKNOWN,
}


@click.command(
    cls=Command,
    sections={
        "The batch": ("output", "in_flight", "most", "keep_going", "retry_failed", "timeout", "as_json"),
    },
    examples=(
        'echo \'{"prompt": "a lighthouse", "seed": 1}\' > prompts.jsonl',
        "fluxkit batch prompts.jsonl -o out/ -p magnific:flux-2-klein --offline",
        "jq -c '{prompt, id: \"lighthouse\"}' prompts.jsonl \\",
        "    | fluxkit batch - -o named/ -p magnific:flux-2-klein --offline",
        "fluxkit batch prompts.jsonl -o out/ --retry-failed \\",
        "    -p magnific:flux-2-klein --offline",
    ),
)
@click.argument("source", metavar="FILE|-")
@batch_options
def batch(**given: Any) -> int:
    """Make what a file asks for, in any number of runs.

    On each line stands a request as JSON: an object with its fields and perhaps an id, such as {"prompt": "a fox",
    "seed": 1, "id": "fox"}, or a prompt in double quotes. References are files beside the input, or addresses. Every
    line is checked before anything is bought. Images and results.jsonl, a line for each row, go to a directory of
    their own.

    Run it again, after a kill too, and it goes on: what is done is not bought again, what was bought is fetched, and of
    what nobody knows it says what to do. With - the lines come from stdin: give the same ones again to go on.
    """
    try:
        return _run(given)
    except (FluxError, click.ClickException, OSError) as error:
        if not given["as_json"]:
            raise
        ours = known(error)
        for line in lines_of(ours):
            say(line)
        _put({"event": "error", **document_of(ours), "problems": list(getattr(error, "problems", ()))})
        return code_of(ours)


def _run(given: Mapping[str, Any]) -> int:
    from .._batch.run import prepare
    from .._batch.survey import Unsound

    limit = _amount(given["most"])
    client = _client(given)
    tell = Progress()
    if given["source"] == "-" and sys.stdin.isatty():
        say("the lines are read from this terminal, until Ctrl-D")
    try:
        with client, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeliveryWarning)
            work = prepare(
                client,
                given["source"],
                given["output"],
                in_flight=given["in_flight"],
                budget=limit,
                keep_going=given["keep_going"],
                again=given["retry_failed"],
                tell=tell,
            )
            try:
                return _work(work, tell, given, client)
            finally:
                work.close()
    except Unsound as error:
        error.problems = tuple(map(_in_options, error.problems))
        for problem in error.problems:
            say(problem)
        raise
    except KeyboardInterrupt as error:
        raise interrupted(error, "nothing was sent") from None


def _in_options(problem: str) -> str:
    """What is wrong with a line, in one: with the options that would let it through in the place of settings."""
    what, allowed, options = parts_of(Unsupported(problem))
    choices = [f"Allowed: {'; '.join(allowed)}."] if allowed else []
    remedies = [f"Try: {' '.join(options)}"] if options else []
    return " ".join([*what, *choices, *remedies])


def _work(work: "Batch", tell: Progress, given: Mapping[str, Any], client: "Client") -> int:
    if client.mocked:
        say(f"offline: a mock of {client.provider.name} answers; nothing is bought, the images are drawings")
    if work.gone:
        say(
            f"note: {work.gone} rows of earlier runs are not in the input any more. Their images stay; what of them "
            "was bought and not fetched is fetched by fluxkit recover."
        )
    if work.bereft:
        say(f"note: images of {_rows(work.bereft)} are not there any more; they are fetched again, and not bought")
    if work.lost:
        say(
            f"note: images of {_rows(work.lost)} are not there any more, and nothing is known by which to fetch them. "
            "They are not bought again: give a new line for another image."
        )
    put_event = _put if given["as_json"] else None
    if put_event is not None:
        put_event({"event": "begin", "rows": work.rows, "left": work.standing[None], "done": work.standing["done"]})
    tell.event = put_event
    telling: AbstractContextManager[None] = shown(work, tell) if tell.on_terminal else plain(work, tell)
    if given["as_json"] and not tell.on_terminal:
        telling = nullcontext()
    with telling:
        try:
            work.run()
        except KeyboardInterrupt as error:
            raise interrupted(error, f"{_standing(work)}. The same command goes on") from None
    return _ended(work, given)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _ended(work: "Batch", given: Mapping[str, Any]) -> int:
    code = max((CODES[state] for state, count in work.standing.items() if state and count), default=Code.DONE)
    say(_standing(work))
    stopped = work.stopped
    if stopped is not None:
        for line in lines_of(stopped):
            say(line)
        code = max(code, code_of(stopped))
    if work.spent_out:
        say(f"warning: the budget of {work.account.limit} has no room for the next row; {work.standing[None]} are left")
        code = max(code, Code.LEFT)
    if work.standing["unknown"]:
        from .._contract.journal import ADVICE

        say(f"unknown: {work.standing['unknown']} may have been bought: see fluxkit tasks --state unknown. {ADVICE}")
    if given["as_json"]:
        _put(
            {
                "event": "end",
                "rows": work.rows,
                "standing": {str(state): count for state, count in work.standing.items() if state},
                "left": work.standing[None],
                "spent": [str(amount) for amount in work.account.spent],
                "budget": None if work.account.limit is None else str(work.account.limit),
                "results": str(work.directory.path / "results.jsonl"),
                "exit_code": int(code),
            }
        )
    else:
        put(str(work.directory.path / "results.jsonl"))
    return code


def _standing(work: "Batch") -> str:
    """How things stand, in one line."""
    from .._batch.outcome import STATES

    parts = [f"{work.standing['done']} of {work.rows} done"]
    parts += [f"{work.standing[state]} {state}" for state in STATES[1:] if work.standing[state]]
    if work.standing[None]:
        parts.append(f"{work.standing[None]} left")
    if work.account.spent:
        parts.append(f"cost {' + '.join(map(str, work.account.spent))}")
    if work.account.unknown:
        parts.append(f"the price of {work.account.unknown} unknown")
    return ", ".join(parts)


def _client(given: Mapping[str, Any]) -> "Client":
    from .._asked import DEFAULTABLE, beside
    from .._client import Client
    from .._settings.arguments import usable
    from .given import read_options

    if given["offline"] and given["base_url"]:
        raise click.UsageError("--offline and --base-url exclude each other: a mock in this process has no address")
    profile = profile_of(given)
    settings = usable(profile, Client, os.environ)
    fields = {field: given[field] for field in DEFAULTABLE if given.get(field) not in (None, ())}
    if given["options"]:
        fields["options"] = read_options(given["options"])
    settings["defaults"] = {**fields, **beside(fields, settings.get("defaults"))}
    return Client(**settings)


def _amount(text: str | None) -> "Amount | None":
    from .._contract.amount import Amount

    try:
        return None if text is None else Amount.parse(text)
    except ValueError as error:
        raise SettingsError(f"--budget: {error}.") from None


def _put(event: Mapping[str, Any]) -> None:
    """Writes an event to stdout, on one line."""
    import json

    put(printable(json.dumps(event)))
