"""Runs every benchmark, prints its table and writes the figures to ``benchmarks/results.json``.

    python benchmarks/run.py [NAME ...]

Each benchmark is a module or a package beside this one; its ``run() -> dict`` prints its own table. Figures are
medians; peers and floors run in the same run, so quote ratios: machines differ.
"""

import importlib
import json
import platform
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Runs the benchmarks called *names*, or all."""
    sys.path.insert(0, str(HERE))
    places = [*HERE.glob("*.py"), *(path.parent for path in HERE.glob("*/__init__.py"))]
    known = sorted(path.stem for path in places if path.stem != "run")
    if unknown := [name for name in names if name not in known]:
        print(f"There is no benchmark {', '.join(unknown)}. Allowed: {', '.join(known)}.", file=sys.stderr)
        return 2
    figures = {"python": platform.python_version(), "machine": platform.machine()}
    for name in names or known:
        print(f"== {name}")
        module = importlib.import_module(name)
        figures[name] = module.run()
    (HERE / "results.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
