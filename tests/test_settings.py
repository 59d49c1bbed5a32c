"""Settings: where they are found, which of them hold, what they become, and what is refused by name."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.repository import SETTINGS, enter_repository

import fluxkit
from fluxkit import AsyncClient, Client, SettingsError
from fluxkit._asked import DEFAULTABLE, RIVALS
from fluxkit._contract.size import RESOLUTIONS
from fluxkit._settings import files
from fluxkit._settings.arguments import client_arguments, not_kept, spoken, taken_by, usable
from fluxkit._settings.document import Document, read_document
from fluxkit._settings.files import Found, lines_of
from fluxkit._settings.found import Settings, find_settings
from fluxkit._settings.keys import KEYS
from fluxkit._settings.profile import choose
from fluxkit._settings.source import Level, Setting, Source, Stack, layer, merged, strongest
from fluxkit._wire.draft import WISHES
from fluxkit_mockserver import MockService
from fluxkit_providers.magnific import MAGNIFIC

KEY = "mg-4f1c9e77abce0d11"
HERO = '[profiles.hero]\nprovider = "magnific:flux-2-klein"\n'


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository to work in, no file of the user's, and nothing in the environment."""
    (tmp_path / "user.toml").touch()
    enter_repository(tmp_path, monkeypatch, user=tmp_path / "user.toml")
    return tmp_path


