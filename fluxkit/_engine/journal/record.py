"""A row as a line of the journal's file."""

import functools
import json
from pathlib import Path
from typing import Any, Final

from ..._contract.journal import Fate, Row, Settled, Stored
from ..._contract.persist import dump
from ..._contract.task import Task

#: What never changes of a row, and what may.
FIXED: Final = (
    "row",
    "provider",
    "model",
    "base_url",
    "asked",
    "turn",
    "price",
    "place",
    "created_at",
    "again",
    "label",
    "token",
    "idempotency",
    "body",
)
_FACTS: Final = ("fate", "state", "why", "task_id", "cost", "updated_at", "delivered_at", "settled", "settled_at")
COLUMNS: Final = (*FIXED, *_FACTS, "draft", "images")

# No word of these is anybody's input.
SELECT: Final = f"SELECT {', '.join(COLUMNS)}, version FROM submits"  # noqa: S608
INSERT: Final = f"INSERT INTO submits ({', '.join(COLUMNS)}, owner) VALUES ({', '.join('?' * len(COLUMNS))}, ?)"  # noqa: S608


def new_line(row: Row) -> tuple[Any, ...]:
    """A new row as ``COLUMNS`` have it."""
    return (
        row.row,
        row.provider,
        row.model,
        row.base_url,
        json.dumps(row.asked),
        row.turn,
        row.price,
        None if row.place is None else json.dumps(row.place),
        row.created_at,
        row.again,
        row.label,
        row.token,
        row.idempotency,
        row.body,
        *_facts(row),
        dump(row.draft),
        _images(row),
    )


def changes(before: Row, row: Row) -> dict[str, Any]:
    """What has changed of a row, by column: mostly little. The rest is not made into text or put into indexes again."""
    pairs = zip(_FACTS, _facts(before), _facts(row), strict=True)
    line = {name: fact for name, was, fact in pairs if fact != was}
    if row.draft is not before.draft:
        line["draft"] = dump(row.draft)
    if row.images is not before.images:
        line["images"] = _images(row)
    return line


def _facts(row: Row) -> tuple[Any, ...]:
    """A row as ``_FACTS`` have it."""
    return (
        row.fate.name.lower(),
        row.state,
        row.why,
        row.draft.id,
        row.cost,
        row.updated_at,
        row.delivered_at,
        row.settled,
        row.settled_at,
    )


def _images(row: Row) -> str:
    if not row.images:
        return "[]"
    return json.dumps([[str(image.path), image.sha256, image.size] for image in row.images])


@functools.cache  # there are few such sets of names
def update(names: tuple[str, ...], *, release: bool = False) -> str:
    """The statement that writes these columns of a row, if it is still of the version that is known.

    With *release* it takes the row out of an owner's hand, too, if it is in that one.
    """
    written = "".join(f"{name} = ?, " for name in names) + ("owner = nullif(owner, ?), " if release else "")
    return f"UPDATE submits SET {written}version = version + 1 WHERE row = ? AND version = ?"  # noqa: S608


def taken_up(values: tuple[Any, ...]) -> tuple[Row, int]:
    """The row of a line, as ``SELECT`` brings it, and its version."""
    columns = dict(zip(COLUMNS, values[:-1], strict=True))
    images = tuple(Stored(Path(path), sha256, size) for path, sha256, size in json.loads(columns["images"]))
    row = Row(
        columns["row"],
        Task.from_json(columns["draft"]),
        asked=json.loads(columns["asked"]),
        turn=columns["turn"],
        price=columns["price"],
        cost=columns["cost"],
        place=None if columns["place"] is None else json.loads(columns["place"]),
        created_at=columns["created_at"],
        updated_at=columns["updated_at"],
        fate=Fate[columns["fate"].upper()],
        why=columns["why"],
        images=images,
        delivered_at=columns["delivered_at"],
        settled=None if columns["settled"] is None else Settled(columns["settled"]),
        settled_at=columns["settled_at"],
        again=columns["again"],
        label=columns["label"],
        token=columns["token"],
        idempotency=columns["idempotency"],
        body=columns["body"],
    )
    return row, values[-1]
