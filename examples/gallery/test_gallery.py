"""The gallery's tests, offline: the same for each profile of its settings, with a mock in the service's place."""

import re
import shutil
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gallery import make_app

from fluxkit.testing import check_app
from fluxkit_mockserver import FluxkitMock

HERE = Path(__file__).parent
SETTINGS = tomllib.loads((HERE / "fluxkit.toml").read_text("utf-8"))

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the gallery's settings, in which it runs."""
    shutil.copy(HERE / "fluxkit.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=SETTINGS["profiles"])
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def mock(fluxkit_mock: FluxkitMock) -> FluxkitMock:
    """The mock from which pictures are bought: clients that the gallery makes meanwhile speak to it."""
    return fluxkit_mock


@asynccontextmanager
async def visiting(profile: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of the gallery, as it is."""
    app = make_app(profile)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://g") as visitor:
        yield visitor


async def ask(profile: str | None, **wanted: Any) -> httpx.Response:
    async with visiting(profile) as visitor:
        return await visitor.post("/pictures", json=wanted)


async def test_a_picture_is_made_and_shown(profile: str, mock: FluxkitMock) -> None:
    async with visiting(profile) as visitor:
        made = await visitor.post("/pictures", json={"prompt": "a lighthouse at dusk", "aspect": "16:9"})
        shown = await visitor.get(made.json()["picture"])
    assert (201, 200) == (made.status_code, shown.status_code)
    assert shown.headers["content-type"] in ("image/png", "image/jpeg")
    mock.assert_submitted(prompt="a lighthouse at dusk", aspect="16:9", times=1)


async def test_a_ratio_that_no_service_has_is_refused_with_those_that_there_are(
    profile: str, mock: FluxkitMock
) -> None:
    refused = await ask(profile, prompt="a lighthouse", aspect="99:1")
    assert (422, "Unsupported", "no") == (refused.status_code, refused.json()["error"], refused.json()["charged"])
    assert "16:9" in refused.json()["message"]
    mock.assert_billed(0)


@pytest.mark.parametrize("body", ["no JSON", "[]", '{"aspect": "16:9"}', '{"prompt": "  "}', '{"prompt": 7}'])
async def test_a_request_without_a_prompt_is_refused(profile: str, body: str) -> None:
    async with visiting(profile) as visitor:
        refused = await visitor.post("/pictures", content=body)
    assert (422, "Unsupported") == (refused.status_code, refused.json()["error"])
    assert "prompt" in refused.json()["message"]


async def test_a_seed_is_served_by_magnific() -> None:
    assert 201 == (await ask("magnific", prompt="a lighthouse", seed=7)).status_code


async def test_a_seed_is_refused_by_apimart_and_passes_with_the_line_that_the_error_prints(folder: Path) -> None:
    refused = await ask("apimart", prompt="a lighthouse", seed=7)
    assert (422, 'unsupported = { seed = "drop" }') == (refused.status_code, refused.json()["setting"])
    with (folder / "fluxkit.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"{refused.json()['setting']}\n")  # the last profile is apimart's
    served = await ask("apimart", prompt="a lighthouse", seed=7)
    assert 201 == served.status_code
    assert any("seed: dropped" in line for line in served.json()["report"])


async def test_the_profile_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_PROFILE", "apimart")
    made = await ask(None, prompt="a lighthouse")
    assert ([1440, 1440], "0.03 USD") == (made.json()["size"], made.json()["price"])


def test_what_was_recorded_of_the_gallery_moves_to_magnific() -> None:
    assert check_app(HERE / "requests.jsonl", to="magnific")


def test_what_was_recorded_moves_to_apimart_with_the_line_that_the_assertion_prints(folder: Path) -> None:
    line = 'unsupported = { seed = "drop" }'
    with pytest.raises(AssertionError, match=re.escape(line)):
        check_app(HERE / "requests.jsonl", to="apimart")
    with (folder / "fluxkit.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"{line}\n")
    assert check_app(HERE / "requests.jsonl", to="apimart")
