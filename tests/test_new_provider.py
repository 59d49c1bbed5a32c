"""``fluxkit new-provider``: what it writes is a plugin that keeps the contract, builds, installs and is found."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click.testing
import pytest
from support.scarce import scarce

from fluxkit.cli.output import Code
from fluxkit.cli.program import fluxkit as program
from fluxkit.testing.samples import read_rows

FILES = [
    "pyproject.toml",
    "README.md",
    ".github/workflows/test.yml",
    "fluxkit_acme/__init__.py",
    "fluxkit_acme/declaration.py",
    "fluxkit_acme/samples/acme.json",
    "tests/test_contract.py",
]


def run(*arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, ["new-provider", *arguments])
    assert "Traceback" not in done.output
    return done


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plugin_is_written_and_its_files_are_named(place: Path) -> None:
    done = run("acme")
    assert (Code.DONE, [f"fluxkit-acme/{name}" for name in FILES]) == (done.exit_code, done.stdout.splitlines())
    assert 'next: pip install -e "fluxkit-acme[test]"' in done.stderr
    texts = {name: (place / "fluxkit-acme" / name).read_text("utf-8") for name in FILES}
    assert not any(mark in text for text in texts.values() for mark in ("@NAME@", "@MODULE@", "@CONSTANT@", "@DATE@"))
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert ("fluxkit-acme", {"acme": "fluxkit_acme"}) == (project["name"], project["entry-points"]["fluxkit"])
    faults, samples = read_rows(texts["fluxkit_acme/samples/acme.json"])
    assert ([], True) == (faults, all(each.source.startswith("https://docs.acme.example") for each in samples.values()))


def test_a_name_with_a_hyphen_has_a_module_and_a_constant(place: Path) -> None:
    assert Code.DONE == run("acme-images", "--directory", "plugins/images").exit_code
    written = (place / "plugins/images/fluxkit_acme_images/declaration.py").read_text("utf-8")
    assert "ACME_IMAGES = Provider(\n" in written
    assert 'name="acme-images"' in written


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme", "The name is 'Acme'. Allowed: lower-case letters"),
        ("acme_images", "The name is 'acme_images'. Allowed"),
        ("3d", "that begin with a letter"),
        ("acme--images", "Allowed: lower-case"),
        ("../acme", "Allowed: lower-case"),
        ("", "The name is ''"),
        ("class", "which is a word of Python's own"),
        ("match", "which is a word of Python's own"),
        ("magnific", "the plugin 'bundled' (fluxkit_providers of fluxkit-py) brings a provider of that name"),
        ("bfl", "brings a provider of that name"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(name: str, said: str, place: Path) -> None:
    done = run(name)
    assert Code.NOT_SENT == done.exit_code
    assert said in f"{done.stderr} {done.stdout}".replace("\nallowed: ", " Allowed: ")
    assert [] == list(place.iterdir())


def test_what_exists_is_left_alone(place: Path) -> None:
    (place / "fluxkit-acme").mkdir()
    (place / "elsewhere").symlink_to(place / "nowhere")
    for arguments in (["acme"], ["acme", "--directory", "elsewhere"]):
        done = run(*arguments)
        assert (Code.NOT_SENT, True) == (done.exit_code, "exists already" in done.stderr)
    assert [] == list((place / "fluxkit-acme").iterdir())


def test_a_place_that_cannot_be_written_is_named(place: Path) -> None:
    (place / "file").write_text("")
    done = run("acme", "--directory", "file/below")
    assert (Code.NOT_SENT, True) == (done.exit_code, "file/below" in done.stderr and "cannot be written" in done.stderr)


def test_no_part_of_a_plugin_is_left_on_a_full_disk(place: Path) -> None:
    with scarce():
        done = run("acme")
    assert (Code.NOT_SENT, True) == (done.exit_code, "pyproject.toml cannot be written: File too large." in done.stderr)
    assert (Code.DONE, True) == (run("acme").exit_code, (place / "fluxkit-acme").is_dir())


@pytest.mark.slow
def test_the_plugin_builds_installs_is_found_and_passes_its_own_test(place: Path) -> None:
    pytest.importorskip("hatchling", reason="the plugin is built with hatchling")
    assert Code.DONE == run("acme").exit_code
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "--quiet", "install"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", "site"]
    subprocess.run([*pip, *offline, "./fluxkit-acme"], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLUXKIT_", "PYTEST_", "COV_"))}
    environment = {**kept, "PYTHONPATH": str(place / "site"), "PYTHONWARNINGS": "error"}

    def done(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], check=False, env=environment, capture_output=True, text=True, timeout=60
        )

    listed = json.loads(done("-c", "from fluxkit.cli import main; main()", "providers", "--json").stdout)
    plugins = {row["name"]: row["plugin"]["origin"] for row in listed["providers"]}
    assert ("fluxkit_acme of fluxkit-acme", []) == (plugins["acme"], listed["failures"])
    tried = done("-m", "pytest", "-q", "-p", "no:cacheprovider", "fluxkit-acme")
    assert (0, True) == (tried.returncode, "1 passed" in tried.stdout), tried.stdout
