"""A batch of 100,000 rows: how long it takes until the first one could be bought, and what it takes in memory.

- fresh: nothing is done yet, and every row is read and planned.
- again: an earlier run has done all of them, and the results say so.

Megabytes are those of resident memory at its height above a batch without rows. None of the rows is bought, so that
what is measured is the batch and not the drawing of pictures: ``python benchmarks/batch.py [ROWS]``.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fluxkit

ROWS = 100_000
MODEL = "magnific:flux-2-klein"
LINE = '{"prompt": "a fox, study NUMBER", "seed": NUMBER}\n'


def highest() -> float:
    """Megabytes that this process has had in memory at its height."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def look() -> None:
    """Looks through the batch in this directory; prints CPU seconds and megabytes."""
    from fluxkit._batch.run import prepare

    client = fluxkit.Client(MODEL, mock=True)
    Path("empty.jsonl").write_text("", encoding="utf-8")
    prepare(client, "empty.jsonl", "empty").close()
    before, begun = highest(), time.process_time()
    batch = prepare(client, "rows.jsonl", "out")
    print(json.dumps([time.process_time() - begun, highest() - before, batch.standing[None]]))
    batch.close()


def begin(rows: int, *, done: bool) -> None:
    """Writes the input, and what an earlier run would have written."""
    from fluxkit._batch.run import prepare
    from fluxkit._batch.source import read_line

    Path("empty.jsonl").write_text("", encoding="utf-8")
    prepare(fluxkit.Client(MODEL, mock=True), "empty.jsonl", "out").close()
    with open("rows.jsonl", "w", encoding="utf-8") as lines, open("out/results.jsonl", "w", encoding="utf-8") as file:
        for number in range(1, rows + 1):
            line = LINE.replace("NUMBER", str(number))
            lines.write(line)
            if done:
                row = {"line": number, "state": "done", "images": [1], "errors": [], "price": None, "cost": []}
                digest = read_line(number, line.encode()).digest
                file.write(json.dumps({**row, "key": str(number), "digest": digest}) + "\n")


def run(rows: int = ROWS) -> dict[str, float]:
    """Measures both, each in a process of its own."""
    figures: dict[str, float] = {"rows": rows}
    for part in ("fresh", "again"):
        with tempfile.TemporaryDirectory() as place:
            for step in ("begin", "look"):
                command = [sys.executable, __file__, str(rows), part, step]
                done = subprocess.run(command, cwd=place, check=True, stdout=subprocess.PIPE, text=True)
        seconds, megabytes, left = json.loads(done.stdout)
        print(f"{part}: {seconds:.1f} s of CPU, {megabytes:.1f} MB, {left} of {rows} rows left")
        figures[f"{part}_seconds"], figures[f"{part}_megabytes"] = seconds, megabytes
    return figures


if __name__ == "__main__":
    if len(sys.argv) < 4:
        run(*map(int, sys.argv[1:]))
    elif sys.argv[3] == "begin":
        begin(int(sys.argv[1]), done=sys.argv[2] == "again")
    else:
        look()
