"""docs/reference/settings.md: the keys of a profile, and the places of settings."""

from pages import table

from fluxkit import Client
from fluxkit._settings.arguments import taken_by
from fluxkit._settings.keys import FILES, KEYS
from fluxkit._settings.source import Level

NOT_KEPT = "Not kept by this version yet: a client refuses it."


def keys() -> str:
    """The keys of a profile."""
    taken = taken_by(Client)
    rows = [
        [
            f"`{key.name}`",
            key.about if key.argument is None or key.argument in taken else f"{key.about} {NOT_KEPT}",
            key.allowed,
            key.default,
            "all files" if key.files == FILES else "the user's file only",
            f"`{key.option}`" if key.option else "",
        ]
        for key in KEYS.values()
    ]
    return table(["key", "what it does", "form", "without it", "may stand in", "option"], rows)


def order() -> str:
    """The places of settings, the strongest first."""
    levels = sorted(Level, reverse=True)
    return "\n".join(f"{number}. {level.words}" for number, level in enumerate(levels, 1))
