"""Completion: what a shell is offered, and that real shells get it."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import click.testing
import pytest

from fluxkit import _plugins, hookimpl
from fluxkit.cli.completion import SHELLS, _joined
from fluxkit.cli.program import fluxkit as program

SCRIPTS = sysconfig.get_path("scripts")

#: How long in seconds a process may take on the slowest machine; a test that reaches it has failed.
PATIENCE = 60


def run(*arguments: str, **env: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(program, arguments, env=env)


def offered(*words: str, shell: str = "bash") -> list[str]:
    """What the program answers a shell that completes the last of *words*, each on a line of its own."""
    env = {"_FLUXKIT_COMPLETE": f"{shell}_complete", "COMP_WORDS": "\n".join(("fluxkit", *words))}
    done = run(**env, COMP_CWORD=words[-1] if shell == "fish" else str(len(words)))
    assert (0, "") == (done.exit_code, done.stderr)
    return done.stdout.rstrip("\n").splitlines()


def plain(*words: str) -> list[str]:
    return [line.removeprefix("plain,") for line in offered(*words)]


KLEIN = ("magnific", ":", "flux-2-klein")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pl"], ["plan"]),
        (["plan", "x", "--aspe"], ["--aspect"]),
        (["plan", "x", "--fit", ""], ["close", "exact", "nearest"]),
        (["plan", "x", "--drop", "s"], ["seed", "safety-tolerance"]),
        (["plan", "x", "-p", "apimart"], ["apimart:flux-2-flex", "apimart:flux-2-pro"]),
        (["plan", "x", "-p", "apimart", ":"], ["flux-2-flex", "flux-2-pro"]),
        (["plan", "x", "-p", "apimart", ":", "flux-2-f"], ["flux-2-flex"]),
        (["plan", "x", "--provider", "=", "apimart", ":", "flux-2-f"], ["flux-2-flex"]),
        (["plan", "x", "--provider", "=", "apim"], ["apimart:flux-2-flex", "apimart:flux-2-pro"]),
        (["plan", "x", "--fit", "=", "n"], ["nearest"]),
        (["plan", "x", "-p", "apimart:flux-2-f"], ["apimart:flux-2-flex"]),  # a bash that ends no word at a colon
        (["plan", "x", "-p", "nobody", ":", "x"], []),
        (["diff", *KLEIN, "apim"], ["apimart:flux-2-flex", "apimart:flux-2-pro"]),
        (["plan", "x", "-p", *KLEIN, "--aspect", "2"], ["2:3", "2:1"]),
        (["plan", "x", "-p", *KLEIN, "--aspect", "2", ":"], ["3", "1"]),
        (["plan", "x", "-p", "apimart", ":", "flux-2-flex", "--aspect", "2"], ["2:3"]),
        (["plan", "x", "-p", *KLEIN, "--resolution", ""], ["1K", "2K"]),
        (["plan", "x", "--reference", "https", ":", "//x.example/a", "-p", *KLEIN, "--resolution", ""], ["1K", "2K"]),
        (["diff", *KLEIN, "apimart", ":", "flux-2-flex", "x", "--aspect", "2"], ["2:3"]),
        (["plan", "x", "-p", "magnific", ":", "flux-2-pro", "--aspect", ""], []),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_bash_is_offered_what_fits(words: list[str], expected: list[str]) -> None:
    found = plain(*words)
    assert set(expected) <= set(found)  # a service may have further models
    assert bool(expected) == bool(found)


def test_profiles_are_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    (tmp_path / "fluxkit.toml").write_text('[profiles.hero]\nprovider = "magnific"\n[profiles.high]\nmock = true\n')
    assert ["hero", "high"] == plain("plan", "x", "--profile", "")
    assert ["hero"] == plain("diff", "he")
    assert ["hero"] == plain("doctor", "--profile", "=", "he")


def test_models_are_those_that_are_installed() -> None:
    registry = _plugins.installed()
    expected = [f"{name}:{row.name}" for name in registry.names for row in registry.provider(name).models]
    assert list(dict.fromkeys(expected)) == plain("plan", "x", "-p", "")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["plan", "x", "-o", "pict"], "file"),
        (["generate", "x", "--reference", "pict"], "file"),
        (["generate", "x", "--key-file", "pict"], "file"),
        (["demo", "-o", "pict"], "dir"),
    ],
)
def test_files_are_left_to_the_shell(words: list[str], kind: str) -> None:
    assert [f"{kind},pict"] == offered(*words)


def test_zsh_and_fish_take_a_word_with_its_colon() -> None:
    zsh = offered("plan", "x", "-p", "apimart:flux-2-f", shell="zsh")
    assert ["plain", "apimart:flux-2-flex", "_"] == zsh[:3]
    assert "plain,apimart:flux-2-flex" in offered("plan", "x", "-p", "apimart:flux-2-f", shell="fish")


def test_a_provider_that_cannot_be_used_is_not_offered_and_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Brings:
        @hookimpl
        def fluxkit_providers(self) -> dict[str, str]:
            return {"nowhere": "fluxkit_nowhere:IT"}

    monkeypatch.setattr(_plugins, "installed", lambda: _plugins.Registry([_plugins.Plugin("lost", Brings)]))
    assert [] == plain("plan", "x", "-p", "no")


def test_whatever_goes_wrong_is_not_said_to_who_is_typing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(_plugins, "installed", fail)
    assert [] == plain("plan", "x", "-p", "no")
    done = run(_FLUXKIT_COMPLETE="tcsh_complete", COMP_WORDS="fluxkit", COMP_CWORD="0")
    assert (0, "", "") == (done.exit_code, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        ([":"], [":"]),
        (["=", "a"], ["=", "a"]),
        (["a", ":", "b", "c"], ["a:b", "c"]),
        (["a", "::", "b"], ["a::b"]),
        (["a", ":", "--fit"], ["a:", "--fit"]),
        (["--option", "=", "a", "=", "b"], ["--option=a=b"]),
        (["a", "=", "b"], ["a", "=", "b"]),
    ],
)
def test_words_that_bash_splits_are_put_together_again(words: list[str], expected: list[str]) -> None:
    assert expected == _joined(words)


# Scripts


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_asks_the_program_for_completions_of_its_shell(shell: str) -> None:
    done = run("completion", shell)
    assert (0, "") == (done.exit_code, done.stderr)
    assert f"_FLUXKIT_COMPLETE={shell}_complete" in done.stdout
    assert "%(" not in done.stdout


def test_another_shell_is_refused_with_those_that_there_are() -> None:
    done = run("completion", "tcsh")
    assert 2 == done.exit_code
    assert "'bash', 'zsh', 'fish'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_can_parse_its_script(shell: str) -> None:
    """The shells that this machine has; bash is on all that run the suite."""
    found = shutil.which(shell)
    if found is None:
        assert "bash" != shell
        return
    subprocess.run([found, "-n"], input=run("completion", shell).stdout, text=True, check=True, timeout=PATIENCE)


BASH = r"""
eval "$(fluxkit completion bash)"
complete -p fluxkit
compopt() { echo "compopt $*"; }
complete_line() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _fluxkit_completion fluxkit
    printf '%s|' "${COMPREPLY[@]}"; echo
}
complete_line fluxkit pla
complete_line fluxkit generate '"a fox"' -p apimart : flux
complete_line fluxkit generate '"a fox"' --provider = apimart : flux-2-f
complete_line fluxkit plan x -p apimart : flux-2-flex --aspect 16
complete_line fluxkit plan x --fit ""
complete_line fluxkit plan x --reference pict
"""


@pytest.mark.slow
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "FLUXKIT_NO_PLUGINS": "1"}
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "" == done.stderr
    assert [
        "complete -o nosort -F _fluxkit_completion fluxkit",
        "plan|",
        "flux-2-flex|flux-2-pro|",
        "flux-2-flex|",
        "16:9|",
        "close|exact|nearest|",
        "compopt -o",
        "default",
        "|",
    ] == done.stdout.splitlines()
