"""What was recorded of a service, held against its mock and its samples as they are now: offline, in a test."""

import os

from .._wire.declaration import Provider
from .canary import drifts_of_record
from .drift import Drift, judged, read_allowances
from .trace import Trace, read_trace
from .tracing import this_day


def check_trace(
    trace: Trace | str | os.PathLike[str],
    *,
    provider: Provider | None = None,
    allow: str | os.PathLike[str] | None = None,
) -> tuple[Drift, ...]:
    """Asserts that the mock and the samples of a service show what was recorded of it.

    ::

        def test_the_mock_is_what_we_saw():
            check_trace("trace.json", allow="drift.toml")

    Args:
        trace: What ``fluxkit verify --live --record`` has written, or the file with it.
        provider: The declaration, if it is not that of the installed provider of which the trace is.
        allow: The file of known drift.

    Returns:
        What drifts and is allowed today.

    Raises:
        AssertionError: Something drifts that is not allowed, or not any more; each is named.
        SettingsError: A file cannot be read, or the trace is of something that cannot be asked for today.
        PluginError: The provider cannot be loaded.
    """
    seen = trace if isinstance(trace, Trace) else read_trace(os.fspath(trace))
    if provider is None:
        from .._plugins import installed

        provider = installed().provider(seen.provider)
    allowances = read_allowances(None if allow is None else os.fspath(allow))
    judgement = judged(drifts_of_record(provider, seen), allowances.get(seen.provider, ()), this_day())
    if judgement.failed:
        raise AssertionError(f"{seen.provider} drifts from its mock:\n" + "\n".join(judgement.lines))
    return tuple(drift for drift, _ in judgement.allowed)
