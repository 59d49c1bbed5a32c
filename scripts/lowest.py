"""Prints the oldest version of each package that fluxkit may be installed with, as pip takes constraints.

    python scripts/lowest.py > oldest.txt
    pip install --constraint oldest.txt ".[all]"

What stands in ``pyproject.toml`` as ``name>=version`` is a promise: the version is one that there is, and fluxkit works
with it.
"""

import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

#: The extras that users install; the tools for work on fluxkit are held to a series where that matters.
EXTRAS = ("mock", "cli", "testing")


def lowest() -> list[str]:
    """The lower bound of each dependency, as ``name==version``."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for extra in EXTRAS for each in extras[extra])]
    return [each.partition(";")[0].partition(",")[0].strip().replace(">=", "==") for each in wanted]


if __name__ == "__main__":
    print("\n".join(lowest()))
