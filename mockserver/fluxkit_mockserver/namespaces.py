"""Namespaces: worlds of their own within one mock, so that tests that run at the same time do not see each other.

A call says in one of three ways which it belongs to, by what its client can set: its address begins with ``/@name``,
its header ``x-fluxkit-namespace`` is the name, or its key is one of the mock's with ``-name`` behind it. Whatever the
mock gives back, links, addresses to poll and those of uploads, begins with ``/@name``, so it leads back there.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from fluxkit.provider import Key

from .answer import CONTROL, Incoming
from .gallery import IMAGES
from .uploads import UPLOADS

if TYPE_CHECKING:
    from .service import MockService

#: The header that names a namespace.
HEADER: Final = "x-fluxkit-namespace"

#: How many there may be; the one that was not used for longest makes room.
MOST_NAMESPACES: Final = 1_000

ALLOWED: Final = "1 to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MARKS: Final = ("/@", "/%40")


def check_name(name: str) -> str:
    """*name*; ``ValueError`` if a namespace cannot be called so."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"The namespace is {name!r}. Allowed: {ALLOWED}.")
    return name


def prefix_of(name: str) -> str:
    """What the addresses of a namespace begin with; nothing for the one without a name."""
    return f"/@{name}" if name else ""


class Chooser:
    """Finds out to which namespace a call belongs."""

    def __init__(self, keys: Sequence[str], forms: Iterable[Key]) -> None:
        """Among calls with these *keys*, in these *forms*."""
        self._keys = keys
        self._forms: dict[str, set[str]] = {}
        for form in forms:
            self._forms.setdefault(form.header.lower(), set()).add(form.form)
        self._headers = tuple(self._forms)
        every = {form for forms in self._forms.values() for form in forms}
        self._usual = {None, *(form.format(key=key) for form in every for key in keys)}

    def named(self, call: Incoming) -> str:
        """The name of the namespace that a call chooses, empty if it chooses none.

        ``ValueError`` if none can be called so, or if the call names two.
        """
        get = call.headers.get
        header, path = get(HEADER), call.path
        if header is None and not path.startswith(_MARKS):
            for each in self._headers:
                if get(each) not in self._usual:
                    break
            else:
                return ""
        names = {}
        if path.startswith(_MARKS):
            names["address"] = path.partition("/@" if path.startswith("/@") else "/%40")[2].partition("/")[0]
        if header is not None:
            names["header"] = header
        if by_key := next(filter(None, (self._in_key(each, get(each)) for each in self._headers)), None):
            names["key"] = by_key
        if len({*names.values()}) > 1:
            said = ", ".join(f"{name!r} by its {way}" for way, name in names.items())
            raise ValueError(f"The call names two namespaces: {said}. Name one.")
        return check_name(next(iter(names.values()))) if names else ""

    def _in_key(self, header: str, value: str | None) -> str | None:
        """The name behind the key in a header, if there is one; a key that is none of the mock's names nothing."""
        if value in self._usual or value is None:
            return None
        for form in self._forms[header]:
            before, _, after = form.partition("{key}")
            for key in self._keys:
                if value.startswith(f"{before}{key}-") and value.endswith(after):
                    name = value[len(before) + len(key) + 1 : len(value) - len(after)]
                    return name if _NAME.fullmatch(name) else None
        return None


def without_prefix(path: str) -> str:
    """A path as it would be outside of any namespace."""
    return f"/{path[1:].partition('/')[2]}" if path.startswith(_MARKS) else path


def is_control(path: str) -> bool:
    """Whether a path is one of the control's, in whatever namespace: links to images and uploads lie beside them."""
    path = without_prefix(path)
    return path.startswith(CONTROL) and not path.startswith((IMAGES, UPLOADS))


def entered(call: Incoming, prefix: str) -> Incoming:
    """A call as it comes to the namespace with this *prefix*: below it, whichever way it was named."""
    path = call.path
    for mark in _MARKS:
        path = path.removeprefix(mark + prefix.removeprefix("/@")) if path.startswith(mark) else path
    return attrs.evolve(call, path=path or "/", origin=call.origin + prefix)


class Namespaces:
    """The namespaces of a mock, made when they are first named. Safe in many threads."""

    def __init__(self, make: "Callable[[str], MockService]") -> None:
        """None yet; *make* makes one."""
        self._make = make
        self._worlds: dict[str, MockService] = {}
        self._lock = threading.Lock()
        self._attending: list[tuple[Callable[[MockService], object], Callable[[MockService], object]]] = []

    def __iter__(self) -> "Iterator[MockService]":
        with self._lock:
            return iter([*self._worlds.values()])

    def __contains__(self, name: object) -> bool:
        return name in self._worlds

    def enter(self, name: str) -> "MockService":
        """The namespace of this name, which is made if there is none."""
        with self._lock:
            world = self._worlds.pop(name, None)
            if world is None:
                if len(self._worlds) >= MOST_NAMESPACES:
                    self._tell_dropped(self._worlds.pop(next(iter(self._worlds))))
                world = self._make(check_name(name))
                for made, _ in self._attending:
                    made(world)
            self._worlds[name] = world  # the one that was used last stands last
            return world

    def drop(self, name: str) -> bool:
        """Forgets a namespace and all that is in it; tells whether there was one."""
        with self._lock:
            world = self._worlds.pop(name, None)
            if world is not None:
                self._tell_dropped(world)
            return world is not None

    def attend(self, made: "Callable[[MockService], object]", dropped: "Callable[[MockService], object]") -> None:
        """Tells of each namespace that there is, that is made and that is dropped, from now on."""
        with self._lock:
            self._attending.append((made, dropped))
            for world in self._worlds.values():
                made(world)

    def leave(self, made: "Callable[[MockService], object]") -> None:
        """Tells no more whoever attended with *made*."""
        with self._lock:
            self._attending = [each for each in self._attending if each[0] is not made]

    def _tell_dropped(self, world: "MockService") -> None:
        for _, dropped in self._attending:
            dropped(world)
