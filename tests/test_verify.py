"""``fluxkit verify``: what it prints, what it writes, and how it ends, also beside plugins that cannot be used."""

import importlib.metadata
import json
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs
import click.testing
import pytest
from shapes.fal import FAL
from support.scarce import scarce

from fluxkit import _plugins, _points
from fluxkit.cli.output import Code
from fluxkit.cli.program import fluxkit as program
from fluxkit.cli.verify import _lines
from fluxkit.cli.verify_live import write
from fluxkit.testing import CHECKS, Deviation, Finding, Grade, Proof
from fluxkit.testing.page import page_of
from fluxkit.testing.report import junit_of
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

ACME = Path(__file__).parent / "support" / "acme" / "fluxkit_acme.py"

#: Plugins that cannot be used, each in its own way, and what is said of them.
BROKEN = {
    "absent": ("import fluxkit_that_is_not_there", "cannot be imported"),
    "old": ("import fluxkit\nraise ImportError('needs fluxkit 99, and this is ' + fluxkit.__version__)", "fluxkit 99"),
    "nonsense": ("from fluxkit import hookimpl\n@hookimpl\ndef fluxkit_providers(): return 7", "returns 7"),
    "thief": (
        "from fluxkit import hookimpl\n@hookimpl\ndef fluxkit_providers(): return {'magnific': 'a:b'}",
        "brings 'magnific' like",
    ),
    "twin": ("from fluxkit_acme import *\nfrom fluxkit_acme import fluxkit_providers", "brings 'acme' like"),
}


def run(*arguments: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, ["verify", *arguments])
    assert "Traceback" not in done.output
    return done


