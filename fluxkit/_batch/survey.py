"""What is known before a batch goes on: what its input asks for, and what earlier runs have bought of it."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from .._contract.amount import Amount
from .._contract.journal import DELIVERED
from .._contract.report import shorten
from .._engine.turns import LIVE, standing
from ..errors import FluxError, SettingsError
from .account import Account
from .directory import Directory, Known
from .outcome import DISMISSED, ENDED, FAILED, OPEN
from .source import Line, Source

if TYPE_CHECKING:
    from .._engine.journal.store import Labelled
    from .._wire.plan import Plan


class Unsound(SettingsError):
    """Lines of the input cannot be served as they are; ``problems`` names the first of them, in one line or several."""

    problems: tuple[str, ...] = ()


#: So many lines with something wrong are named; the rest is counted.
MOST_NAMED = 20


def label_of(batch: str, line: Line) -> str:
    """What the journal knows a row by: its batch, what it asks for, and its key."""
    return f"{batch}:{line.digest}:{line.key}"


@attrs.frozen
class Begun:
    """What was bought of a row, or may have been: for how many of its images, and at which amounts."""

    digest: str
    images: int
    amounts: tuple[Amount | None, ...]


@attrs.define(eq=False)
class Survey:
    """The rows of a batch before it goes on.

    ``begun`` are those of which something was bought that the results do not tell, by their keys; ``standing`` counts
    all rows by what they are, None for those that are still to be served. ``problems`` are the first lines with
    something wrong, ``wrong`` the number of all, and ``broken`` says that one of them concerns other rows, too.
    ``gone`` is the number of rows of earlier runs that are not in the input any more. ``bereft`` are rows whose images
    somebody has removed, of which ``lost`` are those that no journal knows: they are left, because nothing is bought
    twice, and the others are fetched again.
    """

    directory: Directory
    again: bool = False
    begun: dict[str, Begun] = attrs.field(factory=dict)
    standing: Counter[str | None] = attrs.field(factory=Counter)
    problems: list[str] = attrs.field(factory=list)
    wrong: int = 0
    broken: bool = False
    gone: int = 0
    bereft: int = 0
    lost: int = 0

    def open(self, line: Line) -> bool:
        """Whether there is something to be done about a row."""
        known = self.directory.known.get(line.key)
        if known is None or known.digest != line.digest:
            return True
        return line.key in self.begun or self._open(known)

    def _open(self, known: Known) -> bool:
        return known.state in OPEN or known.retry or (self.again and known.state in ENDED)

    def look_back(self, rows: "Iterator[Labelled]", account: Account) -> None:
        """Learns from the journal, by the label, what was bought; an *account* is told of what is settled."""
        found = False
        for label, each in itertools.groupby(rows, key=lambda row: row.label):
            found = True
            _, digest, key = label.split(":", 2)
            self._look_at(key, digest, tuple(each), account)
        if not found and any(known.bought for known in self.directory.known.values()):
            raise SettingsError(
                f"The journal {self.directory.facts['journal']} knows nothing of the batch in {self.directory.path}, "
                "which has bought images: it was removed or replaced. Nothing was sent, because what else was bought "
                "is not known. Bring the journal back, or begin a batch with what is missing in another directory."
            )

    def _look_at(self, key: str, digest: str, rows: "tuple[Labelled, ...]", account: Account) -> None:
        count = standing(rows)
        live = [row for row in count.values() if row.state in LIVE or not self.again]
        amounts = {row.row: _amount(row) for row in rows if row.state != "not bought"}
        known = self.directory.known.get(key)
        # Images that came behind a result that says none did: the process was killed while it bought them again.
        late = known is not None and known.state in (FAILED, DISMISSED)
        news = any(row.state in LIVE and (late or row.state != DELIVERED) for row in live)
        if live and (known is None or news or known.bereft or self._open(known)):
            held = tuple(amounts.pop(row.row) for row in live)
            self.begun[key] = Begun(digest, len(live), held)
        account.spend(*amounts.values())

    def look_through(self, source: Source, plan: "Callable[[Line], Plan]", *, limit: Amount | None) -> None:
        """Reads the whole input and plans what is to be done, so that what is wrong is known before it is bought."""
        names: set[str] = set()
        kept = 0
        for line in source.lines():
            if line.id is not None:
                if line.id in names:
                    self._wrong(
                        source,
                        line,
                        f"the id {shorten(line.id)} stands on an earlier line, too. Allowed: one of its own.",
                        broken=True,
                    )
                    continue
                names.add(line.id)
            known, begun = self.directory.known.get(line.key), self.begun.get(line.key)
            kept += known is not None or begun is not None
            changed = (begun is not None and begun.digest != line.digest) or (
                known is not None and known.bought and known.digest != line.digest
            )
            if line.id is not None and line.digest in (
                getattr(self.directory.known.get(str(line.number)), "digest", None),
                getattr(self.begun.get(str(line.number)), "digest", None),
            ):
                self._wrong(
                    source,
                    line,
                    "it had no id when it was bought. Allowed: the line as it was, known by its number.",
                    broken=True,
                )
                continue
            if changed:
                self._wrong(
                    source,
                    line,
                    "it was bought, or may have been, and asks for something else now. Allowed: the line as it was; "
                    "for another image a new line behind the last one, or one with an id of its own.",
                    broken=True,
                )
                continue
            self.bereft += known is not None and known.bereft
            if known is not None and not self.open(line):
                self.lost += known.bereft
                self.standing[known.state] += 1
                continue
            self.standing[None] += 1
            try:
                made = plan(line)
            except FluxError as error:
                self._wrong(source, line, error.message, broken=begun is not None)
            else:
                if limit is not None and (made.price is None or made.price.currency != limit.currency):
                    raise SettingsError(
                        f"{source.name}, line {line.number}: its price is {made.price or 'not known'}, so a budget of "
                        f"{limit} cannot be kept. Nothing was sent. Allowed: no budget, or a price in its currency, "
                        f'which a profile can state, such as price = "0.03 {limit.currency}".'
                    )
        self.gone = len(self.directory.known.keys() | self.begun.keys()) - kept

    def _wrong(self, source: Source, line: Line, problem: str, *, broken: bool = False) -> None:
        self.wrong += 1
        self.broken |= broken
        if len(self.problems) < MOST_NAMED:
            self.problems.append(f"{source.name}, line {line.number}: {problem}")


def _amount(row: Any) -> Amount | None:
    text = row.cost or row.price
    return None if text is None else Amount.parse(text)
