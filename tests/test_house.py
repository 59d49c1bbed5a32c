"""What the repository promises about itself: its texts, its packages, its dependencies, its version.

The suite also runs against an installed wheel with no sources and no git in reach, so packages are found where Python
finds them, and texts where they are.
"""

import ast
import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fluxkit

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("fluxkit", "fluxkit_mockserver", "fluxkit_providers")

# The extras that a module may count on being installed when it is imported, beside the core dependencies; the longest
# name that fits counts. What a function imports, or a module can do without, may come from any extra.
EXTRAS_OF: dict[str, set[str]] = {
    "fluxkit": set(),
    "fluxkit.cli": {"cli"},
    "fluxkit.strategies": {"testing"},
    "fluxkit.testing": {"testing"},
    "fluxkit_mockserver": {"mock"},
    "fluxkit_mockserver.pytest_plugin": {"mock", "testing"},
    "fluxkit_providers": set(),
}
# Declared for what they do once installed; no module of ours names them, and one that comes to does not belong here.
LOADED_BY_OTHERS = {
    "httptools": "uvicorn parses HTTP with it",
    "uvloop": "uvicorn runs on it",
}
# What the bundled providers may see of the core, as any provider of a third party may.
DOORS_FOR_PROVIDERS = {"fluxkit.errors", "fluxkit.hookimpl", "fluxkit.provider"}

FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.:/-])/(?:home|root|work|Users)/\w"),
    "a package index of one machine": re.compile(
        r"--(?:extra-)?index-[u]rl|--find-[l]inks|--trusted-[h]ost|INDEX_[U]RL="
    ),
    "unfinished work": re.compile(r"\b(?:TO[D]O|FIX[M]E)\b"),
}
# A document in the top folder, by the custom of writing its name in capitals; behind a slash it is somebody else's.
DOCUMENT = re.compile(r"(?<![\w./-])[A-Z_]{3,}\.md\b")


@attrs.frozen
class Import:
    """One imported module, and whether importing the module that names it already needs it."""

    importer: str
    imported: str
    at_once: bool


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        folder = _folder(package)
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield ".".join((package, *parts)).removesuffix(".__init__"), path


def _survives_absence(node: ast.stmt) -> bool:
    """Tell whether the statement only runs its imports for type checkers, or goes on without what it cannot import."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            return True
        case ast.Try(handlers=handlers):
            types = [handler.type for handler in handlers if handler.type is not None]
            caught = {name.id for caught in types for name in ast.walk(caught) if isinstance(name, ast.Name)}
            return not caught.isdisjoint({"ImportError", "ModuleNotFoundError"})
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return True
    return False


def _imports_in(tree: ast.AST, *, importer: str, package: str, at_once: bool = True) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    yield Import(importer, name.name, at_once)
            case ast.ImportFrom(module=module, names=names, level=level):
                source = importlib.util.resolve_name("." * level + (module or ""), package) if level else module or ""
                for name in names:
                    yield Import(importer, f"{source}.{name.name}", at_once)
            case _:
                deferred = isinstance(node, ast.stmt) and _survives_absence(node)
                yield from _imports_in(node, importer=importer, package=package, at_once=at_once and not deferred)


def _imports() -> Iterator[Import]:
    for module, path in _modules():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        yield from _imports_in(ast.parse(path.read_bytes()), importer=module, package=package)


def _foreign_imports() -> list[tuple[Import, str]]:
    """List the imports of third parties' modules with the distribution that each comes from."""
    distributions = importlib.metadata.packages_distributions()
    foreign: list[tuple[Import, str]] = []
    for found in _imports():
        top = found.imported.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in PACKAGES:
            foreign.append((found, canonicalize_name(distributions.get(top, [top])[0])))
    return foreign


def _names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def _texts() -> Iterator[tuple[str, str]]:
    """Yield path and content of every text that is tracked or about to be; without git, of what lies here instead."""
    if (ROOT / ".git").exists() and (git := shutil.which("git")):
        listing = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        paths = [ROOT / name for name in listing.decode().split("\0") if name]
    else:
        folders = [ROOT / name for name in ("benchmarks", "docs", "examples", "scripts", "tests")]
        folders += [_folder(package) for package in PACKAGES]
        paths = [*ROOT.iterdir(), *(path for folder in folders for path in folder.rglob("*"))]
    for path in sorted(set(paths)):
        if path.is_file():
            try:
                yield str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path), path.read_text("utf-8")
            except UnicodeDecodeError:
                continue  # a picture or compiled code


