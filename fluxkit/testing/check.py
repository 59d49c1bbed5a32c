"""A check: one promise as a function that raises when it is broken, and says when it does not apply."""

import functools
import inspect
import re
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

import attrs

from .._wire.declaration import Provider
from .._wire.samples import Sample, samples_of
from .conduct import Conduct, Endless
from .finding import Finding, Grade


class NotApplicable(Exception):
    """A promise that nobody can keep or break here, and why."""


def needs_tasks(provider: Provider) -> None:
    """Ends a check of a service that cannot be asked after what it makes."""
    if provider.poll is None:
        not_applicable("the service has no tasks: it answers with the image")


def not_applicable(why: str) -> NoReturn:
    """Ends a check that does not apply."""
    raise NotApplicable(why)


@attrs.frozen(eq=False)
class Pair:
    """A client and a mock of one service, and what is known of the service from outside.

    Usually both sides are made from one declaration. *conduct* is how the client carries out what it decides: as it
    is, unless a check is shown to notice a client that does something else.
    """

    client: Provider
    mock: Provider
    samples: tuple[Sample, ...]
    conduct: Conduct | None = None

    def of(self, *kinds: str, fits: bool | None = None) -> list[Sample]:
        """The samples of these kinds."""
        return [each for each in self.samples if each.of in kinds and fits in (None, each.fits)]


@attrs.frozen(eq=False)
class Check:
    """A promise that can be tried on any provider.

    Called with a provider it raises ``AssertionError`` if the promise is broken, and whatever else comes of that.
    ``promise`` says what is promised in one sentence, ``meaning`` what it means if it is broken.
    """

    name: str
    promise: str
    meaning: str
    kind: str
    run: Callable[[Pair], None]

    @property
    def __name__(self) -> str:
        return f"check_{self.name}"

    def __call__(
        self,
        provider: Provider,
        mock: Provider | None = None,
        samples: Sequence[Sample] | None = None,
        *,
        conduct: Conduct | None = None,
    ) -> None:
        """Tries a client of *provider* on a mock of it, or of the declaration *mock*; does nothing if it is no use.

        The *samples* are those that the declaration names, unless others are given.
        """
        finding = self.find(pair_of(provider, mock, samples, conduct=conduct), caught=())
        if finding.outcome is Grade.FAIL:
            raise AssertionError(finding.why)

    def find(self, pair: Pair, *, caught: tuple[type[Exception], ...] = (Exception,)) -> Finding:
        """What the check comes to; errors that are not *caught* pass on."""
        return graded(self.name, lambda: self.run(pair), caught=caught)


def graded(name: str, work: Callable[[], object], *, caught: tuple[type[Exception], ...] = (Exception,)) -> Finding:
    """What a check of this name comes to, by its *work*; errors that are not *caught* pass on."""
    try:
        said = work()
    except NotApplicable as error:
        return Finding(name, Grade.NOT_APPLICABLE, str(error))
    except (AssertionError, Endless) as error:
        return Finding(name, Grade.FAIL, _first_line(error), _trace(error))
    except caught as error:  # a client or a mock that breaks down keeps no promise
        return Finding(name, Grade.FAIL, f"{type(error).__name__}: {_first_line(error)}", _trace(error))
    return Finding(name, Grade.PASS, said if isinstance(said, str) else "")


def pair_of(
    provider: Provider,
    mock: Provider | None = None,
    samples: Sequence[Sample] | None = None,
    *,
    conduct: Conduct | None = None,
) -> Pair:
    """A client of *provider* and a mock of the same, unless another is given."""
    known = samples_of(provider) if samples is None else samples
    return Pair(provider, provider if mock is None else mock, tuple(known), conduct)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _trace(error: BaseException) -> str:
    """The error as it is shown, with the notes of whoever found it, and where in the check it was raised."""
    places = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "fluxkit" in frame.filename.replace("\\", "/") and frame.name != "same"  # which only compares
    ]
    where = f"\n({places[-1].name}, line {places[-1].lineno})" if places else ""
    said = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, AssertionError):
        said = re.sub(r"\A[\w.]+: ", "", said)
    return f"{said}{where}"


def check_of(kind: str, *needs: str) -> Callable[[Callable[[Pair], None]], Check]:
    """Makes a check of a function of a pair, by its name and docstring.

    It *needs* a sample of each of these kinds; of ``"accepted|polled"``, one of either.
    """

    def make(function: Callable[[Pair], None]) -> Check:
        def run(pair: Pair) -> None:
            for need in needs:
                if not pair.of(*need.split("|")):
                    not_applicable(f"no sample shows {' or '.join(NAMES[kind] for kind in need.split('|'))}")
            function(pair)

        promise, _, meaning = (inspect.getdoc(function) or "").partition("\n\n")
        return Check(
            function.__name__.removeprefix("check_"), " ".join(promise.split()), " ".join(meaning.split()), kind, run
        )

    return make


OneSided = Callable[[Provider, Sequence[Sample]], None]


def of_client(*needs: str) -> Callable[[OneSided], Check]:
    """Makes a check of a function of the client's declaration and the samples."""

    def make(function: OneSided) -> Check:
        return check_of("client", *needs)(
            functools.update_wrapper(lambda pair: function(pair.client, pair.samples), function)
        )

    return make


def of_mock(*needs: str) -> Callable[[OneSided], Check]:
    """Makes a check of a function of the mock's declaration and the samples."""

    def make(function: OneSided) -> Check:
        return check_of("mock", *needs)(
            functools.update_wrapper(lambda pair: function(pair.mock, pair.samples), function)
        )

    return make


#: What a kind of samples shows, in words.
NAMES = {
    "call": "a call",
    "request": "a request",
    "accepted": "an answer to a submit",
    "polled": "an answer to a poll",
    "resulted": "an answer with images",
    "webhook": "a webhook",
    "refused": "a refusal",
    "upload": "an upload",
    "uploaded": "an answer to an upload",
    "aside": "a question beside the tasks",
}
