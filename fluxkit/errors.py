"""Every error of fluxkit, split by what the caller would do next.

::

    FluxError
      Unsupported            the plan refuses; nothing was sent
      SettingsError          a setting is missing or wrong; nothing was sent
      PluginError            a plugin cannot be used; nothing was bought
      JournalUnavailable     what is bought could not be noted; nothing was bought
      BudgetExceeded         the budget has no room for it; nothing was bought
      ReferenceUnusable      an image sent in cannot be read, fetched or uploaded, or is none; nothing was bought
      Unreachable            no connection, so nothing left; a retry is safe
      SubmissionUnknown      the submit left and its fate is not known; never repeated on a guess
      ServiceError           the service said no
        Unauthorized         the key is missing, wrong or may not do this
        OutOfCredit          no credit left, or the free trial is used up
        Rejected             the request is not acceptable (``fields`` names what and why)
        RateLimited          too many requests (``retry_after`` in seconds, where the service says it)
        Broken               the service failed
      TaskError              the task ended without an image
        Failed               the service could not make it
        Refused              moderation
        Cancelled            somebody cancelled it
        Vanished             the service no longer knows it
      Overdue                still running when the wait ended; wait for the same task again
      DownloadError          the image exists and is paid; wait for the same task again
      ContractError          the service said what its declaration does not know, or sent us where we do not go
      WebhookUnusable        what came as a webhook is forged, stale or unreadable (``reason`` says which)
    DeliveryWarning          a warning: what came is not what was asked
"""

import enum
from collections.abc import Sequence
from typing import Any


class Charged(enum.StrEnum):
    """Whether the service bought something. True in a condition unless it is known that nothing was bought."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        return self is not Charged.NO


class FluxError(Exception):
    """The root: catch this to catch everything that fluxkit raises.

    Every error carries ``charged`` (was something bought?) and ``retry`` (would the same call, made again, be safe and
    sensible?), and where they are known ``provider``, ``model``, ``task``, ``request_id`` (the service's own, for its
    support) and ``reply`` (what the service answered, cut short and without the key). ``others`` are the errors of the
    same request's other tasks, where it asked for several images and none came. Errors can be pickled.
    """

    charged: Charged = Charged.NO
    retry: bool = False
    others: "tuple[FluxError, ...]" = ()

    def __init__(
        self,
        message: str,
        *,
        charged: Charged | None = None,
        retry: bool | None = None,
        provider: str | None = None,
        model: str | None = None,
        task: Any = None,
        request_id: str | None = None,
        reply: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if charged is not None:
            self.charged = charged
        if retry is not None:
            self.retry = retry
        self.provider = provider
        self.model = model
        self.task = task
        self.request_id = request_id
        self.reply = reply


class Unsupported(FluxError):
    """The plan refuses the request: nothing was sent, nothing bought.

    ``field`` is the request's field, ``asked`` what it held, ``allowed`` what would be accepted, ``setting`` the
    setting that would let the request through: without the field if it is a wish, with the nearest size if it is a
    size. If several fields are refused, the attributes speak of the first, the message and ``verdicts`` of all.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        asked: Any = None,
        allowed: str | None = None,
        setting: str | None = None,
        verdicts: Sequence[Any] = (),
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.field = field
        self.asked = asked
        self.allowed = allowed
        self.setting = setting
        self.verdicts = tuple(verdicts)


class SettingsError(FluxError):
    """A setting is missing or wrong; the message names it, what was given and what is allowed."""


class PluginError(FluxError):
    """A plugin cannot be used; the message names the plugin and the reason."""


class JournalUnavailable(FluxError):
    """The journal, which notes what is bought, cannot be kept where it is to be, so nothing was bought.

    The message says why, and the two ways out: another place, or no journal.
    """


class BudgetExceeded(FluxError):
    """The budget has no room for what the image would cost: nothing was bought.

    ``budget`` is what may be spent, ``spent`` what is spent or reserved by now, ``price`` what this image was to cost.
    ``until`` is when the day of the budget ends, in seconds since the epoch; None if it is one of a whole batch.
    """

    def __init__(
        self,
        message: str,
        *,
        budget: Any = None,
        spent: Any = None,
        price: Any = None,
        until: float | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.budget = budget
        self.spent = spent
        self.price = price
        self.until = until


class ReferenceUnusable(FluxError):
    """An image sent in cannot be read, fetched or uploaded, or is of a kind that the model does not take."""


class Unreachable(FluxError):
    """No connection came about (refused, name not found, TLS, proxy), so nothing left this machine."""

    retry = True


class SubmissionUnknown(FluxError):
    """The submit left, and whether it was accepted is not known. fluxkit sends it no second time on a guess.

    Only a service that you trust to know it again by its key is asked again, before this is raised.
    ``row`` is its name in the journal, by which it can be settled; None if it was not noted.
    """

    charged = Charged.UNKNOWN
    row: str | None = None


class ServiceError(FluxError):
    """The service answered, and the answer is no. ``status`` is the HTTP status."""

    def __init__(self, message: str, *, status: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.status = status


class Unauthorized(ServiceError):
    """The key is missing, wrong, or may not do this (HTTP 401, 403)."""


class OutOfCredit(ServiceError):
    """No credit is left, or the free trial is used up (HTTP 402, or a final 429)."""


class Rejected(ServiceError):
    """The service does not accept the request. ``fields`` holds (name, reason) pairs where the service says them."""

    def __init__(self, message: str, *, fields: Sequence[tuple[str, str]] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.fields = tuple(fields)


class RateLimited(ServiceError):
    """Too many requests (HTTP 429). ``retry_after`` is in seconds, None where the service does not say it."""

    retry = True

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class Broken(ServiceError):
    """The service failed (HTTP 5xx). ``retry_after`` is in seconds, None where the service does not say it."""

    retry = True

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class TaskError(FluxError):
    """The task ended without an image. ``task`` is the task as it was last seen."""

    charged = Charged.UNKNOWN


class Failed(TaskError):
    """The service could not make the image."""


class Refused(TaskError):
    """Moderation refused the prompt, a reference or the image."""


class Cancelled(TaskError):
    """The task was cancelled."""


class Vanished(TaskError):
    """The service no longer knows the task (five polls over 30 s were answered so)."""


class Overdue(FluxError):
    """The task was still running when the wait ended. It goes on, and so does its bill: wait for it again."""

    charged = Charged.UNKNOWN


class DownloadError(FluxError):
    """The image exists and is paid, but could not be fetched whole. Waiting for the task again fetches it again.

    ``status`` is the HTTP status of the link, None if no answer came.
    """

    charged = Charged.YES

    def __init__(self, message: str, *, status: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.status = status


class ContractError(FluxError):
    """The service said something that its declaration does not know, or sent us where we do not go."""

    charged = Charged.UNKNOWN


class WebhookUnusable(FluxError):
    """What came as a webhook is not believed. Answer it with a 4xx, without saying why; polls go on.

    ``reason`` is ``forged`` (no signature that fits the secret), ``stale`` (signed too long ago, so perhaps sent again
    by somebody else) or ``unreadable`` (too large, or no news of a task).
    """

    def __init__(self, message: str, *, reason: str = "unreadable", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.reason = reason


class DeliveryWarning(UserWarning):
    """What was delivered is not what was asked: other pixels, or another format.

    ``result`` is the whole result, so that nothing is lost where warnings are made errors.
    """

    result: Any = None
