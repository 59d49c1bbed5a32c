"""The pytest plugin: fixture, what stands in for services, the guard of the network, marks, settings and reports."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import fluxkit
from fluxkit import _mock
from fluxkit_mockserver import FluxkitMock
from fluxkit_mockserver.billing import Charge
from fluxkit_providers.magnific import MAGNIFIC

pytest_plugins = ["pytester"]

KLEIN = "magnific:flux-2-klein"
ELSEWHERE = "https://images.example"

HEADERS = {"x-magnific-api-key": "test"}

HEAVY = ("anyio", "attrs", "cattrs", "fluxkit", "hypothesis", "httpx", "PIL", "sqlite3", "starlette", "uvicorn")


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests reaches them, and files go to a directory of their own."""
    for name in [name for name in os.environ if name.startswith("FLUXKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    monkeypatch.chdir(tmp_path)


# The fixture


def test_it_loads_nothing_into_a_run_that_does_not_use_it() -> None:
    code = "import sys, fluxkit_mockserver.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "fluxkit_mockserver.pytest_plugin" in loaded
    assert [] == [name for name in loaded if name.partition(".")[0] in HEAVY]
    assert ["fluxkit_mockserver", "fluxkit_mockserver.pytest_plugin"] == [each for each in loaded if "fluxkit" in each]


def test_a_test_has_a_mock_of_every_service_and_asserts_on_it(fluxkit_mock: FluxkitMock) -> None:
    client = fluxkit_mock.client("magnific:flux-2-pro")
    fluxkit_mock.fault("503", times=1)
    client.generate("a fox", seed=42, fetch=False)
    fluxkit_mock.clock.advance(3600)
    assert 1 == fluxkit_mock.billed
    fluxkit_mock.assert_submitted(model="flux-2-pro", seed=42, times=1)
    assert {"magnific", "freepik", "apimart"} <= {*fluxkit_mock.providers}
    assert ("at once", "test") == (fluxkit_mock.progression, fluxkit_mock.key)


def test_each_test_has_a_mock_of_its_own(fluxkit_mock: FluxkitMock) -> None:
    assert (0, 0, ()) == (fluxkit_mock.billed, len(fluxkit_mock.exchanges), fluxkit_mock.faults)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_may_be_asynchronous(fluxkit_mock: FluxkitMock, backend: str) -> None:
    async def main() -> None:
        async with fluxkit_mock.async_client(KLEIN, timeout=60) as client:
            await client.generate("a fox", fetch=False)

    anyio.run(main, backend=backend)
    fluxkit_mock.assert_submitted(prompt="a fox", times=1)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_may_be_used_in_an_asynchronous_test(fluxkit_mock: FluxkitMock, anyio_backend: str) -> None:
    url = fluxkit_mock.url("magnific")
    async with httpx.AsyncClient() as client, fluxkit_mock.async_client(KLEIN) as other:
        answer = await client.get(
            f"{url}/v1/ai/text-to-image/flux-2-klein/nobody", headers={"x-magnific-api-key": "test"}
        )
        await other.generate("a fox", fetch=False)
    assert (404, 1) == (answer.status_code, fluxkit_mock.billed)


def test_it_serves_other_programs_from_when_an_address_is_asked_for_until_the_test_ends() -> None:
    with FluxkitMock() as mock:
        assert mock._server is None
        url = mock.url("apimart")
        assert url == mock.url("apimart")
        assert 401 == httpx.get(f"{url}/v1/tasks/nobody", trust_env=False).status_code
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(ValueError, match=r"does not serve 'nobody'\. Allowed: .*magnific"):
            mock.url("nobody")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v1/tasks/nobody", trust_env=False)


def test_another_program_speaks_to_it_by_the_environment(fluxkit_mock: FluxkitMock) -> None:
    code = f"import fluxkit; print(fluxkit.Client({KLEIN!r}, journal='off').submit('a fox').id)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=fluxkit_mock.environ(), capture_output=True, text=True, check=True
    )
    (bought,) = fluxkit_mock.assert_submitted(prompt="a fox")
    assert bought.task == done.stdout.strip()


# What stands in, and the guard


def test_clients_that_an_app_makes_speak_to_it(fluxkit_mock: FluxkitMock) -> None:
    Path("fluxkit.toml").write_text(
        f'default = "draft"\n[profiles.draft]\nprovider = "{KLEIN}"\nbase_url = "{ELSEWHERE}"\nprice = "1 USD"\n'
    )
    made = [
        fluxkit.Client(KLEIN, key="a-real-key-of-somebody"),
        fluxkit.Client(KLEIN, mock=False),
        fluxkit.Client.from_settings(),
        fluxkit.Client.from_settings("draft", mock=False),
    ]
    for client in made:
        with client:
            client.submit("a fox")
    assert [True] * 4 == [client.mocked for client in made]
    fluxkit_mock.assert_submitted(prompt="a fox", times=4)


def test_an_asynchronous_app_speaks_to_it_too(fluxkit_mock: FluxkitMock) -> None:
    async def main() -> None:
        async with fluxkit.AsyncClient.from_settings(provider=KLEIN) as client:
            await client.submit("a fox")

    anyio.run(main)
    fluxkit_mock.assert_submitted(prompt="a fox", times=1)


def test_another_mock_stays_what_it_is(fluxkit_mock: FluxkitMock) -> None:
    for mock in (True, FluxkitMock()):
        with (
            fluxkit.Client(KLEIN, mock=mock) as client,
            fluxkit.Client.from_settings(provider=KLEIN, mock=mock) as other,
        ):
            client.submit("a fox")
            other.submit("a fox")
    fluxkit_mock.assert_not_submitted()


def test_a_service_that_it_does_not_have_is_not_stood_in_for() -> None:
    with FluxkitMock(providers=[MAGNIFIC]) as mock, mock.guarding():
        client = fluxkit.Client("apimart:flux-2-flex", key="k-of-somebody", journal="off")
        assert not client.mocked
        assert "Nothing is bought from apimart" in guarded(client)


def guarded(client: fluxkit.Client) -> str:
    """What a client says when it is to buy something, in each of its ways."""
    with client:
        said = set()
        for buy in (client.generate, client.submit, lambda prompt: [*client.generate_many([prompt])]):
            with pytest.raises(fluxkit.SettingsError) as caught:
                buy("a fox")
            said.add(caught.value.message)
    (message,) = said
    return message


def test_nothing_is_bought_beyond_this_machine_while_it_is_used(fluxkit_mock: FluxkitMock) -> None:
    real = fluxkit.Client(KLEIN, key="k-of-somebody", base_url=ELSEWHERE, journal="off")
    assert not real.mocked
    told = guarded(real)
    assert f"Nothing is bought from magnific at {ELSEWHERE}" in told
    assert "the mark fluxkit_live" in told
    assert (0, []) == (fluxkit_mock.billed, [*fluxkit_mock.leaks])


def test_the_guard_does_not_depend_on_the_environment(
    fluxkit_mock: FluxkitMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUXKIT_OFFLINE")
    assert "fluxkit_live" in guarded(fluxkit.Client(KLEIN, key="k-of-somebody", base_url=ELSEWHERE, journal="off"))


def test_a_client_that_was_made_before_is_guarded_too() -> None:
    client = fluxkit.Client(KLEIN, key="k-of-somebody", journal="off")
    with FluxkitMock() as mock, mock.guarding():
        assert "made while the mock stands in" in guarded(client)


def test_a_mock_on_a_port_passes_the_guard(fluxkit_mock: FluxkitMock) -> None:
    with fluxkit.Client(KLEIN, base_url=fluxkit_mock.url("magnific"), key=fluxkit_mock.key, journal="off") as client:
        client.submit("a fox")
    assert (False, 1) == (client.mocked, fluxkit_mock.billed)


@pytest.mark.parametrize("value", ["1", None])
def test_what_was_said_of_offline_holds_again_when_the_test_is_over(
    value: str | None, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    if value is not None:
        monkeypatch.setenv("FLUXKIT_OFFLINE", value)
    pytester.makepyfile("""
        import os

        def test_of_the_app(monkeypatch, fluxkit_mock):
            assert os.environ["FLUXKIT_OFFLINE"] == "loopback"
            monkeypatch.delenv("FLUXKIT_OFFLINE")
    """)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert (os.environ.get("FLUXKIT_OFFLINE"), _mock.stand_in()) == (value, None)


def test_the_mock_that_was_made_last_stands_in() -> None:
    with FluxkitMock() as one, one.guarding():
        with FluxkitMock() as other, other.guarding():
            assert other is _mock.stand_in()
        assert one is _mock.stand_in()


@pytest.mark.fluxkit_live
def test_a_live_test_is_neither_guarded_nor_stood_in_for(fluxkit_mock: FluxkitMock) -> None:
    with fluxkit.Client(KLEIN, key="k-of-somebody", base_url=ELSEWHERE, journal="off") as client:
        assert (None, False, None) == (_mock.stand_in(), client.mocked, os.environ.get("FLUXKIT_OFFLINE"))
        client._refuse_if_offline()
    fluxkit_mock.client(KLEIN).submit("a fox")
    assert 1 == fluxkit_mock.billed


@pytest.mark.parametrize("base_url", [ELSEWHERE, "http://10.0.0.1"])
def test_offline_may_mean_all_but_this_machine(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_OFFLINE", "loopback")
    guarded(fluxkit.Client(KLEIN, key="k-of-somebody", base_url=base_url, insecure_http=True, journal="off"))
    with (
        FluxkitMock() as mock,
        fluxkit.Client(KLEIN, key=mock.key, base_url=mock.url("magnific"), journal="off") as client,
    ):
        client.submit("a fox")
        assert (False, 1) == (client.mocked, mock.billed)


# Marks, settings and reports


@pytest.mark.fluxkit_mock(progression="seconds", seed=3)
class TestMarked:
    @pytest.mark.fluxkit_mock(seed=4, balance=1)
    def test_the_nearest_mark_counts(self, fluxkit_mock: FluxkitMock) -> None:
        assert ("seconds", 4, 1) == (
            fluxkit_mock.progression,
            fluxkit_mock._works.seed,
            fluxkit_mock.accounts.of("magnific").left,
        )


def test_an_ini_file_says_seed_and_progression(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfluxkit_mock_seed = 9\nfluxkit_mock_progression = polls\nfilterwarnings = error")
    pytester.makepyfile("""
        def test_settings(fluxkit_mock):
            assert (fluxkit_mock._works.seed, fluxkit_mock.progression) == (9, "polls")
    """)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fluxkit_mock_seed = many", "fluxkit_mock_seed is 'many'. Allowed: a whole number."),
        (
            "fluxkit_mock_progression = slowly",
            "fluxkit_mock_progression is 'slowly'. Allowed: at once, polls, ",
        ),
    ],
)
def test_a_wrong_line_in_an_ini_file_ends_the_run_with_what_is_allowed(
    pytester: pytest.Pytester, line: str, said: str
) -> None:
    pytester.makeini(f"[pytest]\n{line}")
    done = pytester.runpytest_inprocess()
    assert pytest.ExitCode.USAGE_ERROR == done.ret
    assert said in str(done.stderr)
    assert "Traceback" not in f"{done.stdout}{done.stderr}"


def test_a_wrong_progression_fails_with_what_is_allowed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.fluxkit_mock(progression="slowly")
        def test_a_value(fluxkit_mock):
            pass
    """)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(errors=1)
    assert "ValueError: progression is 'slowly'. Allowed: at once, polls, seconds." in str(done.stdout)


def test_a_test_that_fails_shows_what_the_mock_was_asked_and_what_was_bought(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        def test_of_the_app(fluxkit_mock):
            fluxkit_mock.client("magnific:flux-2-klein").generate("a fox", fetch=False)
            fluxkit_mock.client("apimart:flux-2-pro").generate("a fox", fetch=False)
            fluxkit_mock.assert_submitted(model="flux-2-klein", seed=42)

        def test_of_many(fluxkit_mock):
            client = fluxkit_mock.client("magnific:flux-2-klein")
            for _ in range(11):
                client.submit("a fox")
            assert fluxkit_mock.billed == 1

        def test_of_nothing(fluxkit_mock):
            assert fluxkit_mock.billed == 1

        def test_of_something_else():
            assert False

        def test_that_passes(fluxkit_mock):
            pass

        @pytest.mark.fluxkit_mock("seconds")
        def test_with_a_wrong_mark(fluxkit_mock):
            pass

        @pytest.mark.fluxkit_mock(seeds=1)
        def test_with_a_mark_that_is_misspelt(fluxkit_mock):
            pass
    """)
    done = pytester.runpytest_inprocess("--strict-markers", "-p", "no:cacheprovider", "-p", "no:randomly")
    done.assert_outcomes(failed=4, passed=1, errors=2)
    done.stdout.fnmatch_lines(
        [
            "*seed: expected 42, was not given",
            "*fluxkit mock*",
            "4 exchanges:",
            "  exchange 1, POST /magnific/v1/ai/text-to-image/flux-2-klein, answered 200, task *",
            "2 billed:",
            "  magnific:flux-2-klein, task *",
            "  apimart:flux-2-pro, task *",
            "*fluxkit mock*",
            "11 exchanges, the last 10:",
            "11 billed, the last 10:",
            "*fluxkit mock*",
            "0 exchanges.",
            "0 billed.",
        ]
    )
    shown = str(done.stdout)
    assert 3 == shown.count("- fluxkit mock -")
    assert "The mark fluxkit_mock takes settings by name" in shown
    assert "The mark fluxkit_mock has seeds. Allowed: providers, seed, " in shown
    assert "in assert_submitted" not in shown  # the failure is shown at the line of the test


def test_a_bill_shows_what_is_known_of_the_price(fluxkit_mock: FluxkitMock) -> None:
    fluxkit_mock.charges.extend(
        [Charge("acme", "flux", "t-1", 0.0, Decimal("0.03")), Charge("acme", "flux", "t-2", 0.0)]
    )
    assert ["  acme:flux, task t-1, 0.03 USD", "  acme:flux, task t-2"] == fluxkit_mock.summary().splitlines()[-2:]


def settings_of(mock: FluxkitMock) -> dict[str, Any]:
    return {"FLUXKIT_MAGNIFIC_BASE_URL": mock.url("magnific"), "FLUXKIT_MAGNIFIC_KEY": mock.key}


def test_the_environment_of_a_program_names_every_service_and_guards_it(fluxkit_mock: FluxkitMock) -> None:
    said = fluxkit_mock.environ()
    assert settings_of(fluxkit_mock).items() <= said.items()
    assert said["PATH"] == os.environ["PATH"]
    assert "loopback" == said["FLUXKIT_OFFLINE"]
    assert not [name for name in os.environ if name.endswith("_KEY") and name.startswith("FLUXKIT_")]
