"""``fluxkit plan`` shows what ``fluxkit generate`` does with the same words, whatever the settings say."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from fluxkit import FluxError
from fluxkit._engine import flows
from fluxkit._wire.calls import addressing
from fluxkit._wire.plan import Plan
from fluxkit.cli.plan import _document
from fluxkit.cli.program import fluxkit as program

PORT = "http://127.0.0.1:4010"
KEY = "mg-4f1c9e77abce0d11"

#: Lines of a profile, of which some are drawn. Those of a service bear its name.
LINES = (
    'unsupported = { seed = "drop" }',
    'unsupported = { enhance_prompt = "drop", output_format = "drop" }',
    'fit = "nearest"',
    'fit = "exact"',
    'defaults = { aspect = "16:9", seed = 5 }',
    'defaults = { size = "1344x768", output_format = "png", safety_tolerance = 4 }',
    'price = "0.03 USD"',
    'price = { "1K" = "0.03 USD" }',
    'webhook_url = "https://hooks.example/x"',
    "mock = true",
    f'base_url = "{PORT}/magnific"',
    f'base_url = "{PORT}/apimart"',
    "insecure_http = true",
    "timeouts = { total = 20 }",
)
OPTIONS = (
    ["-p", "apimart:flux-2-flex"],
    ["-p", "magnific:flux-kontext-pro"],
    ["-p", "magnific:flux-2-pro"],
    ["--offline"],
    ["--no-offline"],
    ["--base-url", "http://127.0.0.1:4011/x"],
    ["--aspect", "4:5"],
    ["--resolution", "2K"],
    ["--size", "1000x770"],
    ["-n", "2"],
    ["--seed", "7"],
    ["--reference", "one.png"],
    ["--reference", "https://images.example/a.webp"],
    ["--reference", "http://127.0.0.1/a.png"],
    ["--reference", f"{PORT}/a.png"],
    ["--allow-host", "127.0.0.1"],
    ["--no-enhance-prompt"],
    ["--output-format", "jpeg"],
    ["-o", "fox.png"],
    ["--no-fetch"],
    ["--fit", "nearest"],
    ["--drop", "seed"],
    ["--drop", "enhance-prompt"],
    ["--timeout", "9"],
    ["--option", "guidance=3"],
)
PROVIDERS = ("magnific:flux-2-klein", "magnific:flux-2-pro", "magnific:flux-kontext-pro", "apimart:flux-2-flex")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository to work in, keys, and nothing else."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FLUXKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    for provider in ("MAGNIFIC", "APIMART"):
        monkeypatch.setenv(f"FLUXKIT_{provider}_KEY", KEY)
    Image.new("RGB", (8, 8), "teal").save("one.png")
    return tmp_path


class Planned(FluxError):
    """The plan that generate would have carried out."""

    plan: Plan


def generated(*arguments: str, **env: str) -> tuple[Any, str]:
    """What ``fluxkit generate`` would do: the document of its plan, or None; and what it says of an error."""
    seen: list[Plan] = []

    def carry_out(plan: Plan, manner: flows.Manner) -> Iterator[Any]:
        seen.append(plan)
        raise Planned("this is as far as it goes")
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "generate", carry_out)
        done = click.testing.CliRunner().invoke(program, ["generate", *arguments], env=env)
    if not seen:
        return None, _errors(done.stderr)
    plan, (url, headers) = seen[0], addressing(seen[0], 0)
    document = _document(plan, {"method": plan.provider.submit.method, "url": url, "headers": headers})
    return json.loads(json.dumps(document, default=str)), ""


def planned(*arguments: str, **env: str) -> tuple[Any, str]:
    done = click.testing.CliRunner().invoke(program, ["plan", *arguments, "--json"], env=env)
    assert "Traceback" not in done.stderr
    return (None, _errors(done.stderr)) if done.exit_code else (json.loads(done.stdout), "")


def _errors(said: str) -> str:
    lines = (line for line in said.splitlines() if not line.startswith(("profile ", "offline: ")))
    return "\n".join(lines).replace("fluxkit generate", "fluxkit plan")


@given(
    st.sampled_from(PROVIDERS),
    st.lists(st.sampled_from(LINES), max_size=4, unique_by=lambda line: line.split()[0]),
    st.lists(st.sampled_from(OPTIONS), max_size=5, unique_by=lambda option: (option[0], option[-1])),
)
@example(PROVIDERS[0], ["mock = true"], [["--reference", "http://127.0.0.1/a.png"]])
@example(PROVIDERS[0], [LINES[10]], [["--offline"]])
@example(PROVIDERS[0], [LINES[10]], [["--reference", f"{PORT}/a.png"]])
@example(PROVIDERS[0], [], [["--offline"], ["--base-url", PORT]])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@pytest.mark.slow
def test_a_plan_is_what_generate_does_under_the_same_words(
    place: Path, provider: str, lines: list[str], options: list[list[str]]
) -> None:
    profile = "\n".join([f'provider = "{provider}"', *lines])
    (place / "fluxkit.toml").write_text(f'default = "one"\n[profiles.one]\n{profile}\n')
    arguments = ["a fox", *(word for option in options for word in option)]
    assert generated(*arguments) == planned(*arguments)


def test_a_plan_goes_where_the_environment_says() -> None:
    there = {"FLUXKIT_MAGNIFIC_BASE_URL": f"{PORT}/magnific"}
    arguments = ("a fox", "-p", PROVIDERS[0], "--reference", f"{PORT}/a.png")
    document, _ = planned(*arguments, **there)
    assert document["url"].startswith(f"{PORT}/magnific/v1/ai/")
    assert (document, "") == generated(*arguments, **there)


def test_a_plan_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with_key = planned("a fox", "-p", PROVIDERS[0])
    monkeypatch.delenv("FLUXKIT_MAGNIFIC_KEY")
    assert with_key == planned("a fox", "-p", PROVIDERS[0])
    assert with_key[0]
