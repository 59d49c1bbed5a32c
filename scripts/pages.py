"""What every generated page is made of: tables, and the parts of a page that stand between two marks."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
END = "<!-- end of generated -->"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def renewed(page: str, **parts: str) -> str:
    """The page of that path with each generated part, by the name at its first mark, in place of what stands there."""
    text = (ROOT / page).read_text("utf-8")
    for name, part in parts.items():
        mark = f"<!-- generated: {name} -->\n"
        before, found, rest = text.partition(mark)
        _, ended, after = rest.partition(END)
        if not (found and ended):
            raise SystemExit(f"{page} has no part {mark.strip()} ... {END}")
        text = f"{before}{mark}{part}\n{END}{after}"
    return text
