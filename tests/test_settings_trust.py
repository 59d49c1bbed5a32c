"""A cloned repository may hold any file of settings: none of them sends a key or another variable away."""

import os
import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.rawserver import RawServer, answering, http

import fluxkit
from fluxkit import Client, SettingsError
from fluxkit._settings import files
from fluxkit._settings.arguments import client_arguments
from fluxkit._settings.found import find_settings
from fluxkit._settings.profile import choose
from fluxkit._settings.source import Level, Setting, Source

KEY = "mg-4f1c9e77abce0d11"
OTHER = "ap-7d0b6e5533aa9821"
SECRETS = {
    "FLUXKIT_MAGNIFIC_KEY": KEY,
    "FLUXKIT_APIMART_KEY": OTHER,
    "FLUXKIT_TEAM_KEY": "team-5b02c9d1e4f7",
    "AWS_SECRET_ACCESS_KEY": "aws-91ab2c3d4e5f",
    "lower_case_key": "lc-1a2b3c4d5e6f7a8b",
}
HERO = '[profiles.hero]\nprovider = "magnific:flux-2-klein"\n'
BFL = '[profiles.hero]\nprovider = "bfl:flux-2-pro"\n'


class Watched(dict[str, str]):
    """An environment that knows which of its variables were asked for."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@attrs.frozen
class Case:
    """A project's file, under the user's own file, variables and arguments; and what its refusal names.

    ``{evil}`` stands for the address of a server that counts what it hears.
    """

    project: str
    named: tuple[str, ...]
    user: str = ""
    env: Mapping[str, str] = {}
    arguments: Mapping[str, Any] = {}


HOSTILE: Mapping[str, Case] = {
    "HOME as the key": Case(f'{HERO}key = "env:HOME"', ("line 3", "profiles.hero.key", "env:HOME", "FLUXKIT_")),
    "PATH as the key": Case(f'{HERO}key = "env:PATH"', ("profiles.hero.key", "env:PATH")),
    "another program's secret as the key": Case(
        f'{HERO}key = "env:AWS_SECRET_ACCESS_KEY"', ("profiles.hero.key", "env:AWS_SECRET_ACCESS_KEY")
    ),
    "a variable in small letters": Case(f'{HERO}key = "env:lower_case_key"', ("profiles.hero.key is 'env:...'",)),
    "a variable elsewhere": Case(
        f'{HERO}base_url = "{{evil}}"\nkey = "env:HOME"', ("profiles.hero.key", "env:HOME", "not read")
    ),
    "no variable": Case(f'{HERO}key = "env:"', ("profiles.hero.key names no variable",)),
    "a variable that is none": Case(f'{HERO}key = "env:A=B"', ("profiles.hero.key names no variable",)),
    "a variable as the webhook's secret": Case(
        f'{HERO}webhook_secret = "env:AWS_SECRET_ACCESS_KEY"', ("profiles.hero.webhook_secret", "not read")
    ),
    "the user's webhook secret, to where the project says": Case(
        f'{BFL}base_url = "{{evil}}"\nkey = "of-a-mock"',
        ("The webhook_secret of ", "user.toml, line 3 does not go to {evil}, which profiles.hero.base_url in "),
        user=f'{BFL}webhook_secret = "{KEY}"',
    ),
    "the user's webhook secret, for whom the project says": Case(
        f'{BFL}key = "env:FLUXKIT_BFL_KEY"',
        ("The webhook_secret of ", "that it is for it is said by fluxkit.toml, line 2 alone"),
        user=f'[profiles.hero]\nwebhook_secret = "{KEY}"',
        env={"FLUXKIT_BFL_KEY": OTHER},
    ),
    "in another profile": Case(f'{HERO}[profiles.evil]\nkey = "env:HOME"', ("profiles.evil.key", "env:HOME")),
    "the environment's key": Case(
        f'{HERO}base_url = "{{evil}}"',
        ("FLUXKIT_MAGNIFIC_KEY", "profiles.hero.base_url", "fluxkit.toml, line 3", "FLUXKIT_MAGNIFIC_BASE_URL={evil}"),
    ),
    "the environment's key, by name": Case(
        f'{HERO}base_url = "{{evil}}"\nkey = "env:FLUXKIT_MAGNIFIC_KEY"',
        ("The key in FLUXKIT_MAGNIFIC_KEY", "profiles.hero.base_url"),
    ),
    "a key of the team, elsewhere": Case(
        f'{HERO}base_url = "{{evil}}"\nkey = "env:FLUXKIT_TEAM_KEY"',
        ("The key in FLUXKIT_TEAM_KEY", "profiles.hero.base_url"),
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "another provider's key": Case(
        f'{HERO}key = "env:FLUXKIT_APIMART_KEY"',
        ("line 3", "env:FLUXKIT_APIMART_KEY", "the key of apimart"),
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "a key as the webhook's secret": Case(
        f'{HERO}webhook_secret = "env:FLUXKIT_APIMART_KEY"', ("webhook_secret", "the key of apimart")
    ),
    "its own key as the webhook's secret": Case(
        f'{HERO}webhook_secret = "env:FLUXKIT_MAGNIFIC_KEY"', ("webhook_secret", "the key of magnific")
    ),
    "a webhook's secret itself beside an address": Case(
        f'{HERO}base_url = "{{evil}}"\nwebhook_secret = "{KEY}"', ("webhook_secret", "a secret itself")
    ),
    "the user's key": Case(
        f'{HERO}base_url = "{{evil}}"',
        ("The key of", "user.toml, line 3", "profiles.hero.base_url"),
        user=f'{HERO}key = "{KEY}"',
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "the variable that the user's file names": Case(
        f'{HERO}base_url = "{{evil}}"',
        ("The key in AWS_SECRET_ACCESS_KEY", "profiles.hero.base_url"),
        user=f'{HERO}key = "env:AWS_SECRET_ACCESS_KEY"',
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "the key of an argument": Case(
        f'{HERO}base_url = "{{evil}}"',
        ("The key of the argument key", "profiles.hero.base_url"),
        arguments={"key": KEY},
    ),
    "the key of an argument, to where a variable leads": Case(
        HERO,
        ("The key of the argument key", "FLUXKIT_MAGNIFIC_BASE_URL names", "trusted less than an argument"),
        env={"FLUXKIT_MAGNIFIC_BASE_URL": "https://evil.example"},
        arguments={"key": KEY},
    ),
    "the user's key to another provider": Case(
        '[profiles.hero]\nprovider = "apimart:flux-2-flex"',
        ("No key for apimart", "user.toml, line 3 is for another provider"),
        user=f'{HERO}key = "{KEY}"',
        env={"FLUXKIT_APIMART_KEY": ""},
    ),
    "the user's key to whom only the project names": Case(
        '[profiles.hero]\nprovider = "apimart:flux-2-flex"',
        ("user.toml, line 2", "fluxkit.toml, line 2", 'provider = "apimart:flux-2-flex" beside the key'),
        user=f'[profiles.hero]\nkey = "{KEY}"',
        env={"FLUXKIT_APIMART_KEY": ""},
    ),
    "in pyproject.toml": Case(
        "", ("profiles.hero.base_url", "pyproject.toml, line 3"), user=f'default = "hero"\n{HERO}'
    ),
    "a user before the host": Case(
        f'{HERO}base_url = "https://api.magnific.com@evil.example"', ("profiles.hero.base_url", "user name")
    ),
    "a backslash before the host": Case(
        f"{HERO}base_url = 'https://api.magnific.com\\@evil.example'", ("profiles.hero.base_url", "user name")
    ),
    "a host that only begins right": Case(
        f'{HERO}base_url = "https://api.magnific.com.evil.example"', ("profiles.hero.base_url",)
    ),
    "the right host at another port": Case(
        f'{HERO}base_url = "https://api.magnific.com:8443"', ("profiles.hero.base_url",)
    ),
    "the right host in the clear": Case(
        f'{HERO}base_url = "http://api.magnific.com"\ninsecure_http = true', ("profiles.hero.base_url",)
    ),
    "plain http": Case(f'{HERO}base_url = "http://evil.example"', ("line 3", "in the clear")),
    "another scheme": Case(f'{HERO}base_url = "file:///etc/passwd"', ("profiles.hero.base_url", "https://")),
    "plain http, allowed by itself": Case(
        f'{HERO}base_url = "http://evil.example"\ninsecure_http = true',
        ("FLUXKIT_MAGNIFIC_KEY", "profiles.hero.base_url"),
    ),
    "plain http to where the user goes over a mock's": Case(
        "[profiles.hero]\ninsecure_http = true",
        ("in the clear", "profiles.hero.insecure_http", "fluxkit.toml, line 2"),
        user=f'{HERO}base_url = "http://gateway.example"\nkey = "{KEY}"',
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "a proxy where the user goes in the clear": Case(
        '[profiles.hero]\nproxy = "{evil}"',
        ("in the clear", "profiles.hero.proxy", "fluxkit.toml, line 2"),
        user=f'{HERO}base_url = "http://gateway.example"\nkey = "{KEY}"\ninsecure_http = true',
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "a key itself": Case(f'{HERO}key = "{KEY}"', ("profiles.hero.key", "a secret itself", "env:FLUXKIT_")),
    "a key itself beside the real address": Case(
        f'{HERO}base_url = "https://api.magnific.com"\nkey = "{KEY}"',
        ("a secret itself", "env:FLUXKIT_MAGNIFIC_KEY", "in earnest"),
        env={"FLUXKIT_MAGNIFIC_KEY": ""},
    ),
    "a webhook's secret itself": Case(f'{HERO}webhook_secret = "{KEY}"', ("webhook_secret", "a secret itself")),
    "a key under a name that is none": Case(f'{HERO}api_key = "{KEY}"', ("profiles.hero.api_key is no key",)),
    "a key that is no text": Case(f'{HERO}key = ["{KEY}"]', ("profiles.hero.key is no text",)),
    "another user's file": Case(f'config = "/etc/evil.toml"\n{HERO}', ("config is no key", "default, profiles")),
    "hosts that references may come from": Case(
        f'{HERO}allow_hosts = ["169.254.169.254"]', ("profiles.hero.allow_hosts", "the user's file")
    ),
    "a hundred images": Case(f"{HERO}defaults = {{ n = 100 }}", ("profiles.hero.defaults.n",)),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which somebody works who has keys."""
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path