def test_texts_speak_of_the_project_only() -> None:
    texts = dict(_texts())
    found = [
        f"{path}:{number}: {meaning}: {line.strip()}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        for meaning, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]
    assert {"pyproject.toml", "tests/test_house.py"} <= texts.keys()
    assert [] == found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("open('/home" + "/someone/key')", True),
        ("pip install --extra-index" + "-url=http://mirror.example", True),
        ("# TO" + "DO: the rest", True),
        ("https://service.example/home/pictures", False),
        ("POST /v1/ai/text-to-image/work/7", False),
        ("the index of the image, and links to find", False),
    ],
)
def test_forbidden_patterns_find_what_they_name_and_nothing_else(line: str, expected: bool) -> None:
    assert expected == any(pattern.search(line) for pattern in FORBIDDEN.values())


def test_documents_that_are_named_are_there() -> None:
    missing = [
        f"{path} names {name}"
        for path, text in _texts()
        for name in DOCUMENT.findall(text)
        if not (ROOT / name).is_file()
    ]
    assert [] == missing


@pytest.mark.parametrize("package", PACKAGES)
def test_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (_folder(package) / "py.typed").is_file()


def test_modules_import_only_what_their_extras_install() -> None:
    core = _names(PROJECT["dependencies"])
    extras = {name: _names(requirements) for name, requirements in PROJECT["optional-dependencies"].items()}
    for_users = core.union(*(extras[name] for name in ("cli", "mock", "testing")))
    undeclared = []
    for found, distribution in _foreign_imports():
        owner = max((name for name in EXTRAS_OF if f"{found.importer}.".startswith(f"{name}.")), key=len)
        installed = core.union(*(extras[name] for name in EXTRAS_OF[owner])) if found.at_once else for_users
        if distribution not in installed:
            undeclared.append(f"{found.importer} imports {found.imported}: {distribution} is not declared for it")
    assert [] == undeclared


def test_every_declared_dependency_is_imported() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = _names(PROJECT["dependencies"] + extras["cli"] + extras["mock"] + extras["testing"])
    imported = {distribution for _, distribution in _foreign_imports()}
    assert declared == (imported & declared) | LOADED_BY_OTHERS.keys()
    assert imported.isdisjoint(LOADED_BY_OTHERS)


def test_extra_all_is_every_extra_for_users() -> None:
    everything = Requirement(PROJECT["optional-dependencies"]["all"][0])
    assert PROJECT["name"] == everything.name
    assert PROJECT["optional-dependencies"].keys() - {"all", "dev"} == everything.extras


def test_bundled_providers_use_only_the_doors_of_the_core() -> None:
    beside_the_doors = [
        f"{found.importer} imports {found.imported}"
        for found in _imports()
        if found.importer.partition(".")[0] == "fluxkit_providers"
        and found.imported.partition(".")[0] == "fluxkit"
        and not any(f"{found.imported}.".startswith(f"{door}.") for door in DOORS_FOR_PROVIDERS)
    ]
    assert [] == beside_the_doors


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os.path", [Import("a.b", "os.path", True)]),
        ("from ..c import d, e", [Import("a.b", "a.c.d", True), Import("a.b", "a.c.e", True)]),
        ("from . import d", [Import("a.b", "a.x.d", True)]),
        ("class A:\n    def f(self):\n        import rich", [Import("a.b", "rich", False)]),
        ("if TYPE_CHECKING:\n    import PIL", [Import("a.b", "PIL", False)]),
        ("try:\n    import PIL\nexcept ImportError:\n    PIL = None", [Import("a.b", "PIL", False)]),
        ("try:\n    import PIL\nexcept OSError:\n    pass", [Import("a.b", "PIL", True)]),
    ],
)
def test_imports_are_read_from_source(source: str, expected: list[Import]) -> None:
    assert expected == list(_imports_in(ast.parse(source), importer="a.b", package="a.x"))


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("console_scripts", "fluxkit", "fluxkit.cli:main"),
        ("fluxkit", "bundled", "fluxkit_providers"),
        ("fluxkit.mock", "bundled", "fluxkit_mockserver"),
        ("pytest11", "fluxkit", "fluxkit_mockserver.pytest_plugin"),
    ],
)
def test_entry_points_are_installed_and_load(group: str, name: str, value: str) -> None:
    (entry,) = importlib.metadata.distribution("fluxkit-py").entry_points.select(group=group, name=name)
    assert value == entry.value
    assert entry.load() is not None


def test_version_is_written_in_one_place() -> None:
    places = [
        module for module, path in _modules() if re.search(r"^__version__\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert ["fluxkit._version"] == places
    assert ["version"] == PROJECT["dynamic"]
    # An editable installation keeps the version it was made with: `touch pyproject.toml && make setup`.
    assert importlib.metadata.version("fluxkit-py") == fluxkit.__version__


def test_changelog_begins_with_what_is_not_released_or_with_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] in {"Unreleased", fluxkit.__version__}
