"""The commands about settings: ``init`` writes a file to begin with, ``doctor`` shows what is in force and wrong."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click.testing
import pytest
from support.repository import SETTINGS, enter_repository
from support.scarce import scarce

import fluxkit
from fluxkit import Client, SettingsError, _plugins
from fluxkit._settings.arguments import taken_by
from fluxkit._settings.checkup import checkup
from fluxkit._settings.files import read_toml
from fluxkit._settings.found import find_settings
from fluxkit._settings.keys import KEYS
from fluxkit._settings.profile import choose
from fluxkit._settings.template import template
from fluxkit.cli.program import fluxkit as program

KEY = "mg-4f1c9e77abce0d11"
PASSWORD = "pr-77d0c1b2a3948576"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository to work in, no file of the user's, and nothing in the environment."""
    enter_repository(tmp_path, monkeypatch)
    return tmp_path


def run(*arguments: str, input: str | None = None, **env: str) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, arguments, input=input, env=env)
    assert "Traceback" not in done.stderr
    return done


def rows(found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["value"], row["source"]) for row in found["settings"]}


# Profiles of generate and plan


def test_the_default_profile_is_used_and_said() -> None:
    Path("fluxkit.toml").write_text(SETTINGS.replace('default = "hero"', 'default = "offline"'))
    done = run("generate", "a lighthouse", "-o", "x.jpg")
    assert (0, "x.jpg\n") == (done.exit_code, done.stdout)
    assert "profile offline, by fluxkit.toml, line 2: magnific:flux-2-klein" == done.stderr.splitlines()[0]


def test_a_profile_is_named_on_the_command_line_and_options_win_over_it() -> None:
    Path("fluxkit.toml").write_text(f'{SETTINGS}fit = "exact"\ndefaults = {{ aspect = "1:1" }}')

    def planned(*options: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run("plan", "a", "--profile", "offline", "--json", *options).stdout)
        return found

    found = planned()
    assert ("magnific", "flux-2-klein", "square_1_1") == (
        found["provider"],
        found["model"],
        found["body"]["aspect_ratio"],
    )
    assert "Unsupported" == planned("--size", "9x9")["error"]
    assert "flux-2-pro" == planned("-p", "magnific:flux-2-pro", "--fit", "nearest", "--size", "9x9")["model"]
    assert 0 == run("plan", "a", "--profile", "draft", "--seed", "1", "--drop", "seed").exit_code


def test_a_profile_that_asks_the_service_can_be_asked_offline_and_the_other_way_round() -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    assert run("generate", "a", "--no-fetch", "--offline").stdout.startswith("http://127.0.0.1")
    done = run("generate", "a", "--no-fetch", "--profile", "offline", "--no-offline")
    assert (2, "error: No key for magnific.") == (done.exit_code, done.stderr[:27])


def test_a_key_file_is_read_only_if_the_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    taken: dict[str, Any] = {}

    def generate(client: Client, *_: Any, **__: Any) -> None:
        taken["secret"] = client._secret._header
        raise SettingsError("enough")

    monkeypatch.setattr(fluxkit.Client, "generate", generate)
    assert "error: enough" in run("generate", "a", "--key-file", "-", input=f"{KEY}\n").stderr
    assert KEY in str(taken["secret"])
    assert "missing" not in run("generate", "a", "--key-file", "missing", "--profile", "offline").stderr


