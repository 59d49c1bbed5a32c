"""A repository to work in, as settings find it: nothing around it and nothing in the environment."""

import os
from pathlib import Path

import pytest

SETTINGS = """
default = "hero"
[profiles.hero]
provider = "magnific:flux-2-pro"
unsupported = { seed = "drop" }
[profiles.draft]
provider = "apimart:flux-2-flex"
[profiles.offline]
provider = "magnific:flux-2-klein"
mock = true
"""


def enter_repository(place: Path, monkeypatch: pytest.MonkeyPatch, *, user: Path | str = os.devnull) -> None:
    """Goes into a new repository below *place*; the user's own file of settings is *user*."""
    (place / "repository" / ".git").mkdir(parents=True)
    monkeypatch.chdir(place / "repository")
    for name in [name for name in os.environ if name.startswith("FLUXKIT_") and not name.startswith("FLUXKIT_HYP")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXKIT_CONFIG", str(user))
