"""Answers that are cast once: those to tasks at one stage differ by an id and a link, which are stamped into the cast.

Where the answers of a service differ by more, each is written by itself; whether they do is found out by trying.
"""

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .answer import Answer
from .dialect import Dialect
from .documents import JSON_HEADERS, encoded


def say_briefly(dialect: Dialect, of: str, stage: int, *, id: str, base_url: str, model: str) -> Answer:
    """What is said at a *stage* of a task's life where there are no images."""
    cast = _cast(dialect, of, stage, base_url if of in dialect.linking else "", model)
    if cast is None:
        return dialect.say(of, dialect.facts(of, stage, id=id, base_url=base_url, model=model))
    status, body, stamp = cast
    return Answer(status, body.replace(stamp, id.encode()), JSON_HEADERS)


def say_completed(
    dialect: Dialect, of: str, facts: Mapping[str, Any], picture: Mapping[str, Any], *, base_url: str, model: str
) -> Answer:
    """What is said at the end of a task with one image: the *facts* but for it, and what is known of the *picture*."""
    place = base_url if of in dialect.linking else ""
    cast = None if "content" in picture else _cast_end(dialect, of, place, model, priced="cost" in facts)
    if cast is None:
        return dialect.say(of, {**facts, "images": (picture,)})
    body, stamp, address = cast
    stamped = body.replace(stamp, facts["id"].encode()).replace(address, encoded(picture["url"])[1:-1])
    return Answer(dialect.status(of, dialect.words[-1]), stamped, JSON_HEADERS)


@functools.lru_cache(maxsize=1024)
def _cast(dialect: Dialect, of: str, stage: int, base_url: str, model: str) -> tuple[int, bytes, bytes] | None:
    """An answer without images: status, body and the id in it; None if another does not simply take the id's place."""
    one, other = dialect.new_id(-1, 0), dialect.new_id(-1, 1)
    cast, check = (
        dialect.say(of, dialect.facts(of, stage, id=each, base_url=base_url, model=model)).body for each in (one, other)
    )
    stamped = cast.replace(one.encode(), other.encode())
    status = dialect.status(of, dialect.words[stage])
    return (status, cast, one.encode()) if one != other and stamped == check else None


@functools.lru_cache(maxsize=1024)
def _cast_end(
    dialect: Dialect, of: str, base_url: str, model: str, *, priced: bool
) -> tuple[bytes, bytes, bytes] | None:
    """An answer with one image, and the id and the link in it; None if others do not simply take the place of those."""
    said = []
    for number in range(2):
        task, link = dialect.new_id(-1, number), f"https://cast.invalid/{number}"
        picture = {
            "url": link,
            "expires_at": 10**9 + number,
            "width": 64 + number,
            "height": 96 + number,
            "media_type": ("image/png", "image/jpeg")[number],
        }
        facts = dialect.facts(of, len(dialect.words) - 1, id=task, base_url=base_url, model=model)
        facts |= {"seed": 7 + number, "images": (picture,)} | ({"cost": Decimal(7 + number)} if priced else {})
        said.append((dialect.say(of, facts).body, task.encode(), link.encode()))
    (cast, stamp, address), (check, other_stamp, other_address) = said
    stamped = cast.replace(stamp, other_stamp).replace(address, other_address)
    return (cast, stamp, address) if stamp != other_stamp and stamped == check else None
