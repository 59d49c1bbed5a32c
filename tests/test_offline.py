"""Offline is offline: a mock in this process is asked without a socket, whatever model, command and reference."""

import io
import json
import os
import socket
from pathlib import Path
from typing import Any

import anyio
import click.testing
import pytest
from PIL import Image

import fluxkit
from fluxkit._plugins import installed
from fluxkit.cli.program import fluxkit as program

MODELS = [
    f"{name}:{model.name}"
    for name in ("magnific", "freepik", "apimart")
    for model in installed().provider(name).models
    if "references" in dict(model.form.fields)
]
NOISE = Image.effect_noise((40, 30), 90)


def drawn() -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up and nothing is connected to; a proxy of the environment tempts."""

    def refuse(*arguments: Any, **_: Any) -> Any:
        raise AssertionError(f"the network was used: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    for name in [name for name in os.environ if name.startswith("FLUXKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", "http://10.0.0.5/magnific")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "one.png").write_bytes(drawn())


def references() -> list[Any]:
    return [
        "one.png",
        Path("one.png"),
        drawn(),
        io.BytesIO(drawn()),
        NOISE,
        "https://images.example/a.png",
    ]


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.slow
def test_references_of_every_kind_reach_a_mock_without_a_network(model: str, way: str) -> None:
    async def run() -> list[fluxkit.Result]:
        async with fluxkit.AsyncClient(model, mock=True) as client:
            return [await client.generate("like this", references=[each]) for each in kinds]

    kinds = references()
    if way == "sync":
        with fluxkit.Client(model, mock=True) as client:
            results = [client.generate("like this", references=[each]) for each in kinds]
    else:
        results = anyio.run(run, backend=way)
    assert [1] * len(kinds) == [len(result.images) for result in results]


@pytest.mark.parametrize("reference", ["one.png", "https://images.example/a.png", "http://127.0.0.1/none.png"])
@pytest.mark.parametrize("model", MODELS)
def test_commands_ask_a_mock_without_a_network(model: str, reference: str) -> None:
    line = ["a fox", "-p", model, "--offline", "--reference", reference, "--json"]
    for command in ("generate", "plan"):
        done = click.testing.CliRunner().invoke(program, [command, *line])
        assert "the network was used" not in f"{done.output}{done.exception}"
        assert (0, True) == (done.exit_code, bool(json.loads(done.stdout))) or "none.png" in reference
        assert "unexpected" not in done.stderr
