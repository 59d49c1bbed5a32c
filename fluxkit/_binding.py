"""What both clients know, and what they make of a request before a flow is begun. Nothing here is sent."""

import contextlib
import functools
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from ._asked import asked, defaults_of, file_name, requested
from ._contract.report import shorten
from ._contract.request import Request
from ._contract.result import Result
from ._contract.task import Task
from ._recording.call import UNRECORDED, Call, recorder_of
from ._service import (
    address_of,
    check,
    held_back,
    hosting_of,
    hosts_of,
    is_loopback,
    mock_for,
    named,
    place_of,
    seconds_of,
    secret_for,
    trusts,
)
from .errors import DeliveryWarning, SettingsError, Unsupported

if TYPE_CHECKING:
    from ._contract.budget import Limits
    from ._contract.journal import Row
    from ._engine.drive import AsyncDriver, Hosting
    from ._engine.ears import Ears, Listener
    from ._engine.flows import Manner
    from ._engine.mailbox import Mailbox
    from ._engine.notes import Notebook
    from ._engine.place import Place
    from ._engine.spending import Purse
    from ._mock import Mock
    from ._wire.draft import Fit
    from ._wire.plan import Plan, Unwanted
    from ._wire.price import Stated

#: How the directory of mocked images is called, before it says whose it is.
MOCKED = "fluxkit-mocked-"


