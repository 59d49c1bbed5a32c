"""A directory that this process can read and not write, whoever runs it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: The user of whom nothing is, under Linux.
NOBODY = 65534


@contextmanager
def commons() -> Iterator[Path]:
    """A directory into which everybody may look, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


@contextmanager
def unwritable(place: Path) -> Iterator[None]:
    """Lets nothing in *place* be written: the superuser, for whom nothing is, is nobody meanwhile."""
    inside = [*place.iterdir()]
    for path in inside:
        path.chmod(0o444)
    place.chmod(0o555)
    mighty = hasattr(os, "geteuid") and os.geteuid() == 0
    if mighty:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if mighty:
            os.seteuid(0)
        place.chmod(0o755)
        for path in inside:
            path.chmod(0o644)
