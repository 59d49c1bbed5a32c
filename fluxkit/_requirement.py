"""Which version of fluxkit a distribution requires, and whether this is one.

Read are bounds by numbers, such as ``fluxkit-py[all]>=0.2,<1``, which is what such requirements have. Whoever installs
has checked all of it; this notices what was upgraded after that.
"""

import re
from collections.abc import Iterable

from ._version import __version__

#: The name of this distribution.
DISTRIBUTION = "fluxkit-py"


def unmet_of(wanted: Iterable[str]) -> str:
    """The requirement that this version does not meet; empty if it meets all."""
    for line in wanted:
        name, bounds = re.match(r"([\w.-]*)(?:\[[^\]]*\])?\s*\(?([^;)]*)", line).groups()  # type: ignore[union-attr]
        if re.sub(r"[-_.]+", "-", name).lower() == DISTRIBUTION and not all(map(_meets, bounds.split(","))):
            return f"{name}{bounds.strip()}"
    return ""


def _meets(bound: str) -> bool:
    """Whether this version is within one bound, such as ``>=0.2``; one of another form is met."""
    found = re.fullmatch(r"\s*(>=|<=|<|>|==|~=|!=)\s*(\d+(?:\.\d+)*)(\.\*)?\s*", bound)
    mine = re.match(r"\d+(?:\.\d+)*", __version__)
    if found is None or mine is None:
        return True
    how, asked = found[1], [int(each) for each in found[2].split(".")]
    here = [int(each) for each in mine[0].split(".")]
    length = len(asked) if found[3] else max(len(asked), len(here))
    one, other = ((each + [0] * length)[:length] for each in (here, asked))
    alike = one[: len(asked) - 1] == other[: len(asked) - 1]
    return {
        ">=": one >= other,
        "<=": one <= other,
        "<": one < other,
        ">": one > other,
        "==": one == other,
        "!=": one != other,
        "~=": one >= other and alike,
    }[how]
