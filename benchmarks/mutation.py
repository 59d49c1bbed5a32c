"""How many wrong facts in a declaration are noticed, of all that it states, each made wrong by itself.

- client: the client is made from the wrong declaration, the mock from the right one.
- mock: the other way round.
- both: both are made from the wrong one, as they would be if the declaration were wrong.

Each *alone*, by what the two say to each other, and with the *samples* of the service held against the side that is
wrong. The gap in the last pair is why a mock is no evidence for the client that shares its declaration, and samples
are. Freepik is the second face of Magnific: of its declaration only what the two do not share is made wrong.

One fact in four is made wrong, the same ones on every run and in ``tests/test_mutation.py``, where it is said which of
all are noticed by nothing, and why.

Run it with the interpreter that has fluxkit installed: ``python benchmarks/mutation.py``. It takes some minutes.
"""

import zlib
from typing import Any

import attrs

from fluxkit._wire.samples import samples_of
from fluxkit.provider import Provider
from fluxkit.testing.checks import BOTH, CLIENT, MOCK, broken
from fluxkit.testing.mutants import distinct, telling
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

#: One fact in so many is made wrong.
SHARE = 4

SIDES = ("client", "mock", "both")


@attrs.define(eq=False)
class Tally:
    """The wrong facts of one declaration: how many were noticed on each side, alone and with samples."""

    planted: int = 0
    alone: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(SIDES, 0))
    samples: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(SIDES, 0))
    survivors: list[str] = attrs.field(factory=list)


def _tally(provider: Provider, *, unlike: Provider | None = None) -> Tally:
    every, tally = samples_of(provider), Tally()
    for name, mutant in distinct(provider, unlike=unlike):
        if zlib.crc32(name.encode()) % SHARE:
            continue
        known = telling(every, provider, name)
        client, mock = broken(CLIENT, mutant, mutant, known), broken(MOCK, mutant, mutant, known)
        tally.planted += 1
        for side, first, second, shown in (
            ("client", mutant, provider, client),
            ("mock", provider, mutant, mock),
            ("both", mutant, mutant, client or mock),
        ):
            noticed = broken(BOTH, first, second, known)
            tally.alone[side] += noticed is not None
            tally.samples[side] += (noticed or shown) is not None
            if side == "both" and not (noticed or shown):
                tally.survivors.append(name)
    return tally


def run() -> dict[str, Any]:
    """Make every fact wrong, and print the table; the keys are the names of the providers."""
    tallies = {
        "magnific": _tally(MAGNIFIC),
        "freepik": _tally(FREEPIK, unlike=MAGNIFIC),
        "apimart": _tally(APIMART),
        "bfl": _tally(BFL),
    }
    figures = {name: attrs.asdict(tally) for name, tally in tallies.items()}
    _print(figures)
    return figures


def _print(figures: dict[str, Any]) -> None:
    """A table, in which each pair is noticed alone and noticed with samples; and what is noticed by nothing."""
    print(f"{'noticed, of':12}{'planted':>8}" + "".join(f"{side:>8}{'+samples':>10}" for side in SIDES))
    for name, figure in figures.items():
        pairs = "".join(f"{figure['alone'][side]:8}{figure['samples'][side]:10}" for side in SIDES)
        print(f"{name:12}{figure['planted']:8}{pairs}")
    for name, figure in figures.items():
        print(f"\n{name}, noticed by nothing: {len(figure['survivors'])}")
        print("\n".join(f"  {fact}" for fact in figure["survivors"]))


if __name__ == "__main__":
    run()
