"""``fluxkit verify --live``: what a real service answers, for a price that is said and agreed to before."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from .._contract.amount import Amount
from .._contract.task import Task
from ..errors import FluxError, SettingsError
from .output import Code, Trouble, code_of, lines_of, say, spoken
from .verify_options import LIVE_ONLY

if TYPE_CHECKING:
    from .._client import Client
    from .._settings.profile import Profile
    from .._wire.plan import Plan
    from ..testing.canary import Flight
    from ..testing.drift import Allowance
    from ..testing.finding import Finding
    from ..testing.proof import Proof
    from ..testing.trace import Trace
    from .watch import Watch

#: What the label of a row begins with that a canary has bought.
LABEL = "verify-live:"


@contextmanager
def kit() -> Iterator[None]:
    """Says how to install what the checks need."""
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"The checks need {error.name}, which is not installed. Install it: pip install 'fluxkit-py[all]'."
        ) from error


def live_of(given: Mapping[str, Any], names: Sequence[str]) -> "Live":
    """What a command line wants beside the offline checks; refuses what does not go together."""
    said = [name.replace("_", "-") for name in LIVE_ONLY if given[name] not in (None, False)]
    if said and not given["live"]:
        raise click.UsageError(f"--{said[0]} is of use with --live only")
    alone = [name.replace("_", "-") for name in ("key_file", "base_url", "record") if given[name] is not None]
    if alone and len(dict.fromkeys(names)) != 1:
        raise click.UsageError(f"--{alone[0]} is for one provider: name it")
    allowances: Mapping[str, tuple[Allowance, ...]] = {}
    trace = None
    if given["allow"] is not None or given["trace"] is not None:
        with kit():
            from ..testing.drift import read_allowances
            from ..testing.trace import read_trace
        allowances = read_allowances(given["allow"])
        trace = None if given["trace"] is None else read_trace(given["trace"])
    if trace is not None and names and trace.provider not in names:
        raise SettingsError(f"The trace {given['trace']} is of {trace.provider}. Allowed: one of {', '.join(names)}.")
    if given["record"] is not None:
        from .generate import writable

        writable(given["record"], option="--record")
    return Live(given, names, allowances, trace)


@attrs.define(eq=False)
class Live:
    """What goes beyond the offline checks. *spent* is what that came to; *code* is that of a purchase that is open."""

    given: Mapping[str, Any]
    names: Sequence[str]
    allowances: "Mapping[str, tuple[Allowance, ...]]"
    trace: "Trace | None"
    spent: Amount | None = None
    code: Code = Code.DONE
    label: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        import secrets

        self.label = f"{LABEL}{secrets.token_hex(8)}:"

    def beyond(self, proof: "Proof", deviations: Iterable[Mapping[str, Any]]) -> "Proof | None":
        """What a recorded trace and the service itself show of a provider; None if neither is wanted, or it cannot be.

        That the service cannot be asked is trouble, and no error. The *deviations* were read with the offline checks.
        """
        from ..testing.finding import Deviation
        from ..testing.proof import Proof

        if proof.provider is None or not (self.given["live"] or self._of(proof.name)):
            return None
        found: list[Finding] = []
        trouble = ""
        try:
            found += self._recorded(proof)
            if self.given["live"]:
                flight = self._flown(proof)
                found += flight.findings
                trouble = flight.evidence.unbought
        except FluxError as error:
            if isinstance(error, Trouble):  # it was cut short, or fluxkit is wrong: what was bought is said by it
                raise
            trouble = spoken(error.message)
        known = {each["check"]: Deviation(**each) for each in deviations}
        findings = tuple(attrs.evolve(each, known=known.get(each.check)) for each in found)
        return Proof(proof.name, "beyond its mock", proof.provider, findings, " ".join(trouble.split()))

    def _of(self, name: str) -> "Trace | None":
        """The trace that was recorded of a provider."""
        return self.trace if self.trace is not None and self.trace.provider == name else None

    def _recorded(self, proof: "Proof") -> "Iterator[Finding]":
        from ..testing.canary import drifts_of_record
        from ..testing.drift import judged
        from ..testing.live import check_recorded_answers_do_not_drift
        from ..testing.tracing import this_day

        trace = self._of(proof.name)
        if trace is None or proof.provider is None:
            return
        allowances = self.allowances.get(proof.name, ())
        judgement = judged(drifts_of_record(proof.provider, trace), allowances, this_day())
        yield check_recorded_answers_do_not_drift.find(judgement)

    def _flown(self, proof: "Proof") -> "Flight":
        from ..testing.canary import fly, plan_for
        from .generate import recovery_of
        from .watch import Watch, accounted, telling

        if proof.surprises:
            raise SettingsError("Promises are broken offline. Nothing was sent. Allowed: once they are kept.")
        cap, watch = self._cap(), Watch()
        with self._client(proof.name, cap, watch) as client:
            left = cap if self.spent is None else less(cap, self.spent)
            plan = plan_for(client, left)
            agree(client, plan, left, sure=self.given["yes"])
            watch.recovery = recovery_of(client, self.given["journal"])
            label = f"{self.label}{proof.name}"
            with accounted(watch), telling(quiet=True) as watch.tell:
                flight = fly(
                    client,
                    plan,
                    label=label,
                    allowances=self.allowances.get(proof.name, ()),
                    recorded=self._of(proof.name),
                )
            cost = spent_on(client, label, cap.currency)
        self.spent = cost if self.spent is None else self.spent + cost
        self._tell(flight, cost, cap, watch)
        return flight

    def _client(self, name: str, cap: Amount, watch: "Watch") -> "Client":
        """The client of a provider, under the cap. Raises ``SettingsError`` if it may not buy in earnest."""
        from .._client import Client
        from .._contract.budget import Budget, budgets_of
        from .._settings.arguments import usable

        arguments = usable(self._profile(name), Client, os.environ)
        budget = (*budgets_of(arguments.get("budget")), Budget(cap, self.label, "this run (--spend-at-most)"))
        if arguments.get("journal") in ("off", "memory"):
            raise SettingsError(
                "The journal is off, and what a run that is cut short has bought would be lost. Nothing was sent. "
                "Allowed: the path of a journal, or none, which is the user's own."
            )
        client = Client(**{**arguments, "budget": budget, "listener": watch})
        if client.mocked:
            raise SettingsError(f"A mock of {name} would answer, and no service. Allowed: no mock in the profile.")
        client._refuse_if_offline()  # noqa: SLF001 - of our client
        return client

    def _profile(self, name: str) -> "Profile":
        """The profile of a provider: the one that is named, the default one, or else the only one that is of it."""
        from .._plugins import installed
        from .._settings.arguments import working_directory
        from .._settings.found import find_settings
        from ..testing.canary import model_for
        from .given import read_key
        from .profile import profile_in

        settings = find_settings(working_directory(), os.environ)
        said = {each: self.given[each] for each in ("base_url", "journal") if self.given[each] is not None}
        if self.given["key_file"] is not None:
            said["key"] = read_key(self.given["key_file"])
        chosen = profile_in(settings, self.given["profile"], said)
        if self.given["profile"] is not None:
            if chosen.problems:
                return chosen
            if chosen.provider not in (self.names or installed().names):
                raise SettingsError(
                    f"The profile {self.given['profile']} is of {chosen.provider}. Nothing was sent. "
                    f"Allowed: a profile of {name}."
                )
        if chosen.chosen is None or chosen.provider != name:
            others = [each for each in settings.profiles if profile_in(settings, each, {}).provider == name]
            if len(others) != 1:
                return profile_in(
                    settings, None, {**said, "provider": f"{name}:{model_for(installed().provider(name))}"}
                )
            chosen = profile_in(settings, others[0], said)
        return chosen

    def _tell(self, flight: "Flight", cost: Amount, cap: Amount, watch: "Watch") -> None:
        """Says what was bought and where it is, writes the trace, and keeps in mind a purchase that is open."""
        found = flight.evidence
        for image in () if found.result is None else found.result.images:
            say(f"bought: {image.path}")
        say(f"spent: {cost} of at most {cap}")
        bad = None if found.bad is None else found.bad[1]
        if isinstance(bad, Task):
            say(f"warning: a request that must be refused was accepted as the task {bad.id}, which may be billed")
            self.code = Code.UNKNOWN
        errors = [each for each in (found.error, bad) if isinstance(each, FluxError)]
        for error in errors:
            code = code_of(error)
            if code in (Code.UNKNOWN, Code.NOT_FETCHED):
                self.code = max(self.code, code)
                for line in lines_of(error):
                    say(line)
        if self.code and (advice := watch.advice()):
            say(f"try: {advice}")
        if flight.trace is not None and self.given["record"] is not None:
            try:
                write(self.given["record"], flight.trace.to_json())
            except OSError as error:  # what was bought is told all the same, and so is what was found
                say(f"error: --record is {error.filename}, which could not be written: {error.strerror}")
                self.code = max(self.code, Code.BROKEN)

    def _cap(self) -> Amount:
        said = self.given["spend_at_most"]
        if said is None:
            raise SettingsError(
                "What may be spent is not said. Nothing was sent. Allowed: an amount, such as "
                '--spend-at-most "0.20 USD".'
            )
        try:
            return Amount.parse(said)
        except ValueError as error:
            raise SettingsError(f"--spend-at-most: {error}. Nothing was sent.") from None


def write(path: str, text: str) -> None:
    """Writes a file whole; the ``OSError`` of one that cannot be written names it, as that of a full disk does not."""
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def less(cap: Amount, spent: Amount) -> Amount:
    """What is left of an amount; nothing if more was spent."""
    return Amount(max(cap.number - spent.number, Decimal(0)), cap.currency)


def spent_on(client: "Client", label: str, currency: str) -> Amount:
    """What the rows that bear a label come to: their cost, or their price as long as no cost is known."""
    from collections import Counter

    from .._engine.spending import kind_of, spent

    kinds = [kind_of(row) for row in client.tasks() if row.label == label]
    return spent(Counter(kind for kind in kinds if kind is not None), currency)[0]


def can_ask() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agree(client: "Client", plan: "Plan", left: Amount, *, sure: bool) -> None:
    """Says what would be bought and for what, and asks unless somebody is *sure*; raises ``SettingsError`` for a no."""
    from ..testing.live import FREE, LIVE

    width, height = plan.pixels
    pixels = "" if width is None else f", {width}x{height} px"
    say(
        f"{client.provider.name} at {client.base_url}: {len(FREE)} checks cost nothing; {len(LIVE) - len(FREE)} need "
        f"one image of {client.model}{pixels}, for {plan.price}. A request that must be refused is sent, too; if "
        f"the service takes it, that is one more. In all at most {left} are spent."
    )
    if sure:
        return
    if not can_ask():
        raise SettingsError(
            "Nobody can be asked whether to buy it: this is no terminal. Nothing was sent. Allowed: --yes."
        )
    if not click.confirm("Buy it?", err=True):
        raise SettingsError("You said no. Nothing was sent.")