def installing(folder: Path, **modules: str) -> None:
    """Lays a distribution into a folder of the path, with a plugin for each module."""
    about = folder / "fluxkit_plugins-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fluxkit-plugins\nVersion: 1.0\n")
    points = "".join(f"{name} = {name}\n" for name in modules)
    (about / "entry_points.txt").write_text(f"[fluxkit]\n{points}")
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, with the registry made anew for it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("fluxkit_acme", None)
    _plugins.installed.cache_clear()
    _points.points.cache_clear()
    yield tmp_path
    _plugins.installed.cache_clear()
    _points.points.cache_clear()
    for name in (*BROKEN, "fluxkit_acme", "fluxkit_host", "zacme", "lost"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


@pytest.mark.slow
def test_a_provider_that_keeps_its_promises_is_a_line_for_each_and_nothing_else(tmp_path: Path) -> None:
    report, suite = tmp_path / "report.json", tmp_path / "report.xml"
    done = run("apimart", "--json", str(report), "--junit", str(suite))
    assert (Code.DONE, "") == (done.exit_code, done.stderr)
    first, *lines = done.stdout.splitlines()
    assert "apimart  fluxkit_providers of fluxkit-py" == first
    assert [check.name for check in CHECKS] == [line[8:].partition(":")[0] for line in lines[: len(CHECKS)]]
    assert {"  pass", "  n/a "} == {line[:6] for line in lines[: len(CHECKS)]}
    (row,) = json.loads(report.read_text())["providers"]
    assert [check.name for check in CHECKS] == [each["check"] for each in row["checks"]]
    assert [check.promise for check in CHECKS] == [each["promise"] for each in row["checks"]]
    assert {"pass", "not applicable"} == {each["outcome"] for each in row["checks"]}
    skipped = sum(each["outcome"] == "not applicable" for each in row["checks"])
    (found,) = ET.parse(suite).getroot()
    assert {
        "name": "apimart",
        "tests": str(len(CHECKS)),
        "failures": "0",
        "errors": "0",
        "skipped": str(skipped),
    } == found.attrib
    assert [check.name for check in CHECKS] == [case.get("name") for case in found]
    assert all(case.get("message") for case in found.iter("skipped"))


@pytest.mark.slow
def test_a_stranger_s_provider_is_checked_like_any_other(site: Path) -> None:
    installing(site, fluxkit_acme=ACME.read_text())
    done = run("acme")
    assert Code.DONE == done.exit_code, done.output
    assert done.stdout.startswith("acme  fluxkit_acme of fluxkit-plugins\n")
    assert "  n/a   client_writes_a_request_as_documented: no sample shows a request\n" in done.stdout


@pytest.mark.slow
def test_a_broken_promise_is_named_with_what_was_found_and_ends_in_nine(site: Path) -> None:
    wrong = ACME.read_text().replace('"drawn": State.COMPLETED', '"drawn": State.RUNNING')
    installing(site, fluxkit_acme=wrong)
    done = run("acme", "--junit", "report.xml")
    assert Code.NOT_KEPT == done.exit_code
    assert "  fail  both_understand_every_spelling: Overdue: " in done.stdout
    (suite,) = ET.parse("report.xml").getroot()
    assert int(suite.attrib["failures"]) == len(list(suite.iter("failure"))) > 0
    (row,) = [case for case in suite if case.get("name") == "both_understand_every_spelling"]
    assert "Whichever way the mock says a thing" in (row[0].text or "")


@pytest.mark.slow
def test_plugins_that_cannot_be_used_are_named_and_the_others_are_checked(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxkit.testing.proof.CHECKS", CHECKS[:2])
    installing(
        site, fluxkit_host=HOST, **{name: source for name, (source, _) in BROKEN.items()}, zacme=ACME.read_text()
    )
    (site / "fluxkit_acme.py").write_text(ACME.read_text())
    done = run("--json", "report.json", "--junit", "report.xml")
    assert Code.NOT_PROVED == done.exit_code
    for name in ("magnific", "freepik", "apimart", "bfl"):
        assert f"{name}  fluxkit_providers" in done.stdout
    for name, (_, said) in BROKEN.items():
        (line,) = [
            line for line in done.stderr.splitlines() if f"The plugin '{name if name != 'twin' else 'zacme'}'" in line
        ]
        assert line.startswith("error: ")
        assert said in line
    document = json.loads(Path("report.json").read_text())
    assert len(BROKEN) == len(document["failures"])
    plugins = [suite for suite in ET.parse("report.xml").getroot() if suite.get("name") == "plugins"]
    assert [str(len(BROKEN))] == [suite.get("errors") for suite in plugins]


HOST = "from fluxkit import hookimpl\n@hookimpl\ndef fluxkit_host_image(image): return None"


@pytest.mark.slow
def test_an_unknown_name_is_explained_and_the_others_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit.testing.proof.CHECKS", CHECKS[:2])
    done = run("nobody", "apimart")
    assert Code.NOT_PROVED == done.exit_code
    assert "nobody\n  cannot be checked: There is no provider 'nobody'. Installed: magnific, " in done.stdout
    assert "apimart  fluxkit_providers of fluxkit-py\n  pass" in done.stdout


def test_an_unknown_name_leads_to_the_plugins_that_might_have_brought_it(site: Path) -> None:
    installing(site, gone="import nowhere_at_all")
    done = run("nobody")
    assert Code.NOT_PROVED == done.exit_code
    assert "It may be missing because of a plugin that cannot be used." in done.stdout
    assert "error: The plugin 'gone'" in done.stderr
    assert "nowhere_at_all" not in done.stdout  # it is told once


def test_a_declaration_that_is_not_where_it_should_be_is_trouble(site: Path) -> None:
    lost = "from fluxkit import hookimpl\n@hookimpl\ndef fluxkit_providers(): return {'lost': 'nowhere:LOST'}"
    installing(site, lost=lost)
    done = run("lost")
    assert Code.NOT_PROVED == done.exit_code
    assert "lost\n  cannot be checked: The plugin 'lost' (lost of fluxkit-plugins) says that 'lost' is" in done.stdout


DEVIATION = '[[apimart]]\ncheck = "{}"\nreason = "the vendor is told"\ndate = 2026-06-29\n'


@pytest.mark.slow
def test_a_deviation_that_is_none_any_more_ends_in_nine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit.testing.proof.CHECKS", CHECKS[:2])
    file = tmp_path / "deviations.toml"
    file.write_text(DEVIATION.format(CHECKS[0].name))
    done = run("apimart", "--deviations", str(file))
    assert Code.NOT_KEPT == done.exit_code
    assert "(recorded as a deviation, which must go since 2026-06-29: the vendor is told)" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[apimart", "are no TOML"),
        ("apimart = 7", "have 'apimart' = 7"),
        ("[[nobody]]\ncheck = 'x'", "are of nobody. allowed: magnific, "),
        (
            DEVIATION.format("no_such_promise"),
            "the check 'no_such_promise', which there is not. allowed: client_calls_",
        ),
        (DEVIATION.format("polls_are_boundd"), "which there is not. Did you mean 'polls_are_bounded'? allowed: "),
        (
            "[[apimart]]\ncheck = 'polls_are_bounded'",
            "A deviation is {'check': 'polls_are_bounded'}: it has no reason, no date. allowed: check, reason and date",
        ),
        (
            DEVIATION.format("a") + "sure = true",
            "it has 'sure', which is no field of it. allowed: check, reason and date",
        ),
        ("apimart = [7]", "have 'apimart' = [7]. allowed: [[PROVIDER]] with check, reason and date"),
        ("a = " + "9" * 5000, "are no TOML: a number in it has more than 4300 digits. allowed: [[PROVIDER]]"),
        ("a = " + "[" * 5000, "are no TOML: it nests too deeply. allowed: [[PROVIDER]]"),
        (DEVIATION.format(CHECKS[0].name).replace("2026-06-29", "'soon'"), "date is 'soon'. Allowed: a day"),
        (DEVIATION.format(CHECKS[0].name).replace("the vendor is told", " "), "reason is ' '. Allowed: text"),
        (DEVIATION.format(CHECKS[0].name) * 2, "two deviations of the check"),
    ],
)
def test_a_file_of_deviations_that_is_none_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "deviations.toml"
    file.write_text(text)
    done = run("apimart", "--deviations", str(file))
    assert Code.NOT_SENT == done.exit_code
    assert said in " ".join(done.stderr.split())


def test_a_report_that_finds_no_room_is_named(tmp_path: Path) -> None:
    with scarce(), pytest.raises(OSError, match=r"File too large: '.*report\.xml'"):
        write(str(tmp_path / "report.xml"), "longer than that")


@pytest.mark.parametrize("option", ["--json", "--junit", "--html"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_checked(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxkit.testing.proof.prove", lambda *_: pytest.fail("it was checked"))
    for path, reason in ((tmp_path / "none" / "report", "where nothing can be written"), (tmp_path, "a directory")):
        done = run("apimart", option, str(path))
        assert Code.NOT_SENT == done.exit_code
        assert f"error: {option} is {path}, " in done.stderr
        assert reason in done.stderr


def test_a_report_may_go_to_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit.testing.proof.prove", lambda _, name, __: Proof(name))
    assert Code.DONE == run("apimart", "--junit", "/dev/null").exit_code


def test_a_file_of_deviations_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deviations.toml"
    file.write_bytes(b"[[a\xff")
    assert "are no TOML: it is no UTF-8 at byte 3.\nallowed: [[" in run("apimart", "--deviations", str(file)).stderr


def test_a_file_of_deviations_that_is_not_there_is_refused() -> None:
    done = run("apimart", "--deviations", "none.toml")
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert "The deviations in none.toml cannot be read: No such file or directory." in done.stderr


def test_without_hypothesis_nothing_is_checked_and_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    done = run("apimart")
    assert (Code.NOT_SENT, "") == (done.exit_code, done.stdout)
    assert "pip install 'fluxkit-py[testing]'" in done.stderr


# The page.


class Reader(HTMLParser):
    """What a page holds: its elements, what they are left open, the words, and the places that links lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        said = dict(attrs)
        self.ids += [str(said["id"])] if "id" in said else []
        self.links += [str(said["href"])] if "href" in said else []
        assert not {"src", "style", "onclick", "onload"} & said.keys()
        if tag not in ("meta", "wbr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words += data


def read(proofs: Sequence[Proof], failures: Sequence[str] = ()) -> Reader:
    page = page_of(proofs, failures)
    assert "url(" not in page
    assert "@import" not in page
    reader = Reader()
    reader.feed(page)
    assert [] == reader.open
    assert not {"script", "link", "img", "iframe"} & reader.tags
    assert len(reader.ids) == len(set(reader.ids))
    assert {link.removeprefix("#") for link in reader.links} <= {*reader.ids}
    return reader


KNOWN = Deviation(CHECKS[1].name, "the <vendor> is told", "2026-06-29")
FINDINGS = (
    Finding(CHECKS[0].name, Grade.FAIL, "it is <b>so</b>", "it is <b>so</b>\nand so on"),
    Finding(CHECKS[1].name, Grade.FAIL, "it is known", known=KNOWN),
    Finding(CHECKS[2].name, Grade.NOT_APPLICABLE, "there is no such thing"),
    Finding(CHECKS[3].name, Grade.PASS, known=attrs.evolve(KNOWN, check=CHECKS[3].name)),
)


def test_the_page_needs_nothing_else_and_shows_what_is_to_be_seen_to() -> None:
    proofs = [
        Proof("acme", "a plugin", APIMART, FINDINGS),
        Proof("magnific", "another", MAGNIFIC, (Finding(CHECKS[0].name, Grade.PASS),)),
        Proof("lost", trouble="It is <nowhere>."),
        Proof("fal", "a plugin", FAL, (Finding(CHECKS[1].name, Grade.FAIL, "it is known", known=KNOWN),)),
    ]
    reader = read(proofs, ["The plugin '<x>' cannot be used."])
    for said in (
        "it is <b>so</b>\nand so on",
        CHECKS[0].meaning,
        "the <vendor> is told",
        "there is no such thing",
        "2 to be seen to",
        "passes, and is recorded as a deviation",
        "It is <nowhere>.",
        "The plugin '<x>' cannot be used.",
        "apimart:flux-2-flex",
        "styling",
        "not signed",
        "fal:flux-2-proflux-2-pro/edit",
        "1 to 5",
    ):
        assert said in reader.words
    assert f"#acme-{CHECKS[0].name}" in reader.links
    standings = (
        "another1 to be",
        "a plugin2 to be seen to",
        "anotherkeeps the contract",
        "but for what is known0 pass",
    )
    assert [False, True, True, True] == [said in reader.words for said in standings]


def test_a_page_of_nothing_wrong_has_no_place_for_it() -> None:
    reader = read([Proof("acme", "a plugin", APIMART, (Finding(CHECKS[0].name, Grade.PASS),))])
    assert "To be seen to" not in reader.words
    assert "Known deviations" not in reader.words
    assert "What does not apply" not in reader.words


def test_what_a_failure_says_stands_once_on_the_terminal() -> None:
    said = "1024x768, size[1]: 760 expected, and it is 768"
    for why, details in (
        (said, f"{said}\n(check_it, line 7)"),
        (f"ContractError: {said}", f"fluxkit.errors.ContractError: {said}\n(check_it, line 7)"),
    ):
        lines = [*_lines(Finding(CHECKS[0].name, Grade.FAIL, why, details))]
        assert 2 == len(lines)
        assert lines[0].endswith(f"  {CHECKS[0].name}: {why}")
        assert "          (check_it, line 7)" == lines[1]
    assert 1 == len([*_lines(Finding(CHECKS[0].name, Grade.FAIL, said))])


def test_xml_holds_whatever_was_said() -> None:
    said = 'a <b> & "c" \x00\x1b[31m\ud800 \N{PILE OF POO}'
    (suite,) = ET.fromstring(junit_of([Proof("acme", "", APIMART, (Finding(CHECKS[0].name, Grade.FAIL, said),))], []))
    (failure,) = suite.iter("failure")
    assert 'a <b> & "c" \ufffd\ufffd[31m\ufffd \N{PILE OF POO}' == failure.get("message")


def test_a_known_failure_is_skipped_with_its_reason_and_one_that_is_gone_fails() -> None:
    (suite,) = ET.fromstring(junit_of([Proof("acme", "", APIMART, FINDINGS)], []))
    assert {"failures": "2", "errors": "0", "skipped": "2"} == {
        name: suite.get(name) for name in ("failures", "errors", "skipped")
    }
    said = [case.get("message") for case in suite.iter("skipped")]
    assert ["known since 2026-06-29: the <vendor> is told; it is known", "there is no such thing"] == said


def test_the_page_is_written_where_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxkit.testing.proof.CHECKS", CHECKS[:2])
    done = run("apimart", "--html", str(tmp_path / "report.html"))
    assert Code.DONE == done.exit_code
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
