"""What both clients know, and what they make of a request before a flow is begun. Nothing here is sent."""

import functools
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ._contract.media import format_named
from ._contract.report import shorten
from ._contract.request import Request
from ._contract.result import Result
from ._contract.task import Task
from ._service import address_of, check, mock_for, named, seconds_of, secret_for
from .errors import DeliveryWarning, SettingsError, Unsupported

if TYPE_CHECKING:
    from ._engine.drive import AsyncDriver, Listener, Notes
    from ._engine.flows import Manner
    from ._engine.place import Place
    from ._mock import Mock
    from ._wire.declaration import Model
    from ._wire.draft import Fit
    from ._wire.plan import Plan
    from ._wire.scalars import Codec

FIELDS = tuple(field.name for field in attrs.fields(Request) if field.init)


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
        unsupported: Mapping[str, str] | None = None,
        timeout: float = 300.0,
        patience: float = 60.0,
        spool: str | Path | None = None,
        proxy: str | None = None,
        listener: "Listener | None" = None,
    ) -> None:
        """Binds the client to one model of one provider.

        Args:
            provider: ``"provider:model"``, such as ``"magnific:flux-2-klein"``.
            key: The service's key; without it, the environment variable ``FLUXKIT_<PROVIDER>_KEY``.
            base_url: Where the service is, if not where its declaration says. The key goes there.
            mock: Speak to a mock of the service in this process: no key, no socket, nothing bought. True makes a mock;
                a mock that you have made is used as it is.
            fit: What becomes of a size that the model does not have: ``"close"`` takes a ratio within 2 %, ``"exact"``
                refuses any deviation, ``"nearest"`` takes the nearest.
            unsupported: Wishes to give up where the model lacks them: ``{"seed": "drop"}``.
            timeout: Total seconds for a request or a wait, unless the call says otherwise.
            patience: Total seconds for one call to the service.
            spool: The directory for images that no ``to`` names; without it, one in the user's state directory, or for
                mocked images one that is gone when the process ends.
            proxy: The address of a proxy; without it, what the environment says.
            listener: Called with each ``Note`` of what happens to a task; an error in it is logged, not raised.

        Raises:
            SettingsError: The provider, the model, the key or another setting is missing or wrong.
            PluginError: The provider's plugin cannot be used.
        """
        self.provider, self._row = named(provider)
        self.model = self._row.name
        self._mock = mock_for(self.provider, mock)
        self.mocked = self._mock is not None
        declared = self.provider.base_url if self._mock is None else self._mock.base_url(self.provider.name)
        self.base_url, self._local = address_of(declared if base_url is None else base_url)
        self._secret = secret_for(self.provider, key, self._mock)
        check("unsupported", unsupported, isinstance(unsupported, Mapping), 'a mapping, such as {"seed": "drop"}')
        self._fit, self._unsupported = fit, dict(unsupported or {})
        self._timeout, self._patience = seconds_of("timeout", timeout), seconds_of("patience", patience)
        check("spool", spool, isinstance(spool, str | os.PathLike), "a path")
        self._spool = None if spool is None else Path(spool)
        check("proxy", proxy, isinstance(proxy, str), "an address, such as http://proxy.example:3128")
        check("listener", listener, callable(listener), "a function of one argument")
        self._proxy, self._listener = proxy, listener
        self._running: set[Any] = set()  # what goes on when a call has returned, and ends with the client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.provider.name}:{self.model}, {self.base_url}, mocked={self.mocked})"

    def plan(self, request: Request | str, **fields: Any) -> "Plan":
        """The request bound to this client's model: wire body, expected pixels, report, price. Nothing is sent.

        Raises ``Unsupported`` if the model cannot serve the request, naming each field with what is allowed.
        """
        from ._wire.plan import make_plan

        return make_plan(
            self.provider,
            self.model,
            requested(request, fields),
            base_url=self.base_url,
            fit=self._fit,
            unsupported=self._unsupported,
            mocked=self.mocked,
        )

    def _manner(self, *, timeout: float | None = None, to: str | Path | None = None, fetch: bool = True) -> "Manner":
        from ._engine.flows import Manner

        return Manner(
            timeout=self._timeout if timeout is None else seconds_of("timeout", timeout),
            patience=self._patience,
            place=self._place(to).prepared() if fetch else self._place(to),
            fetch=fetch,
            local=self._local,
        )

    def _place(self, to: str | Path | None) -> "Place":
        from ._engine.place import Place

        check("to", to, isinstance(to, str | os.PathLike), "the path of a file or of a directory")
        if to is not None:
            return Place.at(to)
        return Place(self._own_spool if self._spool is None else self._spool)

    @functools.cached_property
    def _own_spool(self) -> Path:
        """One directory for each service that names tasks: two of them may give the same id."""
        if self.mocked:
            import tempfile

            return Path(tempfile.mkdtemp(dir=_passing_spool()))
        return _lasting_spool()

    def _plan_for(self, to: str | Path | None, request: Request | str, fields: Mapping[str, Any]) -> "Plan":
        """The plan; a file name with a picture's suffix asks for that format, where the model has it."""
        return self.plan(implying(requested(request, fields), self._row, to))

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

    def _asynchronous(self, notes: "Notes") -> "AsyncDriver":
        """What carries out the effects of flows in an event loop."""
        from ._engine.drive import AsyncDriver, SystemClock
        from ._engine.transport import AsyncTransport

        clock = SystemClock() if self._mock is None else self._mock.clock
        inner = None if self._mock is None else self._mock.async_transport()
        transport = AsyncTransport(
            secret=self._secret, now=clock.now, inner=inner, proxy=self._proxy, local=self._local
        )
        return AsyncDriver(transport, clock, notes)

    def _refuse_if_offline(self) -> None:
        if not self.mocked and os.environ.get("FLUXKIT_OFFLINE", "") not in ("", "0"):
            raise SettingsError(
                f"FLUXKIT_OFFLINE is set, so nothing is bought from {self.provider.name}. "
                "Use a mock (mock=True, or --offline), or unset it."
            )

    def _order(self, request: Request | str, fields: Mapping[str, Any]) -> "Plan":
        """The plan of what ``submit`` can give back: one task, to be asked after later."""
        plan = self.plan(request, **fields)
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
    fit: "Fit" = "close",
    unsupported: Mapping[str, str] | None = None,
) -> "Plan":
    """What ``Client(provider).generate(request, to=to)`` would send. Nothing is sent, so it needs no key."""
    from ._wire.plan import make_plan

    found, row = named(provider)
    if base_url is not None:
        base_url, _ = address_of(base_url)
    request = implying(request, row, to)
    return make_plan(found, row.name, request, base_url=base_url, fit=fit, unsupported=unsupported)


