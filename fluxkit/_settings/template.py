"""The ``fluxkit.toml`` to begin with, written from the table of keys."""

import textwrap
from collections.abc import Iterator

from .arguments import taken_by
from .keys import KEYS
from .source import Level

HEAD = """\
# Which service makes the images. One line changes it: default, or --profile, or FLUXKIT_PROFILE.
# A line that begins with "#" and no blank is a setting: remove the "#" to use it.
# What is in force, and from where, is shown by: fluxkit doctor

default = "offline"

# A mock in this process: no key, no network, nothing bought. The images are drawings of the right size.
[profiles.offline]
provider = "magnific:flux-2-klein"
mock = true

# The same request at another service. Its key is in no file: export FLUXKIT_APIMART_KEY=...
[profiles.draft]
provider = "apimart:flux-2-flex"

# And another one, with everything else that a profile may hold: export FLUXKIT_MAGNIFIC_KEY=...
[profiles.hero]
provider = "magnific:flux-2-pro"

"""

#: Said by the lines above.
_LEFT_OUT = ("provider", "model")


def template(kind: type) -> str:
    """The text of a file that is valid as it is, and with any of its commented settings taken in.

    It holds what a client of the class *kind* keeps.
    """
    return HEAD + "\n".join(_lines(kind))


def _lines(kind: type) -> Iterator[str]:
    taken = taken_by(kind)
    for key in KEYS.values():
        kept = key.argument is None or key.argument in taken
        if kept and Level.PROJECT in key.files and key.name not in _LEFT_OUT:
            prose = f"{key.about} ({key.allowed})".replace("`", "")
            yield from textwrap.wrap(prose, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
            yield f"#{key.example}"
    yield ""
