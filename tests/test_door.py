"""What users can see of fluxkit is what its doors name."""

import inspect
import subprocess
import sys
import types

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


def test_the_door_names_what_is_visible_or_loaded_when_asked_for() -> None:
    assert sorted([*visible(fluxkit), "Amount", "Event", "__version__", "hookimpl"]) == sorted(fluxkit.__all__)


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
    """HTTP, cattrs, SQLite, entry points, pluggy, the vocabulary and hypothesis are loaded when they are used."""
    code = "import sys, fluxkit; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    costly = {
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
