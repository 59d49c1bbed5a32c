"""What users can see of fluxkit is what its doors name."""

import ast
import importlib
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import fluxkit
import fluxkit.errors
import fluxkit.provider


def visible(module: types.ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in ("Any", "TYPE_CHECKING")
    ]


def test_type_checkers_see_what_the_door_names_and_loads_when_it_is_asked_for() -> None:
    (told,) = (each for each in ast.parse(Path(fluxkit.__file__).read_text("utf-8")).body if isinstance(each, ast.If))
    homes = {alias.name: each.module for each in told.body for alias in each.names}  # type: ignore[attr-defined]
    assert sorted([*homes, "__version__"]) == sorted(fluxkit.__all__)
    for name, home in homes.items():
        assert getattr(importlib.import_module(f"fluxkit.{home}"), name) is getattr(fluxkit, name)


def test_the_door_lists_what_is_not_loaded_yet() -> None:
    code = "import fluxkit; print(*dir(fluxkit))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {*fluxkit.__all__, "errors", "webhooks"} <= {*listed}


def test_doors_are_there_without_an_import_of_their_own() -> None:
    code = "import fluxkit; print(fluxkit.errors.FluxError is fluxkit.FluxError, fluxkit.webhooks.__name__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "True fluxkit.webhooks\n" == said


def test_the_vocabulary_names_what_is_visible() -> None:
    assert sorted(visible(fluxkit.provider)) == sorted(fluxkit.provider.__all__)


def test_every_error_is_at_the_door() -> None:
    errors = [
        name for name, value in vars(fluxkit.errors).items() if inspect.isclass(value) and issubclass(value, Exception)
    ]
    assert set(errors) <= set(fluxkit.__all__)


@pytest.mark.parametrize("name", [name for name in fluxkit.__all__ if name not in ("__version__", "hookimpl")])
def test_everything_public_has_a_docstring(name: str) -> None:
    assert inspect.getdoc(getattr(fluxkit, name))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'imagine'"):
        fluxkit.imagine  # noqa: B018 - the access is the test


def test_importing_fluxkit_imports_nothing_that_costs() -> None:
    """attrs, HTTP, cattrs, SQLite, entry points, pluggy and the vocabulary are loaded when they are used."""
    code = "import sys, fluxkit; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    costly = {
        "attrs",
        "httpx",
        "cattrs",
        "sqlite3",
        "importlib.metadata",
        "pluggy",
        "hypothesis",
        "anyio",
        "fluxkit._wire",
        "tomllib",
        "fluxkit._settings",
    }
    assert set() == costly & set(modules)
