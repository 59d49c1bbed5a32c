"""Where a journal may lie: in a file that its owner alone reads, on a disk of this machine."""

import os
import re
from pathlib import Path
from typing import Final

from ...errors import JournalUnavailable

#: What a user can do, whatever is wrong with the place of a journal.
WAYS_OUT: Final = (
    'Allowed: journal="PATH", a file on a disk of this machine, or journal="off", with which what was bought is '
    "forgotten when the process ends."
)

#: File systems on which SQLite's locks or shared memory do not work between machines: https://sqlite.org/wal.html
_REMOTE: Final = re.compile(
    r"9p|afpfs|afs|beegfs|ceph|cifs|coda|davfs2?|drvfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|prl_fs|smb[23]|smbfs|vboxsf|vmhgfs"
    r"|(fuse\.)?glusterfs|fuse\.(.*s3.*|.*ssh.*|ceph|cifs|davfs|gcsfuse|goofys|juicefs|nfs|rclone|smb|vmhgfs).*"
)
_MOUNTS: Final = Path("/proc/self/mountinfo")


def unavailable(path: Path | None, reason: str) -> JournalUnavailable:
    """The error for a journal that cannot be kept, with the ways out."""
    where = "" if path is None else f" in {path}"
    return JournalUnavailable(f"The journal cannot be kept{where}: {reason}. Nothing was bought. {WAYS_OUT}")


def own_place() -> Path:
    """The journal of a user who names none, beside the spool."""
    import platformdirs

    return platformdirs.user_state_path("fluxkit", appauthor=False) / "journal.sqlite"


def prepared(path: Path) -> Path:
    """*path* with every link followed, made sure of: it lies on this machine, and is a file for its owner alone.

    Directories that are missing are made for the owner alone, too. What is there already is left as it is, but for a
    file that others can read. Raises ``JournalUnavailable``.
    """
    try:
        whole = path.resolve()
        if (kind := remote(whole)) is not None:
            raise unavailable(path, f"it would lie on a file system that is shared between machines ({kind})")
        _make_directory(whole.parent)
        if path == own_place():
            whole.parent.chmod(0o700)
        if whole.is_dir():
            raise unavailable(path, "it is a directory")
        _make_file(whole)
    except (OSError, ValueError, RuntimeError) as error:  # no such place, no such name, a ring of links
        raise unavailable(path, getattr(error, "strerror", None) or str(error)) from None
    return whole


def _make_directory(directory: Path) -> None:
    """Makes a directory and those above it, each for its owner alone."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _make_file(path: Path) -> None:
    """Makes sure that the file is there and that nobody else reads it: SQLite gives its side files the same mode."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        mode = os.fstat(number).st_mode & 0o777
        if mode & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(number, mode & 0o700)
    finally:
        os.close(number)


def remote(path: Path) -> str | None:
    """The kind of file system under *path*, if it is one that machines share; None if it is not, or nobody knows."""
    if str(path).startswith("\\\\"):
        return "a share"
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = kind_of(path, mounts)
    return kind if _REMOTE.fullmatch(kind) else None


def kind_of(path: Path, mounts: str) -> str:
    """The kind of file system on which *path* lies, by the lines of /proc/self/mountinfo; "" if none fits.

    Of several mounts on one point the last one counts: it hides the others.
    """
    found, deepest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if len(point.parts) >= deepest and path.is_relative_to(point):
            found, deepest = after.split(" ")[0], len(point.parts)
    return found