def implying(request: Request, row: "Model", to: str | Path | None) -> Request:
    """The request, asking for the format that the name *to* implies if it asks for none and the model has that one."""
    implied = None if to is None or Path(to).is_dir() else format_named(Path(to).suffix)
    if implied and request.output_format is None and _takes(row.form.get("output_format"), implied):
        return attrs.evolve(request, output_format=implied)
    return request


def _takes(codec: "Codec | None", value: Any) -> bool:
    from ._wire.json import Unfit

    try:
        return codec is not None and codec.write(value) is not None
    except Unfit:
        return False


def requested(request: Request | str, fields: Mapping[str, Any]) -> Request:
    for field in fields:
        if field not in FIELDS:
            raise Unsupported(
                f"A request has no field {field!r}. Allowed: {', '.join(FIELDS)}; what only one service has goes into "
                f"options={{{field!r}: ...}}.",
                field=field,
                asked=fields[field],
                allowed=", ".join(FIELDS),
            )
    if isinstance(request, Request):
        return attrs.evolve(request, **fields)
    if "prompt" in fields:
        raise Unsupported("The prompt is given twice.", field="prompt", asked=fields["prompt"], allowed="one prompt")
    return Request(request, **fields)


def checked(result: Result) -> Result:
    """The result, with a warning for each image that is not what was asked; the warning carries the result."""
    for image in result.images:
        if image.mismatch:
            warning = DeliveryWarning(f"{image.path}: {'; '.join(image.mismatch)}.")
            warning.result = result
            warnings.warn(warning, stacklevel=3)
    return result


def _lasting_spool() -> Path:
    import platformdirs

    return platformdirs.user_state_path("fluxkit", appauthor=False) / "images"


@functools.cache
def _passing_spool() -> Path:
    """Mocked images live as long as the process: nobody paid for them."""
    import atexit
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix="fluxkit-mocked-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)
