"""The clients: one blocking, one for asyncio and trio. What they do is in the flows; here is what they know."""

import functools
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from ._contract.media import format_named
from ._contract.report import shorten
from ._contract.request import Request
from ._contract.result import Result
from ._contract.task import Task
from .errors import DeliveryWarning, SettingsError, Unsupported

if TYPE_CHECKING:
    from ._engine.drive import AsyncDriver, Driver, Listener
    from ._engine.flows import Manner
    from ._engine.place import Place
    from ._engine.secret import Secret
    from ._mock import Mock
    from ._wire.declaration import Model, Provider
    from ._wire.draft import Fit
    from ._wire.plan import Plan
    from ._wire.scalars import Codec

FIELDS = tuple(field.name for field in attrs.fields(Request) if field.init)

#: What a client asks of a mock.
MOCK = ("key", "clock", "base_url", "transport", "async_transport")


class _Binding:
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
        self.provider, self._row = _named(provider)
        self.model = self._row.name
        self._mock = _mock(self.provider, mock)
        self.mocked = self._mock is not None
        declared = self.provider.base_url if self._mock is None else self._mock.base_url(self.provider.name)
        self.base_url, self._local = _address(declared if base_url is None else base_url)
        self._secret = _secret(self.provider, key, self._mock)
        _check("unsupported", unsupported, isinstance(unsupported, Mapping), 'a mapping, such as {"seed": "drop"}')
        self._fit, self._unsupported = fit, dict(unsupported or {})
        self._timeout, self._patience = _seconds("timeout", timeout), _seconds("patience", patience)
        _check("spool", spool, isinstance(spool, str | os.PathLike), "a path")
        self._spool = None if spool is None else Path(spool)
        _check("proxy", proxy, isinstance(proxy, str), "an address, such as http://proxy.example:3128")
        _check("listener", listener, callable(listener), "a function of one argument")
        self._proxy, self._listener = proxy, listener

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
            _requested(request, fields),
            base_url=self.base_url,
            fit=self._fit,
            unsupported=self._unsupported,
            mocked=self.mocked,
        )

    def _manner(self, *, timeout: float | None = None, to: str | Path | None = None, fetch: bool = True) -> "Manner":
        from ._engine.flows import Manner

        return Manner(
            timeout=self._timeout if timeout is None else _seconds("timeout", timeout),
            patience=self._patience,
            place=self._place(to).prepared() if fetch else self._place(to),
            fetch=fetch,
            local=self._local,
        )

    def _place(self, to: str | Path | None) -> "Place":
        from ._engine.place import Place

        _check("to", to, isinstance(to, str | os.PathLike), "the path of a file or of a directory")
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
        return self.plan(_implying(_requested(request, fields), self._row, to))

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


class Client(_Binding):
    """Makes images on one model of one service, blocking. ``AsyncClient`` has the same methods.

    ::

        with fluxkit.Client("magnific:flux-2-klein", key="...") as client:
            result = client.generate("a lighthouse at dusk", aspect="16:9", to="lighthouse.png")
    """

    @functools.cached_property
    def _driver(self) -> "Driver":
        from ._engine.drive import Driver, Notes, SystemClock
        from ._engine.transport import Transport

        clock = SystemClock() if self._mock is None else self._mock.clock
        inner = None if self._mock is None else self._mock.transport()
        transport = Transport(secret=self._secret, now=clock.now, inner=inner, proxy=self._proxy, local=self._local)
        return Driver(transport, clock, Notes(self._listener))

    def generate(
        self,
        request: Request | str,
        *,
        to: str | Path | None = None,
        timeout: float | None = None,
        fetch: bool = True,
        **fields: Any,
    ) -> Result:
        """Buys the images, waits for them and fetches them, within *timeout* seconds in all.

        *to* is a file or a directory; without it, images go to the spool. With ``fetch=False`` only their links come.

        Raises:
            Unsupported: The model cannot serve the request; nothing was sent.
            SubmissionUnknown: The submit left, and whether it was accepted is not known.
            Overdue: A task is still running; ``error.task`` can be waited for again.
            TaskError: The task ended without an image.
            DownloadError: The image exists, and could not be fetched; ``error.task`` can be waited for again.
            FluxError: Any other error of ``fluxkit.errors``; each says whether something was charged.
        """
        from ._engine.flows import generate

        self._refuse_if_offline()
        manner = self._manner(timeout=timeout, to=to, fetch=fetch)
        plan = self._plan_for(to, request, fields)
        return _checked(self._driver.run(generate(plan, manner)))

    def submit(self, request: Request | str, **fields: Any) -> Task:
        """Buys one image and returns its task, without waiting for it. Raises what ``generate`` raises."""
        from ._engine.flows import place_order

        self._refuse_if_offline()
        plan = self._order(request, fields)
        return self._driver.run(place_order(plan, self._manner(fetch=False)))

    def wait(
        self, task: Task, *, to: str | Path | None = None, timeout: float | None = None, fetch: bool = True
    ) -> Result:
        """Waits for a task, perhaps of another process, and fetches its images. Raises what ``generate`` raises."""
        from ._engine.flows import resume

        task, manner = self._own(task), self._manner(timeout=timeout, to=to, fetch=fetch)
        return _checked(self._driver.run(resume(self.provider, task, manner)))

    def close(self) -> None:
        """Closes the connections; tasks go on at the service."""
        if "_driver" in self.__dict__:
            self.__dict__.pop("_driver").transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Binding):
    """Makes images on one model of one service, on asyncio or trio: ``Client``, with ``await``."""

    @functools.cached_property
    def _driver(self) -> "AsyncDriver":
        from ._engine.drive import AsyncDriver, Notes, SystemClock
        from ._engine.transport import AsyncTransport

        clock = SystemClock() if self._mock is None else self._mock.clock
        inner = None if self._mock is None else self._mock.async_transport()
        transport = AsyncTransport(
            secret=self._secret, now=clock.now, inner=inner, proxy=self._proxy, local=self._local
        )
        return AsyncDriver(transport, clock, Notes(self._listener))

    async def generate(
        self,
        request: Request | str,
        *,
        to: str | Path | None = None,
        timeout: float | None = None,
        fetch: bool = True,
        **fields: Any,
    ) -> Result:
        """Buys the images, waits for them and fetches them; see ``Client.generate``."""
        from ._engine.flows import generate

        self._refuse_if_offline()
        manner = self._manner(timeout=timeout, to=to, fetch=fetch)
        plan = self._plan_for(to, request, fields)
        return _checked(await self._driver.run(generate(plan, manner)))

    async def submit(self, request: Request | str, **fields: Any) -> Task:
        """Buys one image and returns its task; see ``Client.submit``."""
        from ._engine.flows import place_order

        self._refuse_if_offline()
        plan = self._order(request, fields)
        return await self._driver.run(place_order(plan, self._manner(fetch=False)))

    async def wait(
        self, task: Task, *, to: str | Path | None = None, timeout: float | None = None, fetch: bool = True
    ) -> Result:
        """Waits for a task, perhaps of another process, and fetches its images; see ``Client.wait``."""
        from ._engine.flows import resume

        task, manner = self._own(task), self._manner(timeout=timeout, to=to, fetch=fetch)
        return _checked(await self._driver.run(resume(self.provider, task, manner)))

    async def close(self) -> None:
        """Closes the connections; tasks go on at the service."""
        if "_driver" in self.__dict__:
            await self.__dict__.pop("_driver").transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


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

    found, row = _named(provider)
    if base_url is not None:
        base_url, _ = _address(base_url)
    request = _implying(request, row, to)
    return make_plan(found, row.name, request, base_url=base_url, fit=fit, unsupported=unsupported)


