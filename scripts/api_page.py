"""The generated parts of the API page: every public name of a door, with the first sentence of its docstring."""

import inspect
from types import ModuleType

from pages import table


def sentence(value: object) -> str:
    """The first sentence of what a class or function says of itself."""
    first = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")
    head, dot, _ = first.partition(". ")
    return f"{head}." if dot else first


def names_of(door: ModuleType) -> str:
    """A table of the names of *door* that are classes or functions. Each must say what it is."""
    rows = []
    for name in door.__all__:
        value = getattr(door, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            if not inspect.getdoc(value):
                raise SystemExit(f"{door.__name__}.{name} does not say what it is")
            rows.append([f"`{name}`", sentence(value)])
    return table(["name", "what it is"], rows)
