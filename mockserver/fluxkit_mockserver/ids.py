"""Ids of tasks: fresh ones, in the shape of one that a service has given."""

import hashlib
import itertools
import operator
import string
from typing import Final

HEX: Final = "0123456789abcdef"
CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: The shape of ids where no sample shows one: a UUID.
USUAL: Final = "00000000-0000-4000-8000-000000000000"

#: For each place of an id, the letter that stands there for each of the 256 values of a byte.
Shape = tuple[str, ...]


def shape_of(id: str) -> Shape:
    """The shape of ids like this one; what comes before an underscore stays as it is."""
    head, mark, tail = id.rpartition("_")
    hexadecimal = all(letter in f"{HEX}-" for letter in tail)
    alphabets = (*head, *mark, *(_alphabet(letter, hexadecimal=hexadecimal) for letter in tail))
    return tuple((letters * 256)[:256] for letters in alphabets)


def _alphabet(letter: str, *, hexadecimal: bool) -> str:
    if hexadecimal and letter != "-":
        return HEX
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    return next((CROCKFORD if letters.isupper() else letters for letters in kinds if letter in letters), letter)


def fresh(shape: Shape, origin: str) -> str:
    """An id of this shape, always the same for the same *origin*."""
    digest = hashlib.sha512(origin.encode()).digest()
    return "".join(map(operator.getitem, shape, itertools.cycle(digest)))
