"""A disk on which there is room for a few bytes of each file only."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def scarce(size: int = 10) -> Iterator[None]:
    """Lets no file of this process grow beyond *size* bytes; what would is an ``OSError``, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
