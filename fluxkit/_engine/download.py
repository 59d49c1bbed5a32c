"""Files that images become: written beside their place, and put there once they are whole."""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from .._contract.media import NotAnImage, Truncated, format_named
from .._contract.structure import examine
from .answer import Fault
from .effects import Fetched
from .process import DRAFT, PART, mark


class Draft:
    """A file that becomes *path* once it is whole, and leaves nothing behind otherwise. A context manager.

    A *path* that has not the suffix of a picture gets the one of the type that came. A file that is there is replaced
    only if the draft *replaces*; otherwise the next free name is taken, ``fox~2.png``. The draft lies beside *path*, so
    that taking its place is one step, and only its owner may read it. It is not forced to the disk.
    """

    def __init__(self, path: Path, *, replaces: bool = True) -> None:
        self._path = path
        self._replaces = replaces
        self._size = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        directory = os.path.abspath(os.path.dirname(self._path))
        # Of so many letters no other file has the same by chance.
        self._draft: str | None = os.path.join(directory, f"{DRAFT}{mark()}{secrets.token_hex(12)}{PART}")
        try:
            self._file = _made(self._draft)
        except OSError as error:
            raise _disk_fault(self._path, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()
        if self._draft is not None:
            with suppress(OSError):
                os.unlink(self._draft)

    def write(self, piece: bytes) -> None:
        """Adds a piece.

        Raises:
            Fault: the disk does not take it.
        """
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _disk_fault(self._path, error) from None
        self._size += len(piece)
        self._digest.update(piece)

    def finish(self, *, now: Callable[[], float]) -> Fetched:
        """Puts the file in its place, if it is a whole picture.

        Raises:
            Fault: it is no picture or not a whole one, or the disk refuses.
        """
        path, draft = self._path, self._draft
        assert draft is not None  # noqa: S101 - it is finished once
        try:
            media = examine(self._file)
            self._file.close()
            if format_named(path.suffix) is None:
                path = path.with_name(path.name + media.suffix)
            if self._replaces:
                os.replace(draft, path)
                self._draft = None
            else:
                path = _linked(draft, path)
        except NotAnImage as error:
            raise Fault(f"what came is no image: {error}") from None
        except Truncated as error:
            raise Fault(f"the image is not whole: {error}") from None
        except OSError as error:
            raise _disk_fault(path, error) from None
        return Fetched(
            path=path,
            media_type=media.media_type,
            width=media.width,
            height=media.height,
            size=self._size,
            sha256=self._digest.hexdigest(),
            at=now(),
        )


def _made(path: str) -> BinaryIO:
    """A new file that only its owner may read; its directory is made if it is not there any more."""
    try:
        return open(path, "x+b", buffering=0, opener=_privately)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "x+b", buffering=0, opener=_privately)


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _linked(draft: str, path: Path) -> Path:
    """Gives the *draft* the first name of *path*, ``path~2``, ``path~3`` ... that is free; its own goes later.

    It is whole under that name from the first moment. Where a file cannot have two names, an empty one holds the place
    meanwhile, so that nobody else takes it.
    """
    free, number = path, 1
    while True:
        try:
            try:
                os.link(draft, free)
            except FileExistsError:
                raise
            except (OSError, NotImplementedError):
                free.touch(mode=0o600, exist_ok=False)
                os.replace(draft, free)
        except FileExistsError:
            number += 1
            free = path.with_stem(f"{path.stem}~{number}")
        else:
            return free


def keep(content: bytes, path: Path, *, replaces: bool = True, now: Callable[[], float]) -> Fetched:
    """Writes a picture that came inside an answer, with the checks of a download.

    Raises:
        Fault: it is no picture or not a whole one, or the disk refuses.
    """
    with Draft(path, replaces=replaces) as draft:
        draft.write(content)
        return draft.finish(now=now)


def sought(path: Path, sha256: str, *, now: Callable[[], float]) -> Fetched | None:
    """An image that was fetched before, if it is still in *path* and has this digest."""
    try:
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return None
            size = file.tell()
            media = examine(file)
    except (OSError, ValueError):
        return None
    return Fetched(path, media.media_type, media.width, media.height, size, sha256, now())


def _disk_fault(path: Path, error: OSError) -> Fault:
    return Fault(f"{path} cannot be written ({error.strerror or error})")