class Binding:
    """What both clients know: provider, model, key, and how to go about a request. Everything is checked here."""

    def __init__(
        self,
        provider: str | None = None,
        *,
        key: str | None = None,
        base_url: str | None = None,
        mock: "bool | Mock" = False,
        fit: "Fit" = "close",
        unsupported: "Unwanted | None" = None,
        defaults: Mapping[str, Any] | None = None,
        price: "str | Stated | Mapping[str, str] | None" = None,
        budget: "str | Limits | None" = None,
        timeout: float = 300.0,
        patience: float = 60.0,
        spool: str | Path | None = None,
        journal: str | Path | None = None,
        idempotency: str | None = None,
        proxy: str | None = None,
        insecure_http: bool = False,
        allow_hosts: Iterable[str] = (),
        webhook_secret: str | None = None,
        listener: "Listener | None" = None,
    ) -> None:
        """Binds the client to one model of one provider.

        Args:
            provider: ``"provider:model"``, such as ``"magnific:flux-2-klein"``.
            key: The service's key; without it, the environment variable ``FLUXKIT_<PROVIDER>_KEY``.
            base_url: Where the service is, if not where its declaration says. The key goes there. Without it, the
                environment variable ``FLUXKIT_<PROVIDER>_BASE_URL``, for a key that does not come as an argument.
            mock: Speak to a mock of the service in this process: no key, no socket, nothing bought. True makes a mock;
                a mock that you have made is used as it is.
            fit: What becomes of a size that the model does not have: ``"close"`` takes a ratio within 2 %, ``"exact"``
                refuses any deviation, ``"nearest"`` takes the nearest.
            unsupported: Wishes to give up where the model lacks them: ``{"seed": "drop"}``; ``"refuse"`` gives up none.
            defaults: Fields of a request that hold where a call says nothing: ``{"resolution": "2K"}``.
            price: What one image costs, in place of the declared price: ``"0.03 USD"``, or such texts by the model's
                own resolutions, ``{"1K": "0.03 USD"}``; one that is not named is unknown.
            budget: What may be spent in one day (UTC), by all clients that share the journal: ``"5 USD"``. What an
                image costs must be known then, by the declaration or by *price*.
            timeout: Total seconds for a request or a wait, unless the call says otherwise.
            patience: Total seconds for one call to the service.
            spool: The directory for images that no ``to`` names; without it, one in the user's state directory, or for
                mocked images one that is gone when the process ends.
            journal: The file in which it is noted what is bought, so that nothing paid is lost when the process dies;
                without it, one in the user's state directory. ``"off"`` (or ``"memory"``) forgets it with the client,
                as mocked clients do.
            idempotency: ``"trust"`` believes a service that declares how it knows a submit again: one whose answer was
                lost is sent again with its one-time key. ``"off"``, as without it, sends no key.
            proxy: The address of a proxy; without it, what the environment says.
            insecure_http: Let ``base_url`` be http to another machine, such as a mock in another container. Whoever is
                between can read the key.
            allow_hosts: Names of hosts that need not be public for references and images to be there, such as one of
                your own network. Redirects to them pass, too.
            webhook_secret: What the service signs its webhooks with, for ``fluxkit.webhooks.receiver``; a mock brings
                its own. A service that takes it with a request is sent it with each that has a webhook.
            listener: Called with each ``Event`` of what happens; an error in it is logged, not raised.

        Raises:
            SettingsError: The provider, the model, the key or another setting is missing or wrong.
            PluginError: The provider's plugin cannot be used.
        """
        from ._contract.budget import budgets_of
        from ._wire.draft import FITS
        from ._wire.plan import wishes_to_drop
        from ._wire.price import stated_price

        self.provider, self._row = named(provider)
        self.model = self._row.name
        self._mock = mock_for(self.provider, mock, base_url)
        self.mocked = self._mock is not None
        check("insecure_http", insecure_http, isinstance(insecure_http, bool), "True or False")
        place = place_of(self.provider, base_url, key, self._mock)
        self.base_url, self._local = address_of(place, insecure_http=insecure_http)
        self._loopback = is_loopback(self.base_url)
        self._secret = secret_for(self.provider, key, self._mock)
        self._price = stated_price(price, self.provider.named(self.model))
        wishes_to_drop(unsupported)
        check("fit", fit, fit in FITS, ", ".join(FITS))
        self._fit, self._unsupported = fit, dict(unsupported) if isinstance(unsupported, Mapping) else unsupported
        self._defaults = defaults_of(defaults)
        self._timeout, self._patience = seconds_of("timeout", timeout), seconds_of("patience", patience)
        check("spool", spool, isinstance(spool, str | os.PathLike), "a path")
        self._spool = None if spool is None else Path(spool)
        check("journal", journal, isinstance(journal, str | os.PathLike) and str(journal) != "", 'a path, or "off"')
        self._journal = journal
        self._trust = trusts(idempotency, self.provider, place, told=base_url is not None or self.mocked)
        self._budgets = budgets_of(budget)
        self._refuse_a_budget_without_a_journal()
        check("proxy", proxy, isinstance(proxy, str), "an address, such as http://proxy.example:3128")
        check("listener", listener, callable(listener), "a function of one argument")
        self._proxy, self._listener = proxy, listener
        self._allow_hosts = hosts_of(allow_hosts)
        check("webhook_secret", webhook_secret and "<not shown>", isinstance(webhook_secret, str), "text")
        self._webhook_secret = getattr(self._mock, "webhook_secret", webhook_secret)
        self._recorder = recorder_of(os.environ)
        self._running: set[Any] = set()  # what goes on when a call has returned, and ends with the client

    @classmethod
    def from_settings(cls, profile: str | None = None, **arguments: Any) -> Self:
        """A client of a profile of the settings: ``fluxkit.toml``, the environment, the user's own file.

        Without *profile* it is the one that ``FLUXKIT_PROFILE`` names, or else ``default`` in the files. Every argument
        of the client may stand beside it, and wins over the settings. What may be set is in docs/reference/settings.md.

        Raises:
            SettingsError: A setting is missing or wrong, or a key would go where only a less trusted file sends it.
            PluginError: The provider's plugin cannot be used.
        """
        from ._settings.arguments import client_settings

        return cls(**client_settings(cls, profile, arguments))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.provider.name}:{self.model}, {self.base_url}, mocked={self.mocked})"

    def plan(self, request: Request | str, **fields: Any) -> "Plan":
        """The request bound to this client's model: wire body, expected pixels, report, price. Nothing is sent.

        Raises ``Unsupported`` if the model cannot serve the request, naming each field with what is allowed.
        """
        return self._planned(requested(request, fields, self._defaults))

    def _planned(self, request: Request) -> "Plan":
        from ._wire.plan import make_plan

        return make_plan(
            self.provider,
            self.model,
            request,
            base_url=self.base_url,
            fit=self._fit,
            unsupported=self._unsupported,
            price=self._price,
            mocked=self.mocked,
            hosting=hosting_of(self._mock),
            allow_hosts=self._allow_hosts,
        ).signed_with(self._webhook_secret)

    def _notebook(self) -> "Notebook":
        from ._engine.notes import Notes

        hears = self._ears.note if self._ears.listens else None
        if self.mocked or self._journal in ("off", "memory"):
            return Notes(hears, self._purse)
        from ._engine.journal.journal import open_journal

        journal = open_journal(self._journal, hears, self._budgets)
        journal.attend(self._mailbox, self.provider.name, self.base_url)
        return journal

    @functools.cached_property
    def _ears(self) -> "Ears":
        """Who hears of what happens here: the listener, plugins, and logging."""
        from ._engine.ears import Ears
        from ._plugins import installed

        now = time.time if self._mock is None else self._mock.clock.now
        witness = None if self._recorder is None else self._recorder.hear
        return Ears(self._listener, installed().hearing, now, self.mocked, witness)

    @functools.cached_property
    def _purse(self) -> "Purse | None":
        """What keeps the budgets of a client whose notes are in memory, also after it was closed."""
        if not self._budgets:
            return None
        from ._engine.spending import Purse

        return Purse(self._budgets, time.time if self._mock is None else self._mock.clock.now)

    def _refuse_a_budget_without_a_journal(self) -> None:
        """A budget counts what the journal holds, and nobody who sets one expects it to be forgotten."""
        if self._budgets and self._journal == "off" and not self.mocked:
            raise SettingsError(
                'journal is "off", and a budget counts what the journal holds. Allowed: no budget, the path of a '
                'journal, or "memory", with which the budget holds for what this client buys by itself.'
            )

    def _manner(self, *, timeout: float | None = None, to: str | Path | None = None, fetch: bool = True) -> "Manner":
        from ._engine.flows import Manner

        return Manner(
            timeout=self._seconds(timeout),
            patience=self._patience,
            place=self._place(to).prepared() if fetch else self._place(to),
            fetch=fetch,
            local=self._local,
            allow_hosts=self._allow_hosts,
            trust=self._trust and self._obstacle is None,
        )

    def _seconds(self, timeout: float | None) -> float:
        """For how long a call lasts at most: as it says, or as the client does."""
        return self._timeout if timeout is None else seconds_of("timeout", timeout)

    def _place(self, to: str | Path | None) -> "Place":
        from ._engine.place import Place

        allowed = "the path of a file or of a directory; for one image also an open binary file"
        check("to", to, isinstance(to, str | os.PathLike), allowed)
        if to is not None:
            return Place.at(to)
        return Place(self._own_spool if self._spool is None else self._spool)

    def _place_of(self, row: "Row") -> "Place":
        """Where the images of a row were to go, or the spool, if that cannot be written any more."""
        from ._engine.books import place_of

        place = place_of(row)
        if place is not None:
            with contextlib.suppress(SettingsError):
                return _tidied(place.prepared())
        return _tidied(self._place(None).prepared())

    @functools.cached_property
    def _own_spool(self) -> Path:
        """One directory for each service that names tasks: two of them may give the same id."""
        if self.mocked:
            import tempfile

            return Path(tempfile.mkdtemp(dir=_passing_spool()))
        return _lasting_spool()

    def _asked(self, name: str | None, request: Request | str, fields: Mapping[str, Any]) -> Request:
        """The request; the *name* of a file with a picture's suffix asks for that format, where the model has it."""
        return asked(request, fields, self._defaults, self._row, name)

    def _recorded(self, name: str) -> Call:
        """A call that is begun, as a recording sees it, if there is one."""
        if self._recorder is None:
            return UNRECORDED
        from ._wire.plan import wishes_to_drop

        drops = dict.fromkeys(sorted(wishes_to_drop(self._unsupported)), "drop")
        settings = {"fit": self._fit, "unsupported": drops, "allow_hosts": sorted(self._allow_hosts)}
        hide = str if self.mocked else self._secret.redact  # a mock's key is an English word
        return self._recorder.call(name, hide, settings, provider=self.provider.name, model=self.model)

    def _own(self, task: Task) -> Task:
        """*task*, if it is one that this client may ask after: it may come from a stranger's queue."""
        if not isinstance(task, Task):
            raise SettingsError(f"task is {shorten(task)}. Allowed: a Task, as submit or Task.from_json gives it.")
        if not isinstance(task.id, str) or not task.id.strip():
            raise SettingsError(f"The task's id is {shorten(task.id)}. Allowed: what the service called it.", task=task)
        here, there = (self.provider.name, self.base_url), (task.provider, task.base_url)
        if here != there or not self.provider.named(task.model):
            raise SettingsError(
                f"The task {shorten(task.id)} is of {task.provider}:{task.model} at {task.base_url}, and this client "
                f"speaks to {self.provider.name} at {self.base_url}. Nothing was sent; use a client of that provider.",
                task=task,
            )
        return attrs.evolve(task, mocked=self.mocked)  # this client knows, and a stranger's task may say anything

    @property
    def _hosting(self) -> "Hosting":
        """Where plugins host images; nowhere while a mock answers, because nothing leaves the machine then."""
        from ._engine.drive import nowhere
        from ._plugins import installed

        return nowhere if self.mocked else installed().host_image

    @functools.cached_property
    def _mailbox(self) -> "Mailbox":
        """Where a receiver leaves what it is sent, for those who wait."""
        from ._engine.mailbox import Mailbox

        return Mailbox()

    @property
    def _rules(self) -> dict[str, Any]:
        """What holds for a transport of this client, blocking or not."""
        return {
            "secret": self._secret,
            "proxy": self._proxy,
            "local": self._local,
            "loopback": self._loopback,
            "allow_hosts": self._allow_hosts,
        }

    def _asynchronous(self, notes: "Notebook") -> "AsyncDriver":
        """What carries out the effects of flows in an event loop."""
        from ._engine.clock import SystemClock
        from ._engine.drive import AsyncDriver
        from ._engine.transport import AsyncTransport

        clock = SystemClock() if self._mock is None else self._mock.clock
        inner = None if self._mock is None else self._mock.async_transport()
        transport = AsyncTransport(now=clock.now, inner=inner, **self._rules)
        return AsyncDriver(transport, clock, notes, hosting=self._hosting, mailbox=self._mailbox, ears=self._ears)

    @property
    def _obstacle(self) -> str | None:
        """Why nothing may be bought in earnest; None if it may."""
        return None if self.mocked else held_back(self.provider.name, self.base_url, os.environ)

    def _refuse_if_offline(self) -> None:
        reason = self._obstacle
        if reason is not None:
            raise SettingsError(reason, provider=self.provider.name)

    def _order(self, request: Request) -> "Plan":
        """The plan of what ``submit`` can give back: one task, to be asked after later."""
        plan = self._planned(request)
        if plan.provider.poll is None:
            raise Unsupported(
                f"{plan.provider.name} has no tasks: it answers with the image, which submit could not give you. "
                "Nothing was sent; use generate."
            )
        if plan.request.n != 1:
            raise Unsupported(
                f"submit makes one task, and n is {plan.request.n}. Submit each, or use generate.",
                field="n",
                asked=plan.request.n,
                allowed="1",
            )
        return plan


