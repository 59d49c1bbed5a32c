"""A row as a line of the journal's file."""

import json
from pathlib import Path
from typing import Any, Final

from ..._contract.journal import Fate, Row, Settled, Stored
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
CHANGING: Final = (
    "fate",
    "state",
    "why",
    "task_id",
    "draft",
    "cost",
    "images",
    "updated_at",
    "delivered_at",
    "settled",
    "settled_at",
)
COLUMNS: Final = (*FIXED, *CHANGING)

# No word of these is anybody's input.
SELECT: Final = f"SELECT {', '.join(COLUMNS)}, version FROM submits"  # noqa: S608
INSERT: Final = f"INSERT INTO submits ({', '.join(COLUMNS)}, owner) VALUES (:{', :'.join(COLUMNS)}, :owner)"  # noqa: S608
UPDATE: Final = (
    f"UPDATE submits SET {', '.join(f'{name} = :{name}' for name in CHANGING)}, version = version + 1 "  # noqa: S608
    "WHERE row = :row AND version = :version"
)


def new_line(row: Row) -> dict[str, Any]:
    """A new row as the columns of the file have it."""
    return {
        **changed_line(row),
        "provider": row.provider,
        "model": row.model,
        "base_url": row.base_url,
        "asked": json.dumps(row.asked),
        "turn": row.turn,
        "price": row.price,
        "place": None if row.place is None else json.dumps(row.place),
        "created_at": row.created_at,
        "again": row.again,
        "label": row.label,
        "token": row.token,
        "idempotency": row.idempotency,
        "body": row.body,
    }


def changed_line(row: Row) -> dict[str, Any]:
    """What may change of a row, as the columns of the file have it."""
    return {
        "row": row.row,
        "fate": row.fate.name.lower(),
        "state": row.state,
        "why": row.why,
        "task_id": row.draft.id,
        "draft": row.draft.to_json(),
        "cost": row.cost,
        "images": json.dumps([[str(image.path), image.sha256, image.size] for image in row.images]),
        "updated_at": row.updated_at,
        "delivered_at": row.delivered_at,
        "settled": row.settled,
        "settled_at": row.settled_at,
    }


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