def refusal(profile: str | None = None, **arguments: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        Client.from_settings(profile, **arguments)
    return " ".join([caught.value.message, *getattr(caught.value, "__notes__", [])])


def arguments_of(profile: str | None = None, **arguments: Any) -> dict[str, Any]:
    """What a client would get, without its key."""
    stack, others = spoken(arguments, lambda name: Source(Level.ARGUMENT, name))
    chosen = None if profile is None else Setting(profile, Source(Level.ARGUMENT, "profile"))
    found = choose(find_settings(Path.cwd(), os.environ), os.environ, profile=chosen, given=[stack])
    assert () == found.problems
    return {**client_arguments(found, {}, keyless=True), **others}


# From a file to a client


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_made_of_the_default_profile_or_of_one_that_is_named(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    monkeypatch.setenv("FLUXKIT_APIMART_KEY", KEY)
    expected = {None: ("magnific", "flux-2-pro", False), "draft": ("apimart", "flux-2-flex", False)}
    expected["offline"] = ("magnific", "flux-2-klein", True)
    made = {name: kind.from_settings(name) for name in expected}
    assert expected == {name: (each.provider.name, each.model, each.mocked) for name, each in made.items()}
    assert {kind} == {type(each) for each in made.values()}
    assert {"seed": "drop"} == made[None]._unsupported
    assert KEY not in repr(made) + repr([vars(each) for each in made.values()])


def test_an_argument_wins_over_the_settings_and_what_no_file_may_hold_goes_through() -> None:
    Path("fluxkit.toml").write_text(f'{SETTINGS}timeouts = {{ total = 200, call = 20 }}\nfit = "exact"')
    mock = MockService([MAGNIFIC])
    client = Client.from_settings("offline", timeout=20, mock=mock, spool="here", listener=print)
    assert (20.0, 20.0, "exact", mock) == (client._timeout, client._patience, client._fit, client._mock)
    assert (Path("here"), print) == (client._spool, client._listener)


def test_every_key_becomes_the_argument_of_its_name() -> None:
    text = """provider = "magnific"\nmodel = "flux-2-klein"\nbase_url = "https://gateway.example"\nfit = "nearest"
    unsupported = "refuse"\nproxy = "proxy.example:3128"\ninsecure_http = true\nwebhook_url = "https://hooks.example/x"
    defaults = { resolution = "2k", options = { a = 1 } }\ntimeouts = { call = 7 }\nprice = "0.03 USD"
    journal = "off"\nidempotency = "off"\nmock = false"""
    Path("fluxkit.toml").write_text(f"[profiles.hero]\n{text}")
    assert {
        "provider": "magnific:flux-2-klein",
        "base_url": "https://gateway.example",
        "fit": "nearest",
        "unsupported": dict.fromkeys(WISHES, "refuse"),
        "proxy": "proxy.example:3128",
        "insecure_http": True,
        "defaults": {"resolution": "2k", "options": {"a": 1}, "webhook_url": "https://hooks.example/x"},
        "patience": 7,
        "price": "0.03 USD",
        "journal": "off",
        "mock": False,
    } == arguments_of("hero")


def test_defaults_of_an_argument_are_over_those_of_the_profile_entry_by_entry() -> None:
    Path("fluxkit.toml").write_text(f'{HERO}defaults = {{ aspect = "16:9", seed = 7 }}')
    given = {"size": "1024x1024", "webhook_url": "https://hooks.example/x"}
    assert {**given, "seed": 7} == arguments_of("hero", defaults=given)["defaults"]


def test_the_defaults_of_a_profile_reach_the_request() -> None:
    Path("fluxkit.toml").write_text(
        f'{HERO}mock = true\ndefaults = {{ aspect = "16:9", seed = 7 }}\nwebhook_url = "https://hooks.example/x"'
    )
    body = Client.from_settings("hero").plan("a lighthouse", seed=8).body
    assert ("widescreen_16_9", 8, "https://hooks.example/x") == (
        body["aspect_ratio"],
        body["seed"],
        body["webhook_url"],
    )


def test_without_any_file_arguments_and_environment_make_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No provider is named" in refusal()
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    assert "flux-2-pro" == Client.from_settings(provider="magnific:flux-2-pro").model


@pytest.mark.slow
def test_a_client_of_explicit_arguments_reads_no_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fluxkit.toml").write_text("no TOML")
    monkeypatch.setattr(files, "read_text", None)
    assert Client("magnific:flux-2-klein", mock=True).generate("a", fetch=False).mocked
    code = (
        "import sys, fluxkit; fluxkit.Client('magnific:flux-2-klein', mock=True).plan('a');"
        "print([name for name in sys.modules if name == 'tomllib' or name.startswith('fluxkit._settings')])"
    )
    assert (
        "[]" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    )


def test_the_environment_says_where_a_service_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", "http://127.0.0.1:4010/magnific")
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    for client in (Client("magnific:flux-2-klein"), Client.from_settings(provider="magnific:flux-2-klein")):
        assert "http://127.0.0.1:4010/magnific" == client.base_url
    with pytest.raises(SettingsError, match="FLUXKIT_MAGNIFIC_BASE_URL names: an argument is trusted more") as caught:
        Client("magnific:flux-2-klein", key=KEY)
    assert KEY not in str(caught.value)
    assert "https://a.example" == Client("magnific:flux-2-klein", key=KEY, base_url="https://a.example").base_url
    assert "http://127.0.0.1/magnific" == Client("magnific:flux-2-klein", mock=True).base_url
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", "https://api.magnific.com/")
    assert "https://api.magnific.com" == Client("magnific:flux-2-klein", key=KEY).base_url


# Which profile


def test_a_profile_is_chosen_by_argument_then_by_variable_then_by_default(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a", "b", "c", "d", "e")
    profiles = "".join(f'[profiles.{name}]\nprovider = "magnific:flux-2-klein"\nmock = true\n' for name in names)
    (place / "user.toml").write_text(f'default = "d"\n{profiles}')
    Path("pyproject.toml").write_text('[tool.fluxkit]\ndefault = "c"\n')
    Path("fluxkit.toml").write_text('default = "b"\n')
    monkeypatch.setenv("FLUXKIT_PROFILE", "a")
    settings = find_settings(Path.cwd(), os.environ)
    named = Setting("e", Source(Level.ARGUMENT, "profile"))
    assert "e" == choose(settings, os.environ, profile=named).chosen.value  # type: ignore[union-attr]
    found = []
    for step in (
        lambda: monkeypatch.delenv("FLUXKIT_PROFILE"),
        Path("fluxkit.toml").unlink,
        Path("pyproject.toml").unlink,
    ):
        chosen = choose(find_settings(Path.cwd(), os.environ), os.environ).chosen
        assert chosen is not None
        found.append((chosen.value, str(chosen.source)))
        step()
    chosen = choose(find_settings(Path.cwd(), os.environ), os.environ).chosen
    assert chosen is not None
    assert [("a", "FLUXKIT_PROFILE"), ("b", "fluxkit.toml, line 1"), ("c", "pyproject.toml, line 2")] == found
    assert ("d", f"{place}/user.toml, line 1") == (chosen.value, str(chosen.source))


def test_a_profile_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    said = refusal("herr")
    assert "the argument profile: the profile is 'herr', which is no profile, perhaps meant as 'hero'" in said
    assert "Allowed: hero, draft, offline" in said
    monkeypatch.setenv("FLUXKIT_PROFILE", "nobody")
    assert "FLUXKIT_PROFILE: the profile is 'nobody', which is no profile. Allowed: hero" in refusal()
    monkeypatch.delenv("FLUXKIT_PROFILE")
    Path("fluxkit.toml").write_text(SETTINGS.replace('default = "hero"', 'default = "none"'))
    assert "fluxkit.toml, line 2: default is 'none', which is no profile" in refusal()
    assert "default is 'none'" in refusal("draft")
    Path("fluxkit.toml").write_text(SETTINGS.replace('default = "hero"', ""))
    assert "No profile is chosen. Allowed: hero, draft, offline; " in refusal()
    Path("fluxkit.toml").write_text("[profiles.bare]")
    assert "The profile 'bare' names no provider" in refusal("bare")
    for wrong in ("", 7):
        assert f"profile is {wrong!r}" in refusal(wrong)  # type: ignore[arg-type]


# Where files are


def test_files_are_looked_for_up_to_the_top_of_the_repository_and_not_above(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = place / "repository"
    (place / "fluxkit.toml").write_text("no TOML")
    (place / "pyproject.toml").write_text("no TOML")
    deep = top / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert [] == list(files.project_files(deep))
    (top / "fluxkit.toml").write_text("")
    (top / "pyproject.toml").write_text("[tool.fluxkit]")
    (deep / "pyproject.toml").write_text("[tool.other]")  # a package of a larger project
    assert [top / "fluxkit.toml", top / "pyproject.toml"] == [found.path for found in files.project_files(deep)]
    (top / "a" / "fluxkit.toml").write_text("")
    assert top / "a" / "fluxkit.toml" == next(files.project_files(deep)).path
    (top / ".git").rmdir()
    assert [deep] == files.project_folders(deep)
    (top / ".git").write_text("gitdir: elsewhere")  # as in a work tree
    assert [deep, top / "a", top] == files.project_folders(deep)


def test_the_users_file_is_the_usual_one_another_one_or_none(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    assert [] == list(files.own_file(os.environ))
    monkeypatch.setenv("FLUXKIT_CONFIG", str(place / "missing.toml"))
    assert f"FLUXKIT_CONFIG names {place / 'missing.toml'}, which is not there" in refusal(
        provider="magnific:flux-2-pro"
    )
    monkeypatch.delenv("FLUXKIT_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.setenv("HOME", str(place))
    path = files.user_file(os.environ)
    assert path is not None
    assert ("fluxkit", "fluxkit.toml") == path.parts[-2:]
    assert [] == list(files.own_file(os.environ))
    path.parent.mkdir(parents=True)
    (place / "elsewhere.toml").write_text(f"{HERO}mock = true")
    path.symlink_to(place / "elsewhere.toml")  # as those who keep their files in one place do it
    assert Client.from_settings("hero").mocked


def test_a_directory_that_is_gone_has_no_files(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "user.toml").write_text(f"{HERO}mock = true")
    gone = place / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Client.from_settings("hero").mocked


def test_what_is_no_file_that_can_be_read_is_named_and_ends_at_once(place: Path) -> None:
    path = Path("fluxkit.toml")

    def said() -> str:
        error = refusal(provider="magnific:flux-2-pro")
        assert str(path.absolute()) in error
        path.unlink() if not path.is_dir() else path.rmdir()
        return error

    (place / "other.toml").write_text(SETTINGS)
    path.symlink_to(place / "other.toml")
    assert "is a symbolic link" in said()
    path.symlink_to(place / "nothing")
    assert "is a symbolic link" in said()
    os.mkfifo(path)
    assert "is no regular file" in said()
    path.mkdir()
    assert "is no regular file" in said()
    path.write_bytes(b"#" * 1_000_001)
    assert "is larger than 1 MB" in said()
    path.write_bytes(b'default = "\xff"')
    assert "is no UTF-8 at byte 11" in said()
    path.write_text('default = "hero"\nkey = sk-secret-4711\n')
    error = said()
    assert "is no TOML: Invalid value (at line 2, column 7)" in error
    assert "4711" not in error
    path.write_text(f"n = {'1' * 5000}")
    assert "is no TOML: a number in it has more than 4300 digits" in said()
    path.write_text(f"n = {'[' * 100_000}")
    assert "is no TOML: it nests too deeply" in said()


def test_a_file_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fluxkit.toml").write_text(SETTINGS)

    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SettingsError, match=r"fluxkit\.toml cannot be read: Permission denied"):
        next(files.project_files(Path.cwd()))


def test_a_file_that_was_replaced_by_a_link_after_it_was_looked_at_is_not_followed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("fluxkit.toml").symlink_to(place / "user.toml")
    monkeypatch.setattr(Path, "lstat", Path.stat)
    assert "cannot be read" in refusal()


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    Path("fluxkit.toml").write_bytes(b"\xef\xbb\xbf" + f"{HERO}mock = true".encode())
    assert Client.from_settings("hero").mocked


@pytest.mark.parametrize("text", ["tool = 7", "[tool]\nfluxkit = 7", "[tool.fluxkit]\nprofiles = 7"])
def test_a_pyproject_of_another_form_is_none_of_ours_or_named(text: str) -> None:
    Path("pyproject.toml").write_text(text)
    said = refusal()
    assert ("No provider is named" in said) == (text == "tool = 7")
    assert "pyproject.toml" in said or text == "tool = 7"


def test_lines_are_those_of_the_entries_or_none() -> None:
    text = 'default = "x"\na b = 1\n[profiles.hero]  # first\nfit = "close"\n'
    text += '[profiles."a.b"]\n "fit"= 1\nprice.1K = "x"\n] = [\n'
    expected = {
        ("default",): 1,
        ("profiles", "hero"): 3,
        ("profiles", "hero", "fit"): 4,
        ("profiles", "a.b"): 5,
        ("profiles", "a.b", "fit"): 6,
        ("profiles", "a.b", "price", "1K"): 7,
    }
    assert expected == {entry: line for entry, line in lines_of(text).items() if "" not in entry}
    assert {(): 3, ("fit",): 4} == lines_of("[a]\nfit = 1\n[tool.fluxkit]\nfit = 1", ("tool", "fluxkit"))
    assert {} == lines_of('x = """\n[profiles.hero]\n"""')
    found = Found(Path("x"), Level.USER, {}, expected)
    assert (4, 3, None) == (
        found.line("profiles", "hero", "fit", "z"),
        found.line("profiles", "hero", "key"),
        found.line("x"),
    )


# What is refused by name


WRONG: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "an unknown key": ('fitt = "close"', ("profiles.hero.fitt is no key, perhaps meant as fit", "provider, model")),
    "a provider that is a number": ("provider = 7", ("profiles.hero.provider is 7", "provider:model")),
    "a provider of capitals": ('provider = "Magnific"', ("profiles.hero.provider is 'Magnific'",)),
    "two models": ('provider = "a:b"\nmodel = "c"', ("profiles.hero.model stands beside a provider that names one",)),
    "a blank model": ('model = ""', ("profiles.hero.model is ''",)),
    "a fit": ('fit = "loose"', ("profiles.hero.fit is 'loose'", '"close" or "exact" or "nearest"')),
    "a mock": ('mock = "yes"', ("profiles.hero.mock is 'yes'", "true or false")),
    "a wish": ('unsupported = { prompt = "drop" }', ("profiles.hero.unsupported.prompt is 'drop'", "seed")),
    "a remedy": (
        'unsupported = { seed = "maybe" }',
        ("profiles.hero.unsupported.seed is 'maybe'", '"drop" or "refuse"'),
    ),
    "all wishes dropped": ('unsupported = "drop"', ("profiles.hero.unsupported is 'drop'",)),
    "a price without a currency": ('price = "0.03"', ("profiles.hero.price is '0.03'", "0.03 USD")),
    "a price that is a number": ("price = { 1K = 0.03 }", ("profiles.hero.price.1K is 0.03",)),
    "a price of another size": ('price = { 4K = "1 USD" }', ("profiles.hero.price.4K is '1 USD'", "1K and for 2K")),
    "a budget": ('budget = "much"', ("profiles.hero.budget is 'much'", "5 USD")),
    "an idempotency": ('idempotency = "on"', ("profiles.hero.idempotency is 'on'",)),
    "a journal": ("journal = true", ("profiles.hero.journal is True",)),
    "a total": ("timeouts = { total = 0 }", ("profiles.hero.timeouts.total is 0", "seconds")),
    "an endless call": ("timeouts = { call = inf }", ("profiles.hero.timeouts.call is inf",)),
    "another time": ("timeouts = { poll = 3 }", ("profiles.hero.timeouts.poll is 3", "total = 300")),
    "one timeout": ("timeouts = 3", ("profiles.hero.timeouts is 3",)),
    "a default prompt": ('defaults = { prompt = "a" }', ("profiles.hero.defaults.prompt is 'a'", "aspect")),
    "a default webhook": (
        'defaults = { webhook_url = "https://x.example" }',
        ("profiles.hero.defaults.webhook_url", "webhook_url stands beside it"),
    ),
    "a default aspect": ('defaults = { aspect = "wide" }', ("profiles.hero.defaults.aspect is 'wide'", "16:9")),
    "two default sizes": ('defaults = { size = "1x1", aspect = "1:1" }', ("profiles.hero.defaults.size",)),
    "one default": ('defaults = "16:9"', ("profiles.hero.defaults is '16:9'",)),
    "a webhook": ('webhook_url = "hooks"', ("profiles.hero.webhook_url is 'hooks'",)),
    "a proxy": ('proxy = "http://"', ("profiles.hero.proxy cannot be used",)),
    "a proxy that is a number": ("proxy = 3128", ("profiles.hero.proxy is 3128",)),
    "an address": ('base_url = "api.example"', ("profiles.hero.base_url is 'api.example'", "https://")),
    "an address that is a number": ("base_url = 7", ("profiles.hero.base_url is 7",)),
    "plain http": ("insecure_http = 1", ("profiles.hero.insecure_http is 1",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_with_file_line_key_value_and_what_is_allowed(name: str) -> None:
    text, named = WRONG[name]
    Path("fluxkit.toml").write_text(f"[profiles.hero]\n{text}")
    said = refusal("hero", provider="magnific:flux-2-pro")
    assert said.startswith(f"fluxkit.toml, line {2 + text.count(chr(10))}: ")
    assert [] == [each for each in (*named, "Allowed: ") if each not in said]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("defualt = 'a'", "defualt is no key, perhaps meant as default. Allowed: default, profiles"),
        ("default = 7", "default is 7. Allowed: the name of a profile"),
        ("profiles = 7", "profiles is 7. Allowed: tables"),
        ("default = 'hero'\n[profiles]\nhero = 7", "profiles.hero is no profile"),
    ],
)
def test_a_wrong_file_is_named(text: str, named: str) -> None:
    Path("fluxkit.toml").write_text(text)
    said = refusal()
    assert said.startswith("fluxkit.toml, line ")
    assert named in said


def test_hosts_are_a_list_of_the_user_alone(place: Path) -> None:
    (place / "user.toml").write_text(f'{HERO}allow_hosts = ["images.internal"]')
    assert {"allow_hosts": ("images.internal",)}.items() <= arguments_of("hero").items()
    (place / "user.toml").write_text(f'{HERO}allow_hosts = "images.internal"')
    assert "profiles.hero.allow_hosts is 'images.internal'" in refusal("hero")
    (place / "user.toml").write_text(f'{HERO}allow_hosts = ["images.internal:8080"]')
    assert "profiles.hero.allow_hosts holds 'images.internal:8080'" in refusal("hero")


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.png", "http://[fd00::1]:8080/a.png", "https://images.local/a"])
def test_the_line_that_would_let_a_private_host_pass_is_one_of_the_users_file(url: str, place: Path) -> None:
    request = fluxkit.Request("a fox", references=[url])
    with pytest.raises(fluxkit.Unsupported, match="in the user's own file: allow_hosts") as caught:
        fluxkit.Client("magnific:flux-2-klein", key="k").plan(request)
    (place / "user.toml").write_text(HERO + str(caught.value.setting))
    client = fluxkit.Client.from_settings("hero", provider="magnific:flux-2-klein", key="k")
    assert (request,) == (client.plan(request).request,)


def test_all_that_is_wrong_is_counted() -> None:
    Path("fluxkit.toml").write_text(f"{HERO}fit = 1\nmock = 2\n[profiles.b]\nx = 1")
    assert "(And 2 more: fluxkit doctor shows all that is wrong.)" in refusal("hero")  # the second is the missing key


@pytest.mark.parametrize("wrong", ["[profiles.b]\nbudget = 'many'", "[profiles.b]\nx = 1", "[profiles]\n'a b' = 7"])
def test_what_is_wrong_with_a_profile_stops_no_other(wrong: str, place: Path) -> None:
    (place / "user.toml").write_text(f'{HERO}mock = true\n[profiles.b]\nbudget = "5 USD"')
    Path("fluxkit.toml").write_text(wrong)
    assert Client.from_settings("hero").mocked
    assert Client("magnific:flux-2-klein", mock=True).mocked
    name = "a b" if "a b" in wrong else "b"
    assert refusal(name).startswith("fluxkit.toml, line 2: profiles.")


def test_a_wrong_argument_is_named() -> None:
    Path("fluxkit.toml").write_text(SETTINGS)
    assert "provider is 7" in refusal("offline", provider=7)
    assert "mock is None" in refusal("offline", mock=None)
    assert "unsupported is ['seed']" in refusal("offline", unsupported=["seed"])
    assert "timeout is 0" in refusal("offline", timeout=0)
    assert (300.0, "close") == ((found := Client.from_settings("offline", timeout=None, fit=None))._timeout, found._fit)
    assert "key" in refusal("hero", key=7)
    assert "base_url is 7" in refusal("hero", base_url=7, key="k")
    assert "defaults is 7" in refusal("offline", defaults=7)
    assert "defaults.n is 2" in refusal("offline", defaults={"n": 2})
    assert "webhook_url is 'x'" in refusal("offline", defaults={"webhook_url": "x"})
    with pytest.raises(TypeError, match="colour"):
        Client.from_settings("offline", colour="red")


def test_the_provider_of_a_profile_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_NO_PLUGINS", "1")
    Path("fluxkit.toml").write_text(f'{HERO}[profiles.b]\nprovider = "acme:x"')
    with pytest.raises(fluxkit.FluxError, match="There is no provider 'acme'"):
        Client.from_settings("b")
    assert "No key for magnific. Give key=..., or set FLUXKIT_MAGNIFIC_KEY" in refusal("hero")


# Nothing is silently ignored


class Bare:
    """A client that has none of the arguments that later versions have."""

    def __init__(self, provider: str | None = None) -> None:
        self.provider = provider


class Full(Client):
    """A client that has all of them."""

    def __init__(
        self,
        provider: str | None = None,
        *,
        price: Any = None,
        budget: Any = None,
        webhook_secret: Any = None,
        journal: Any = None,
        idempotency: Any = None,
        allow_hosts: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(provider, **others)
        self.taken = (price, budget, webhook_secret, journal, idempotency, allow_hosts)


LATER = """price = { 1K = "0.03 USD" }
budget = "5 USD"
webhook_secret = "env:FLUXKIT_HOOKS"
journal = "tasks.db"
idempotency = "trust"
"""


def test_what_a_client_has_no_argument_for_is_refused_unless_it_asks_for_nothing() -> None:
    Path("fluxkit.toml").write_text(HERO + LATER)
    named = Setting("hero", Source(Level.OPTION, "--profile"))
    found = choose(find_settings(Path.cwd(), os.environ), os.environ, profile=named)
    assert ["price", "budget", "webhook_secret", "journal", "idempotency"] == [
        error.message.split()[3] for error in not_kept(found, Bare)
    ]
    Path("fluxkit.toml").write_text(f'{HERO}idempotency = "off"\n')
    found = choose(find_settings(Path.cwd(), os.environ), os.environ, profile=named)
    assert [] == list(not_kept(found, Bare))


def test_the_arguments_of_a_client_are_also_those_that_it_passes_on() -> None:
    class Open:
        def __init__(self, provider: str, **others: Any) -> None: ...

    assert {"budget", "provider", "mock"} <= taken_by(Full)
    assert "budget" not in taken_by(Open)


def test_what_a_client_has_an_argument_for_is_passed_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "user.toml").write_text(f'{HERO}mock = true\nallow_hosts = ["a.example", "b.example"]')
    Path("fluxkit.toml").write_text("[profiles.hero]\n" + LATER)
    with pytest.raises(SettingsError, match="webhook_secret is 'env:FLUXKIT_HOOKS', and that variable is not set"):
        Full.from_settings("hero")
    monkeypatch.setenv("FLUXKIT_HOOKS", "whsec_1")
    expected = ({"1K": "0.03 USD"}, "5 USD", "whsec_1", "tasks.db", "trust", ("a.example", "b.example"))
    assert expected == Full.from_settings("hero").taken


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_secret_of_webhooks_is_read_from_its_variable_and_a_mock_brings_its_own(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("FLUXKIT_WEBHOOK_SECRET", secret)
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    Path("fluxkit.toml").write_text(f'{HERO}webhook_secret = "env:FLUXKIT_WEBHOOK_SECRET"\n')
    client = kind.from_settings("hero")
    assert secret == client._webhook_secret
    assert secret not in repr(client)
    mocked = kind.from_settings("hero", mock=True)
    assert mocked._mock.webhook_secret == mocked._webhook_secret != secret


def test_what_is_bound_to_a_provider_or_a_model_says_nothing_of_another() -> None:
    Path("fluxkit.toml").write_text(f'{HERO}base_url = "https://a.example"\nprice = "1 USD"\nfit = "exact"')
    alone = arguments_of("hero")
    other_model = arguments_of("hero", provider="magnific:flux-2-pro")
    other = arguments_of("hero", provider="apimart:flux-2-pro")
    assert ["https://a.example", "https://a.example", None] == [
        each.get("base_url") for each in (alone, other_model, other)
    ]
    assert ["1 USD", None, None] == [each.get("price") for each in (alone, other_model, other)]
    assert {"exact"} == {each["fit"] for each in (alone, other_model, other)}


# Laws

LEVELS = [Level.USER, Level.PYPROJECT, Level.PROJECT]
VALUES: Mapping[tuple[str, ...], Any] = {
    ("fit",): st.sampled_from(["close", "exact", "nearest"]),
    ("mock",): st.booleans(),
    ("model",): st.sampled_from(["flux-2-klein", "flux-2-pro"]),
    ("proxy",): st.integers(1, 9).map(lambda port: f"http://proxy.example:{port}"),
    ("webhook_url",): st.integers(1, 9).map(lambda number: f"https://hooks.example/{number}"),
    ("unsupported", "seed"): st.sampled_from(["drop", "refuse"]),
    ("unsupported", "enhance_prompt"): st.sampled_from(["drop", "refuse"]),
    ("timeouts", "total"): st.integers(1, 500),
    ("timeouts", "call"): st.integers(1, 500),
    ("defaults", "seed"): st.integers(0, 99),
    ("defaults", "options", "a"): st.integers(0, 99),
    ("price", "1K"): st.integers(1, 9).map(lambda amount: f"{amount} USD"),
}


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return value  # type: ignore[no-any-return]


def document(level: Level, table: Mapping[str, Any]) -> Document:
    name = level.name.lower()
    return read_document(Found(Path(name), level, {"profiles": {"hero": table}}, {}), None)


def settings_of(tables: Mapping[Level, Mapping[str, Any]]) -> Settings:
    return Settings(tuple(document(level, tables[level]) for level in sorted(tables, reverse=True)), ())


@given(data=st.data(), path=st.sampled_from(list(VALUES)))
def test_the_highest_place_wins_and_is_named_and_without_it_the_next(
    data: st.DataObject, path: tuple[str, ...]
) -> None:
    places = data.draw(st.sets(st.sampled_from([*LEVELS, Level.OPTION, Level.ARGUMENT]), min_size=1))
    values = {level: data.draw(VALUES[path]) for level in sorted(places, reverse=True)}
    named = Setting("hero", Source(Level.ARGUMENT, "profile"))
    for dropped in range(len(values)):
        left = dict(list(values.items())[dropped:])
        tables = {level: nested(path, left[level]) for level in left if level in LEVELS}
        given = [
            layer({path: left[level]}, Source(level, level.name.lower()))
            for level in (Level.ARGUMENT, Level.OPTION)
            if level in left
        ]
        settings = settings_of({Level.USER: {}, **tables})
        found = choose(settings, {}, profile=named, given=given).setting(*path)
        highest = max(left)
        assert found is not None
        assert (left[highest], highest, highest.name.lower()) == (found.value, found.source.level, found.source.name)


@given(user=st.booleans(), environment=st.booleans(), argument=st.booleans())
def test_the_environment_is_above_the_files_and_below_the_arguments(
    user: bool, environment: bool, argument: bool
) -> None:
    name = "FLUXKIT_MAGNIFIC_BASE_URL"
    table = {"provider": "magnific:flux-2-pro", **({"base_url": "https://user.example"} if user else {})}
    environ = {name: "https://environment.example"} if environment else {}
    given = (
        layer({("base_url",): "https://argument.example"}, Source(Level.ARGUMENT, "an argument")) if argument else {}
    )
    named = Setting("hero", Source(Level.ARGUMENT, "profile"))
    found = choose(settings_of({Level.USER: table}), environ, profile=named, given=[given]).setting("base_url")
    expected = (
        ("https://argument.example", "an argument")
        if argument
        else ("https://environment.example", name)
        if environment
        else ("https://user.example", "user")
        if user
        else None
    )
    assert expected == (None if found is None else (found.value, str(found.source)))


PRICES = st.one_of(
    st.integers(1, 9).map(lambda amount: f"{amount} USD"),
    st.dictionaries(st.sampled_from(list(RESOLUTIONS)), st.integers(1, 9).map(lambda amount: f"{amount} USD")),
)
SIZES = st.one_of(
    st.fixed_dictionaries({"size": st.sampled_from(["64x64", "128x128"])}),
    st.fixed_dictionaries(
        {}, optional={"aspect": st.sampled_from(["1:1", "4:5"]), "resolution": st.sampled_from(["1K", "2K"])}
    ),
)
MORE = st.fixed_dictionaries(
    {}, optional={"seed": st.integers(0, 9), "options": st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))}
)
REFUSALS = st.one_of(st.just("refuse"), st.dictionaries(st.sampled_from(WISHES), st.sampled_from(["drop", "refuse"])))
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "price": PRICES,
        "defaults": st.builds(lambda sizes, more: {**sizes, **more}, SIZES, MORE),
        "unsupported": REFUSALS,
        "fit": st.sampled_from(["close", "exact"]),
    },
)


def stack_of(table: Mapping[str, Any], name: str) -> Stack:
    made = read_document(Found(Path(name), Level.USER, {"profiles": {"hero": table}}, {}), None)
    assert () == made.problems
    return made.stacks["hero"]


def laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What two tables make together, by the words of the page and not by those of the code."""
    whole = {**below, **{name: each for name, each in above.items() if name == "fit"}}
    if (price := above.get("price")) is not None:
        mixed = isinstance(price, dict) and isinstance(below.get("price"), dict)
        whole["price"] = {**below["price"], **price} if mixed else price
    if (unsupported := above.get("unsupported")) is not None:
        each = dict.fromkeys(WISHES, "refuse") if unsupported == "refuse" else unsupported
        whole["unsupported"] = {**below.get("unsupported", {}), **each}
    if (defaults := above.get("defaults")) is not None:
        kept = {
            field: value
            for field, value in below.get("defaults", {}).items()
            if not any(field in RIVALS.get(given, ()) for given in defaults)
        }
        options = {**kept.pop("options", {}), **defaults.get("options", {})}
        whole["defaults"] = {**kept, **defaults, **({"options": options} if options else {})}
    return whole


@given(tables=st.lists(TABLES, min_size=1, max_size=4))
def test_merging_is_what_the_page_says(tables: list[dict[str, Any]]) -> None:
    stack = merged([stack_of(table, str(number)) for number, table in enumerate(tables)])
    found = choose(Settings((), ()), {}, given=[stack])
    expected: dict[str, Any] = {}
    for table in reversed(tables):
        expected = laid_over(expected, table)
    if expected.get("defaults", {}).get("options") == {}:
        del expected["defaults"]["options"]
    held = client_arguments(found, {})
    assert {name: value for name, value in expected.items() if value != {}} == {
        name: value for name, value in held.items() if name != "provider"
    }


@given(tables=st.lists(TABLES, min_size=3, max_size=3))
def test_merging_is_associative(tables: list[dict[str, Any]]) -> None:
    a, b, c = (stack_of(table, name) for table, name in zip(tables, "abc", strict=True))
    assert merged([a, merged([b, c])]) == merged([merged([a, b]), c]) == merged([a, b, c])
    assert merged([{}, a]) == merged([a, {}]) == a


ANYTHING = st.recursive(
    st.one_of(
        st.text(),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.dates(),
        st.sampled_from(list(KEYS)),
        st.just("env:HOME"),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.one_of(st.text(), st.sampled_from([*KEYS, *DEFAULTABLE, *RESOLUTIONS])), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(
    table=st.dictionaries(st.one_of(st.text(), st.sampled_from(["default", "profiles"])), ANYTHING, max_size=3),
    profile=st.dictionaries(st.one_of(st.text(), st.sampled_from(list(KEYS))), ANYTHING, max_size=5),
)
def test_whatever_a_file_holds_it_is_read_or_named(table: dict[str, Any], profile: dict[str, Any]) -> None:
    made = read_document(Found(Path("x"), Level.PROJECT, {"profiles": {"a": profile}, **table}, {}), None)
    flaws = (flaw for wrong in made.flaws.values() for flaw in wrong)
    assert all(isinstance(problem, str) and "Allowed: " in problem for problem in (*made.problems, *flaws))
    for stack in made.stacks.values():
        assert {path[0] for path in stack} <= set(KEYS)


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode())))
def test_whatever_bytes_a_file_has_it_is_read_or_named(content: bytes) -> None:
    path = Path("fluxkit.toml")
    path.write_bytes(content)
    assert isinstance(find_settings(Path.cwd(), {"FLUXKIT_CONFIG": os.devnull}), Settings)


def test_a_file_with_a_date_or_a_table_in_a_list_is_read_or_named() -> None:
    made = document(Level.USER, {"fit": dt.date(2026, 1, 1), "defaults": {"options": {"x": [{"a": 1}]}}})
    assert ((), 1) == (made.problems, len(made.flaws["hero"]))
    assert [{"a": 1}] == strongest(made.stacks["hero"], "defaults", "options", "x").value  # type: ignore[union-attr]


def test_every_key_has_an_example_that_is_right() -> None:
    for key in KEYS.values():
        level = key.files[0]
        made = read_document(
            Found(Path("x"), level, files.read_toml(Path("x"), f"[profiles.a]\n{key.example}"), {}), None
        )
        assert ((), {}, 1) == (made.problems, made.flaws, len(made.stacks))
        assert made.stacks["a"]


def test_a_profile_that_is_in_order_is_usable() -> None:
    found = choose(
        settings_of({Level.USER: {"provider": "magnific:flux-2-pro", "mock": True}}),
        {},
        profile=Setting("hero", Source(Level.ARGUMENT, "profile")),
    )
    assert {"provider": "magnific:flux-2-pro", "mock": True} == usable(found, Client, {})
