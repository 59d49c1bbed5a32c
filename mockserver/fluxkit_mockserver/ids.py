"""Ids of tasks: fresh ones, in the shape of one that a service has given."""

import hashlib
import itertools
import string
from typing import Final

HEX: Final = "0123456789abcdef"
CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: The shape of ids where no sample shows one: a UUID.
USUAL: Final = "00000000-0000-4000-8000-000000000000"

#: How many bytes of a digest make an id; a longer one takes them again.
DIGEST: Final = 64

#: The alphabets of an id, each a letter for every value of a byte, and its parts: a text that stays as it is, or some
#: bytes of a digest as they are in one of the alphabets.
Shape = tuple[tuple[bytes, ...], tuple[str | tuple[int, slice], ...]]


def shape_of(id: str) -> Shape:
    """The shape of ids like this one; what comes before an underscore stays as it is."""
    head, mark, tail = id.rpartition("_")
    hexadecimal = all(letter in f"{HEX}-" for letter in tail)
    alphabets = (*head, *mark, *(_alphabet(letter, hexadecimal=hexadecimal) for letter in tail))
    drawn: dict[str, int] = {}
    parts: list[str | tuple[int, slice]] = []
    for (letters, _), group in itertools.groupby(enumerate(alphabets), key=lambda each: (each[1], each[0] // DIGEST)):
        places = [place % DIGEST for place, _ in group]
        if len(letters) == 1:
            parts.append(letters * len(places))
        else:
            parts.append((drawn.setdefault(letters, len(drawn)), slice(places[0], places[-1] + 1)))
    return tuple((letters * 256)[:256].encode() for letters in drawn), tuple(parts)


def _alphabet(letter: str, *, hexadecimal: bool) -> str:
    if hexadecimal and letter != "-":
        return HEX
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    return next((CROCKFORD if letters.isupper() else letters for letters in kinds if letter in letters), letter)


def fresh(shape: Shape, origin: str) -> str:
    """An id of this shape, always the same for the same *origin*."""
    digest = hashlib.sha512(origin.encode()).digest()
    alphabets, parts = shape
    drawn = [digest.translate(letters).decode() for letters in alphabets]
    return "".join([part if isinstance(part, str) else drawn[part[0]][part[1]] for part in parts])
