"""``fluxkit completion``: the script with which a shell completes the command line."""

import os
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

from .help import Command
from .output import put


class Bash(BashComplete):
    """bash ends a word at each colon and equals sign, and replaces only what stands behind the last one."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and that one, put together again."""
        words, last = split_arg_string(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        current = words[last] if last < len(words) else ""
        joined = _joined(words[1 : last + 1])
        if not current:
            self._replaced = ""
            return joined, ""
        *before, incomplete = joined
        value = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        self._replaced = value.removesuffix(current) if current.strip(":=") else value
        return before, incomplete

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """The part of a completion that is to stand where bash replaces the word."""
        return f"{item.type},{str(item.value).removeprefix(self._replaced)}"


def _joined(words: list[str]) -> list[str]:
    """Words, those that were split put together: ``--provider = magnific : flux`` is one. No option is inside one."""
    whole: list[str] = []
    for word in words:
        before = whole[-1] if whole else ""
        signs = ":=" if before.startswith("--") else ":"
        behind = before.endswith(tuple(signs)) and not word.startswith("-")
        if before and (behind or not word.strip(signs)):
            whole[-1] += word
        else:
            whole.append(word)
    return whole


SHELLS: Mapping[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}


@click.command(
    cls=Command,
    examples=('eval "$(fluxkit completion bash)"', "fluxkit completion fish > fluxkit.fish"),
)
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
def completion(shell: str) -> None:
    """Print the script that lets a shell complete fluxkit.

    It completes commands, options, models, profiles, sizes and files, and looks at what is installed and at no network.
    For bash the first example goes into ~/.bashrc; for zsh the same with zsh in it goes into ~/.zshrc, below compinit;
    for fish the file goes to ~/.config/fish/completions.
    """
    from .program import COMPLETING, fluxkit

    # Not the class's own source, which for bash runs another bash to learn its version.
    put(ShellComplete.source(SHELLS[shell](fluxkit, {}, "fluxkit", COMPLETING)))
