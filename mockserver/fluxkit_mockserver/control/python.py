"""Parts of a test as Python has them: values, names, and the mark by which a test sets up its mock."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..service import MockService

#: How long a line may be.
WIDTH: Final = 110

#: Values by names: arguments of a mock, of its fixture or of a request.
Settings = Mapping[str, Any]


def written(value: Any) -> str:
    """A value as Python has it, on lines of its own if one line is too short."""
    if isinstance(value, bytes):
        return f"base64.b64decode({quoted(base64.b64encode(value).decode())})"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return _bracketed("{}", [f"{literal(str(name))}: {written(inner)}" for name, inner in value.items()])
    if isinstance(value, list | tuple):
        return _bracketed("[]", [written(inner) for inner in value])
    return repr(value)


def _bracketed(marks: str, parts: Sequence[str]) -> str:
    line = ", ".join(parts)
    if len(line) <= WIDTH - 30 and "\n" not in line:
        return f"{marks[0]}{line}{marks[1]}"
    return f"{marks[0]}\n" + "".join(f"    {each}".replace("\n", "\n    ") + ",\n" for each in parts) + marks[1]


def quoted(text: str) -> str:
    """A text as Python has it, in pieces if it is long."""
    most = WIDTH - 30
    if len(text) > most:
        pieces = re.findall(rf"(?s).{{1,{most}}}(?: |$)|.{{1,{most}}}", text)
        return "(\n" + "".join(f"    {literal(each)}\n" for each in pieces) + ")"
    return literal(text)


def literal(text: str) -> str:
    """A text as Python has it, between double quotes where that needs no escape."""
    said = repr(text)
    return f'"{said[1:-1]}"' if said.startswith("'") and '"' not in text else said


def identifier(text: str) -> str:
    """The part of a function's name that a text becomes."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()


def marked(settings: Settings) -> Iterator[str]:
    """The line above a test whose mock is not as usual, if it is not."""
    if settings:
        said = ", ".join(f"{name}={written(value)}" for name, value in settings.items())
        yield f"@pytest.mark.fluxkit_mock({said})"


def switched(world: "MockService") -> dict[str, Any]:
    """The setting by which another mock has the switches of this one."""
    return {"switches": switches} if (switches := world.switched) else {}