def test_what_is_refused_takes_three_lines(place: Path) -> None:
    Path("fluxkit.toml").write_text(
        f'{SETTINGS}[profiles.evil]\nprovider = "magnific:flux-2-pro"\nbase_url = "https://e.example"'
    )
    lines = run("generate", "a", "--profile", "evil", FLUXKIT_MAGNIFIC_KEY=KEY).stderr.splitlines()
    assert 2 == len(lines)
    assert lines[0].startswith(
        "error: The key in FLUXKIT_MAGNIFIC_KEY does not go to https://e.example, which profiles.evil."
    )
    assert lines[1].startswith("allowed: export FLUXKIT_MAGNIFIC_BASE_URL=https://e.example")
    Path("fluxkit.toml").write_text(f'{SETTINGS}fitt = "a"')
    for command in ("generate", "plan"):
        lines = run(command, "a", "--profile", "offline").stderr.splitlines()
        assert "error: fluxkit.toml, line 11: profiles.offline.fitt is no key, perhaps meant as fit." == lines[0]
    Path("fluxkit.toml").write_text(SETTINGS)
    assert "error: --profile: the profile is 'nobody'" in run("plan", "a", "--profile", "nobody").stderr
    assert "error: base_url is 'http://x.example'" in run("plan", "a", "--base-url", "http://x.example").stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "state/fluxkit/journal.sqlite"),
        ('journal = "off"', "off: what was bought is forgotten with the client; keep a task by its to_json()"),
        ('journal = "memory"', "off: what was bought is forgotten with the client; keep a task by its to_json()"),
        ('journal = "tasks.sqlite"', "repository/tasks.sqlite"),
        ("mock = true", "in memory: what a mock is asked for is forgotten with the client"),
        ('mock = true\njournal = "tasks.sqlite"', "in memory: what a mock is asked for is forgotten with the client"),
    ],
)
def test_doctor_says_where_it_is_noted_what_is_bought(
    settings: str, said: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    Path("fluxkit.toml").write_text(
        f'default = "hero"\n[profiles.hero]\nprovider = "magnific:flux-2-klein"\n{settings}\n'
    )
    found = json.loads(run("doctor", "--json", FLUXKIT_MAGNIFIC_KEY=KEY).stdout)["journal"]
    assert said == found.removeprefix(f"{place}/")
    assert [] == list(place.rglob("*.sqlite"))


# init


def test_init_writes_a_file_that_is_valid_and_buys_nothing(place: Path) -> None:
    done = run("init")
    assert (0, "fluxkit.toml\n") == (done.exit_code, done.stdout)
    assert "fluxkit generate" in done.stderr
    assert Client.from_settings().mocked
    settings = find_settings(Path.cwd(), os.environ)
    assert ((), ("offline", "draft", "hero")) == (settings.problems, settings.profiles)
    assert template(Client) == Path("fluxkit.toml").read_text("utf-8") == run("init", "--stdout").stdout


def test_init_leaves_no_part_of_a_file_on_a_full_disk() -> None:
    with scarce():
        done = run("init")
    assert (2, True) == (done.exit_code, "fluxkit.toml cannot be written: File too large" in done.stderr)
    assert (0, True) == (run("init").exit_code, Path("fluxkit.toml").is_file())


def test_init_never_overwrites_and_says_so(place: Path) -> None:
    Path("fluxkit.toml").write_text("mine")
    done = run("init")
    assert (2, "") == (done.exit_code, done.stdout)
    assert "error: fluxkit.toml is there already, and is left as it is." in done.stderr
    assert "mine" == Path("fluxkit.toml").read_text()
    Path("link.toml").symlink_to(place / "outside.toml")
    assert 2 == run("init", "-o", "link.toml").exit_code
    assert not (place / "outside.toml").exists()
    assert (0, "other.toml\n") == ((done := run("init", "-o", "other.toml")).exit_code, done.stdout)
    done = run("init", "-o", "missing/fluxkit.toml")
    assert (2, True) == (done.exit_code, "cannot be written: No such file or directory" in done.stderr)


def commented() -> list[str]:
    return [line for line in template(Client).splitlines() if line.startswith("#") and not line.startswith("# ")]


@pytest.mark.parametrize("line", commented())
def test_every_commented_setting_of_init_is_valid_taken_in(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fluxkit.toml").write_text(template(Client).replace(f"\n{line}\n", f"\n{line[1:]}\n"))
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    monkeypatch.setenv("FLUXKIT_WEBHOOK_SECRET", "whsec_c2VjcmV0")
    name = line[1:].partition(" ")[0]
    found = choose(find_settings(Path.cwd(), os.environ), os.environ)
    assert () == found.problems
    stack = find_settings(Path.cwd(), os.environ).stack("hero")
    assert name in {path[0] for path in stack}
    assert "magnific" == Client.from_settings("hero").provider.name


def test_all_commented_settings_of_init_are_valid_together(monkeypatch: pytest.MonkeyPatch) -> None:
    text = template(Client)
    for line in commented():
        text = text.replace(f"\n{line}\n", f"\n{line[1:]}\n")
    Path("fluxkit.toml").write_text(text)
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    monkeypatch.setenv("FLUXKIT_WEBHOOK_SECRET", "whsec_c2VjcmV0")
    assert "https://api.magnific.com" == Client.from_settings("hero").base_url
    assert "offline" == read_toml(Path("x"), text)["default"]


def test_init_offers_what_a_client_keeps_and_a_projects_file_may_hold() -> None:
    class Budgeted(Client):
        def __init__(self, provider: str | None = None, *, budget: str | None = None, **others: Any) -> None:
            super().__init__(provider, **others)

    assert '\n#budget = "5 USD"\n' in template(Budgeted)
    assert "allow_hosts" not in template(Budgeted)


# doctor


def test_doctor_shows_each_setting_with_its_source(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "user.toml").write_text(
        f'[profiles.hero]\nprovider = "magnific:flux-2-pro"\nproxy = "http://me:{PASSWORD}@proxy.example"\n'
        "timeouts = { call = 9 }"
    )
    Path("pyproject.toml").write_text('[tool.fluxkit.profiles.hero]\nfit = "exact"\ndefaults = { options = { a = 1 } }')
    Path("fluxkit.toml").write_text(SETTINGS)
    done = run("doctor", "--json", FLUXKIT_CONFIG=str(place / "user.toml"), FLUXKIT_MAGNIFIC_KEY=KEY)
    found = json.loads(done.stdout)
    assert (0, True, []) == (done.exit_code, found["usable"], found["problems"])
    assert {"name": "hero", "source": "fluxkit.toml, line 2"} == found["profile"]
    shown = rows(found)
    assert {
        "provider": ("magnific", "fluxkit.toml, line 4"),
        "model": ("flux-2-pro", "fluxkit.toml, line 4"),
        "key": ("env:FLUXKIT_MAGNIFIC_KEY, set (not shown)", "FLUXKIT_MAGNIFIC_KEY"),
        "base_url": ("https://api.magnific.com", "default"),
        "fit": ("exact", "pyproject.toml, line 2"),
        "defaults.options.a": ("1", "pyproject.toml, line 3"),
        "unsupported.seed": ("drop", "fluxkit.toml, line 5"),
        "timeouts.call": ("9", f"{place}/user.toml, line 4"),
        "proxy": ("http://<hidden>@proxy.example", f"{place}/user.toml, line 3"),
    }.items() <= shown.items()
    assert ["project", "pyproject", "user"] == [row["level"] for row in found["files"]]
    assert [["hero", "draft", "offline"], ["hero"], ["hero"]] == [row["profiles"] for row in found["files"]]
    assert {
        "FLUXKIT_MAGNIFIC_KEY": True,
        "FLUXKIT_FREEPIK_KEY": False,
        "FLUXKIT_APIMART_KEY": False,
        "FLUXKIT_BFL_KEY": False,
    } == {row["variable"]: row["set"] for row in found["keys"]}
    assert ("installed", False, "bundled") == (found["mock"], found["offline"], found["plugins"][0]["name"])
    text = run("doctor", FLUXKIT_CONFIG=str(place / "user.toml"), FLUXKIT_MAGNIFIC_KEY=KEY).stdout
    assert "The profile hero can be used." in text
    assert not any(secret in each for secret in (KEY, PASSWORD) for each in (text, done.stdout))


def test_doctor_says_where_it_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    top = Path.cwd()
    (top / "a").mkdir()
    monkeypatch.chdir(top / "a")
    done = run("doctor")
    assert 2 == done.exit_code
    assert "No profile is chosen. fluxkit init writes a file to begin with." in done.stdout
    assert "- No provider is named." in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    up_to = ["not", "there,", "and", "not", "up", "to", str(top)]
    assert ["fluxkit.toml", str(top / "a" / "fluxkit.toml"), *up_to] in lines
    assert ["user's", "file", "none", "not", "there"] in lines


def test_doctor_lists_everything_that_is_wrong_and_shows_no_secret() -> None:
    Path("fluxkit.toml").write_text(
        f'default = "nobody"\n[profiles.hero]\nprovider = "magnific:flux-2-pro"\nbase_url = "https://evil.example"\n'
        f'fitt = "close"\nmock = 7\napi_key = "{PASSWORD}"\nbudget = "5 USD"\n'
        f'[profiles.evil]\nkey = "env:HOME"\nwebhook_secret = "{PASSWORD}"\n'
    )
    done = run("doctor", "--profile", "hero", FLUXKIT_MAGNIFIC_KEY=KEY, FLUXKIT_OFFLINE="1")
    assert 2 == done.exit_code
    wrong = [line for line in done.stdout.splitlines() if line.startswith("- ")]
    named = ["hero.fitt", "hero.mock is 7", "hero.api_key", "evil.key", "evil.webhook_secret", "default is 'nobody'"]
    named += ["https://evil.example", "FLUXKIT_OFFLINE is set"]
    assert [] == [each for each in named if not any(each in line for line in wrong)]
    assert not any(secret in done.output for secret in (KEY, PASSWORD))
    assert "refused, and nothing is sent:" in done.stdout


def test_doctor_shows_what_is_wrong_with_other_profiles_too() -> None:
    Path("fluxkit.toml").write_text(f"{SETTINGS}\n[profiles.other]\nbudget = 'many'\n")
    done = run("doctor", "--profile", "offline")
    other = "wrong in other profiles, which this does not stop:\n- fluxkit.toml, line "
    assert (0, True) == (done.exit_code, other in done.stdout)
    assert "profiles.other.budget is 'many'.\n  allowed: an amount and its currency" in done.stdout
    assert 2 == run("doctor", "--profile", "other").exit_code


def test_doctor_knows_what_only_the_client_knows() -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    done = run("doctor", FLUXKIT_MAGNIFIC_KEY=f"{KEY}é")
    assert (2, True, False) == (done.exit_code, "- Wrong, unprintable key" in done.stdout, KEY in done.output)


def test_doctor_of_a_mocked_profile_says_that_nothing_is_bought() -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    done = run("doctor", "--profile", "offline", FLUXKIT_OFFLINE="1")
    assert 0 == done.exit_code
    assert "The profile offline can be used, and nothing is bought: a mock answers." in done.stdout
    assert ("not needed, a mock answers", "default") == rows(
        json.loads(run("doctor", "--profile", "offline", "--json").stdout)
    )["key"]


def test_doctor_says_that_a_mock_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    monkeypatch.setattr("fluxkit._mock._found", lambda: None)
    done = run("doctor", "--profile", "offline")
    assert (2, True) == (done.exit_code, "- No mock server is installed. Install it: pip install" in done.stdout)


def test_doctor_names_plugins_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise ImportError("no module named acme")

    class Lazy:
        @staticmethod
        @fluxkit.hookimpl
        def fluxkit_providers() -> dict[str, str]:
            return {"late": "nowhere:NOTHING"}

    plugins = [_plugins.Plugin("acme", broken), _plugins.Plugin("lazy", lambda: Lazy)]
    registry = _plugins.Registry([*_plugins._discovered(), *plugins])
    monkeypatch.setattr(_plugins, "installed", lambda: registry)
    Path("fluxkit.toml").write_text(SETTINGS)
    done = run("doctor", "--profile", "offline")
    assert 0 == done.exit_code
    assert (
        "cannot be used: The plugin 'acme' (in memory) cannot be imported: ImportError: no module named acme"
        in done.stdout
    )
    assert "cannot be used: The plugin 'lazy' (in memory) says that 'late' is 'nowhere:NOTHING'" in done.stdout


def test_doctor_knows_literal_keys_and_unset_variables(place: Path) -> None:
    user = place / "user.toml"
    user.write_text(f'[profiles.hero]\nprovider = "magnific:flux-2-pro"\nkey = "{KEY}"')
    found = json.loads(run("doctor", "--profile", "hero", "--json", FLUXKIT_CONFIG=str(user)).stdout)
    assert (True, "set (not shown)") == (found["usable"], rows(found)["key"][0])
    user.write_text('[profiles.hero]\nprovider = "magnific:flux-2-pro"\nkey = "env:MINE"')
    found = json.loads(run("doctor", "--profile", "hero", "--json", FLUXKIT_CONFIG=str(user)).stdout)
    assert (False, "env:MINE, not set") == (found["usable"], rows(found)["key"][0])


def test_a_checkup_without_a_directory_looks_nowhere() -> None:
    settings = find_settings(None, os.environ)
    found = checkup(settings, choose(settings, {}), Client, None, {"FLUXKIT_CONFIG": os.devnull})
    assert [None, None, None] == [row["path"] for row in found["files"]]


def test_doctor_shows_every_key_that_a_client_keeps_and_those_alone() -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    shown = {
        name.partition(".")[0] for name in rows(json.loads(run("doctor", "--profile", "offline", "--json").stdout))
    }
    taken = taken_by(Client)
    assert {key.name for key in KEYS.values() if key.argument is None or key.argument in taken} == shown
