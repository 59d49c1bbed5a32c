"""What the documents say is run: every example, every command and what it prints, and the tables by their sources.

How a block is written so that it is run is said in ``support/examples.py``.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from support.examples import Reader, blocks_of, complaints, matches, run

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])

#: Files that examples name as if the reader had them.
AT_HAND = {"this.jpg": ROOT / "docs" / "images" / "magnific.jpg"}

#: Programs that examples use beside fluxkit. They are tried where they are, and always where CI is set.
OTHERS = ("curl", "node", "jq")


def text_of(page: Path) -> str:
    """The page, and of one that is written by the generator all but its drawings, which print nothing."""
    text = page.read_text("utf-8")
    generated = "<!-- Written by scripts/generate_docs.py" in text
    return re.sub(r"^```text\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE) if generated else text


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WITH_EXAMPLES = [page for page in PAGES if any(True for _ in blocks_of(text_of(page)))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_a_page_is_one_that_is_run(page: Path) -> None:
    assert [] == complaints(list(blocks_of(text_of(page))))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_block_is_hidden_by_indentation(page: Path) -> None:
    assert [] == re.findall(r"^[ \t]+(?:```|~~~).*", page.read_text("utf-8"), re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    blocks = list(blocks_of(text_of(page)))
    code = "\n".join("node" if block.language == "js" else block.text for block in blocks)
    missing = [name for name in OTHERS if re.search(rf"\b{name}\b", code) and not shutil.which(name)]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"the examples need {', '.join(missing)}")
    for name, source in AT_HAND.items():
        if name in code:
            shutil.copy(source, tmp_path / name)
    with Reader(name_of(page), tmp_path) as reader:
        reader.read(blocks)


def read(page: str, place: Path) -> None:
    with Reader("a page", place) as reader:
        reader.read(list(blocks_of(page)))


GOOD = """
Write this to `greet.py`:

```python
print("hello")
```

```console
$ python greet.py
hello
$ python -c "print(2 / 7)" && \\
    echo and so on
0.2857...
...
$ false
$ echo $?
1
```

```python
name = "you"
```

```python
print(name)
```

```text
you
```

```toml
name = "you"
```
"""


@pytest.mark.slow
def test_a_page_is_read_in_order_and_in_one_place(tmp_path: Path) -> None:
    read(GOOD, tmp_path)


WRONG = {
    "a language that nothing runs": "```yaml\na: 1\n```",
    "no language": "```\na\n```",
    "a text that nothing printed": "```text\na\n```",
    "a text behind a file": "`a.py`:\n```python\n1\n```\n```text\n1\n```",
    "a console without a prompt": "```console\necho a\n```",
    "output that differs": "```python\nprint(1)\n```\n```text\n2\n```",
    "output that is longer": "```console\n$ echo a; echo b\na\n```",
    "output that is missing": "```console\n$ true\na\n```",
    "an example that raises": "```python\n1 / 0\n```",
    "a warning": "```python\nimport warnings\nwarnings.warn('a')\n```",
    "a command that fails": "```sh\nfalse\n```",
    "a command that fails last": "```console\n$ false\n```",
    "a command that fails unsaid": "```console\n$ false\n$ true\n```",
    "a part of a command that fails": "```sh\nfalse | cat\n```",
    "toml that is none": "```toml\na = \n```",
    "settings that are none": "`a.toml`:\n```toml\na = \n```",
}


@pytest.mark.parametrize("page", WRONG.values(), ids=WRONG)
def test_what_a_page_says_wrongly_is_noticed(page: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, ValueError)):
        read(page, tmp_path)


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\nb\n", "a\nb", True),
        ("a ... c", "a b c", True),
        ("a ... c", "a b\nc", False),
        ("a\n...\nc", "a\nb\nb\nc\n", True),
        ("a\n...\nc", "a\nc\n", True),
        ("a\n...\nc", "a\nb\n", False),
        ("a.c", "abc", False),
        ("", "a", False),
    ],
)
def test_three_dots_stand_for_anything(expected: str, printed: str, same: bool) -> None:
    assert same is matches(expected, printed)


def test_every_link_of_the_documents_leads_somewhere() -> None:
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8")))
        if not target.startswith(("http://", "https://"))
    ]
    assert [] == [f"{name_of(page)}: {target}" for page, target in links if not (page.parent / target).exists()]


@pytest.mark.slow
def test_the_tables_are_those_of_the_declarations(tmp_path: Path) -> None:
    done = run([sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"], tmp_path)
    assert (0, "") == done
