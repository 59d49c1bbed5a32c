"""A test of commands by itself: an empty directory, and nothing of the settings and the journal of whoever runs it."""

import os
from pathlib import Path

import pytest


def set_apart(monkeypatch: pytest.MonkeyPatch, place: Path, **env: str) -> None:
    """Works in *place* with no variable of fluxkit but those of *env*."""
    monkeypatch.chdir(place)
    for name in [name for name in os.environ if name.startswith("FLUXKIT_")]:
        monkeypatch.delenv(name)
    for name, value in {"FLUXKIT_CONFIG": os.devnull, "XDG_STATE_HOME": str(place / "state"), **env}.items():
        monkeypatch.setenv(name, value)