def environment(case: Case, place: Path, evil: str, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """The files and the environment of a case."""
    user = place / "user.toml"
    user.write_text(case.user)
    project = case.project.replace("{evil}", evil)
    if project:
        Path("fluxkit.toml").write_text(project)
    else:
        Path("pyproject.toml").write_text(f'[tool.fluxkit.profiles.hero]\nprovider = "magnific"\nbase_url = "{evil}"')
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLUXKIT_")}
    watched = Watched({**kept, **SECRETS, "FLUXKIT_CONFIG": str(user), **case.env})
    monkeypatch.setattr(os, "environ", watched)
    return watched


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_is_sent(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = HOSTILE[name]
    with RawServer(answering(http(200, b"{}"))) as server:
        watched = environment(case, place, server.url, monkeypatch)
        with pytest.raises(SettingsError) as caught:
            Client.from_settings("hero", **case.arguments).generate("a lighthouse", timeout=2)
        assert [] == server.heard
    error, evil = caught.value, server.url
    assert [] == [each for each in case.named if each.replace("{evil}", evil) not in error.message]
    assert set() == watched.asked & ({"HOME", "PATH", "AWS_SECRET_ACCESS_KEY", "lower_case_key"} - _user_names(case))
    shown = [str(error), repr(error), *traceback.format_exception(error), repr(vars(error)), repr(pickle.dumps(error))]
    shown += getattr(error, "__notes__", [])
    assert [] == [secret for secret in SECRETS.values() if any(secret in text for text in shown)]
    assert fluxkit.Charged.NO is error.charged


def _user_names(case: Case) -> set[str]:
    return {name for name in SECRETS if f"env:{name}" in case.user}


def test_a_variable_is_not_read_before_its_place_is_trusted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = HOSTILE["a key of the team, elsewhere"]
    watched = environment(case, place, "https://evil.example", monkeypatch)
    with pytest.raises(SettingsError):
        Client.from_settings("hero")
    assert "FLUXKIT_TEAM_KEY" not in watched.asked


GOOD: Mapping[str, tuple[Case, str]] = {
    "a mock in another container, with its own key": (
        Case(f'{HERO}base_url = "{{evil}}"\nkey = "test"', (), env={"FLUXKIT_MAGNIFIC_KEY": ""}),
        "test",
    ),
    "a place that the environment names": (
        Case(HERO, (), env={"FLUXKIT_MAGNIFIC_BASE_URL": "{evil}"}),
        KEY,
    ),
    "a place that the environment names, over the project's": (
        Case(f'{HERO}base_url = "https://evil.example"', (), env={"FLUXKIT_MAGNIFIC_BASE_URL": "{evil}"}),
        KEY,
    ),
    "a place that an argument names": (Case(HERO, (), arguments={"base_url": "{evil}"}), KEY),
    "a key and a place that arguments name": (
        Case(HERO, (), arguments={"base_url": "{evil}", "key": OTHER}),
        OTHER,
    ),
    "a place of the user's file, with the variable that it names": (
        Case(
            "[profiles.other]",
            (),
            user=f'{HERO}base_url = "{{evil}}"\nkey = "env:lower_case_key"',
            env={"FLUXKIT_MAGNIFIC_KEY": ""},
        ),
        SECRETS["lower_case_key"],
    ),
    "a key and a place of the user's file, in a profile that the project has, too": (
        Case(HERO, (), user=f'{HERO}base_url = "{{evil}}"\nkey = "{KEY}"', env={"FLUXKIT_MAGNIFIC_KEY": ""}),
        KEY,
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_key_goes_where_its_own_place_says(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, key = GOOD[name]
    refused = http(401, b'{"message": "Invalid API key"}')
    with RawServer(answering(refused)) as server:
        user, env, arguments = (
            case.user.replace("{evil}", server.url),
            {variable: value.replace("{evil}", server.url) for variable, value in case.env.items()},
            {argument: value.replace("{evil}", server.url) for argument, value in case.arguments.items()},
        )
        environment(attrs.evolve(case, user=user, env=env), place, server.url, monkeypatch)
        with Client.from_settings("hero", **arguments) as client, pytest.raises(fluxkit.Unauthorized):
            client.generate("a lighthouse", timeout=5)
        assert [key] == [heard.headers["x-magnific-api-key"] for heard in server.heard]


def test_a_key_of_the_environment_goes_where_the_users_file_says_only_if_that_file_names_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("[profiles.other]", (), user=f'{HERO}base_url = "https://gateway.example"')
    environment(case, place, "", monkeypatch)
    with pytest.raises(SettingsError) as caught:
        Client.from_settings("hero")
    assert 'key = "env:FLUXKIT_MAGNIFIC_KEY" beside it' in caught.value.message
    (place / "user.toml").write_text(f'{case.user}\nkey = "env:FLUXKIT_MAGNIFIC_KEY"')
    monkeypatch.setitem(os.environ, "FLUXKIT_MAGNIFIC_KEY", "")
    with pytest.raises(SettingsError, match="that variable is not set"):
        Client.from_settings("hero")


def test_no_value_on_the_way_to_a_client_shows_a_key(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = f'{HERO}key = "{KEY}"\nproxy = "http://me:{OTHER}@proxy.example"'
    watched = environment(
        Case("[profiles.other]", (), user=user, env={"FLUXKIT_MAGNIFIC_KEY": ""}), place, "", monkeypatch
    )
    settings = find_settings(Path.cwd(), watched)
    found = choose(settings, watched, profile=Setting("hero", Source(Level.ARGUMENT, "profile")))
    shown = [repr(list(files.own_file(watched))), repr(settings), repr(found), repr(found.setting("key"))]
    assert [] == [secret for secret in (KEY, OTHER) if any(secret in text for text in shown)]
    assert KEY == client_arguments(found, watched)["key"]


def test_a_service_that_redirects_does_not_lead_the_key_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answering(http(200, b"{}"))) as evil:
        moved = http(307, b"", Location=f"{evil.url}/steal")
        with RawServer(answering(moved)) as server:
            environment(Case(HERO, (), env={"FLUXKIT_MAGNIFIC_BASE_URL": server.url}), place, "", monkeypatch)
            with Client.from_settings("hero") as client, pytest.raises(fluxkit.FluxError):
                client.generate("a lighthouse", timeout=5)
            assert (1, 0) == (len(server.heard), len(evil.heard))


def test_plain_http_to_another_machine_needs_a_word_as_trusted_as_the_key(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = f'{HERO}base_url = "http://mock:4010/magnific"\ninsecure_http = true\nkey = "test"'
    environment(Case(project, (), env={"FLUXKIT_MAGNIFIC_KEY": ""}), place, "", monkeypatch)
    assert "http://mock:4010/magnific" == Client.from_settings("hero").base_url
    monkeypatch.setitem(os.environ, "FLUXKIT_MAGNIFIC_KEY", KEY)
    with pytest.raises(SettingsError, match="The key in FLUXKIT_MAGNIFIC_KEY does not go to http://mock:4010"):
        Client.from_settings("hero")


def test_a_mock_needs_no_key_and_goes_to_no_address(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(HOSTILE["the environment's key"], place, "https://evil.example", monkeypatch)
    with Client.from_settings("hero", mock=True) as client:
        assert "http://127.0.0.1/magnific" == client.base_url
        assert client.generate("a lighthouse", fetch=False).mocked
    given = Client.from_settings("hero", mock=True, base_url="https://given.example")
    assert ("https://given.example", True) == (given.base_url, given.mocked)  # as a client takes both