def key_variable(provider: str) -> str:
    """The environment variable that holds the key of a provider."""
    return f"FLUXKIT_{provider.upper().replace('-', '_')}_KEY"


def _named(name: str | None) -> "tuple[Provider, Model]":
    from ._plugins import installed

    _check("provider", name, isinstance(name, str), 'text, "provider:model", such as "magnific:flux-2-klein"')
    registry = installed()
    provider, _, model = (name or "").partition(":")
    if not provider:
        raise SettingsError(
            f'No provider is named. Give one as "provider:model", such as "magnific:flux-2-klein". '
            f"Installed: {', '.join(registry.names)}."
        )
    found = registry.provider(provider)
    rows = found.named(model)
    if not rows:
        what = f"{provider} has no model {model!r}" if model else f"No model of {provider} is named"
        models = ", ".join(dict.fromkeys(f"{provider}:{row.name}" for row in found.models))
        raise SettingsError(f"{what}. Allowed: {models}.", provider=provider)
    return found, rows[0]


def _mock(provider: "Provider", mock: "bool | Mock") -> "Mock | None":
    if not isinstance(mock, bool):
        if not all(hasattr(mock, name) for name in MOCK):  # None, too: a mock that went missing must not cost money
            raise SettingsError(
                f"mock is {shorten(mock)}. Allowed: True, False, or a mock such as fluxkit_mockserver.MockService."
            )
        return mock
    if not mock:
        return None
    from ._mock import mock_of

    return mock_of([provider])


def _secret(provider: "Provider", key: str | None, mock: "Mock | None") -> "Secret":
    from ._engine.secret import Secret

    variable = key_variable(provider.name)
    value = mock.key if mock is not None else os.environ.get(variable) if key is None else key
    if value is None or value == "":
        raise SettingsError(
            f"No key for {provider.name}. Give key=..., or set {variable}, or use a mock: mock=True, or --offline.",
            provider=provider.name,
        )
    return Secret(value, provider.key.header, provider.key.form)


def _address(base_url: str) -> tuple[str, bool]:
    """The base URL without a slash at its end, and whether it is on this machine or in a private network."""
    from ._engine.link import read_link

    _check("base_url", base_url, isinstance(base_url, str), "text, https://host/path")
    given = f"base_url is {shorten(base_url, 200)}"
    try:
        link = read_link(base_url)
    except ValueError as error:
        raise SettingsError(f"{given}: {error}. Allowed: https://host/path.") from None
    if link.named:  # not shown: a password may stand beside it
        raise SettingsError("base_url holds a user name. Allowed: https://host/path.")
    if "?" in base_url or "#" in base_url:  # paths are added to it, and behind these they would lead nowhere
        raise SettingsError(f"{given}. Allowed: https://host/path, without a query or a fragment.")
    if link.scheme != "https" and not link.loopback:
        raise SettingsError(f"{given}. Allowed: https, or http to this machine; a key does not travel in the clear.")
    return base_url.rstrip("/"), not link.public


def _check(name: str, value: object, fits: bool, allowed: str) -> None:  # noqa: FBT001 - the verdict on the value
    """Refuses a setting that is given and does not fit."""
    if value is not None and not fits:
        raise SettingsError(f"{name} is {shorten(value)}. Allowed: {allowed}.")


def _seconds(name: str, seconds: float) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 10_000_000:
        raise SettingsError(f"{name} is {shorten(seconds)}. Allowed: seconds, more than 0 and less than 10,000,000.")
    return float(seconds)


def _implying(request: Request, row: "Model", to: str | Path | None) -> Request:
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


def _requested(request: Request | str, fields: Mapping[str, Any]) -> Request:
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


def _checked(result: Result) -> Result:
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