def plan_of(
    provider: str | None,
    request: Request,
    *,
    to: str | Path | None = None,
    base_url: str | None = None,
    mock: "bool | Mock" = False,
    fit: "Fit" = "close",
    unsupported: "Unwanted | None" = None,
    defaults: Mapping[str, Any] | None = None,
    price: "str | Stated | Mapping[str, str] | None" = None,
    insecure_http: bool = False,
    allow_hosts: Iterable[str] = (),
    webhook_secret: str | None = None,
) -> "Plan":
    """What ``Client(provider).generate(request, to=to)`` would send. Nothing is sent, so it needs no key."""
    from ._wire.plan import make_plan

    found, row = named(provider)
    service = mock_for(found, mock, base_url)
    place, _ = address_of(place_of(found, base_url, None, service), insecure_http=insecure_http)
    return make_plan(
        found,
        row.name,
        asked(request, {}, defaults_of(defaults), row, file_name(to)),
        base_url=place,
        fit=fit,
        unsupported=unsupported,
        price=price,
        mocked=service is not None,
        hosting=hosting_of(service),
        allow_hosts=hosts_of(allow_hosts),
    ).signed_with(getattr(service, "webhook_secret", webhook_secret))


def checked(result: Result) -> Result:
    """The result, with a warning for each image that is not what was asked; the warning carries the result."""
    for image in result.images:
        if image.mismatch:
            warning = DeliveryWarning(f"{image.path}: {'; '.join(image.mismatch)}.")
            warning.result = result
            warnings.warn(warning, stacklevel=3)
    return result


def _tidied(place: "Place") -> "Place":
    """A place, without the parts of images that processes have left there which are gone."""
    _tidy(str(place.directory))
    return place


@functools.lru_cache(maxsize=100)
def _tidy(directory: str) -> None:
    from ._engine.process import DRAFT, PART, sweep

    sweep(directory, DRAFT, ends=PART)


def _lasting_spool() -> Path:
    import platformdirs

    return platformdirs.user_state_path("fluxkit", appauthor=False) / "images"


@functools.cache
def _passing_spool() -> Path:
    """Mocked images live as long as the process: nobody paid for them."""
    import atexit
    import shutil
    import tempfile

    from ._engine.process import mark, sweep

    sweep(tempfile.gettempdir(), MOCKED)
    directory = tempfile.mkdtemp(prefix=f"{MOCKED}{mark()}")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)
