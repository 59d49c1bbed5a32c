"""The table of everything that a profile may hold. Files, errors, ``init``, ``doctor`` and the page read it here."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from . import forms
from .forms import Form
from .source import Level

FILES = (Level.PROJECT, Level.PYPROJECT, Level.USER)


@attrs.frozen(eq=False)
class Key:
    """One key of a profile.

    *allowed* is what it may be, in words; *default* what holds without it; *about* what it does; *example* a line for
    a file. *argument* is the client's argument that it becomes, *option* that of the command line, if there is one.
    *files* are those that may hold it. One that is *bound* to the provider, or to the model, says nothing of another
    one than that beside which it stands. A *secret* is never shown. *idle* are the values that ask for nothing, and so
    are also kept by a version whose client has no such argument.
    """

    name: str
    form: Form
    allowed: str
    default: str
    about: str
    example: str
    argument: str | None = None
    option: str | None = attrs.field(default=None, kw_only=True)
    files: tuple[Level, ...] = attrs.field(default=FILES, kw_only=True)
    bound: Literal["", "provider", "model"] = attrs.field(default="", kw_only=True)
    secret: bool = attrs.field(default=False, kw_only=True)
    idle: tuple[Any, ...] = attrs.field(default=(), kw_only=True)


KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key(
            "provider",
            forms.provider,
            '`"provider:model"`, or `"provider"` with `model`',
            "none",
            "Who makes the images, and with which model.",
            'provider = "magnific:flux-2-pro"',
            "provider",
            option="-p",
        ),
        Key(
            "model",
            forms.text("a model's name", r"\S+"),
            "a model's name",
            "none",
            "The model, where `provider` names none.",
            'model = "flux-2-pro"',
            "provider",
            option="-p",
        ),
        Key(
            "key",
            forms.secret('"env:NAME", the variable that holds it'),
            '`"env:NAME"`, or in the user\'s file the key itself',
            "`FLUXKIT_<PROVIDER>_KEY`",
            "The variable that holds the key. In a project's file its name begins with `FLUXKIT_`.",
            'key = "env:FLUXKIT_MAGNIFIC_KEY"',
            "key",
            option="--key-file",
            bound="provider",
            secret=True,
        ),
        Key(
            "base_url",
            forms.base_url,
            "`https://host/path`",
            "where the declaration says",
            "Where the service is. The key goes there, if this place is trusted as far as the key's.",
            'base_url = "https://api.magnific.com"',
            "base_url",
            option="--base-url",
            bound="provider",
        ),
        Key(
            "mock",
            forms.flag(),
            "`true` or `false`",
            "`false`",
            "A mock in this process answers: no key, no network, nothing bought.",
            "mock = false",
            "mock",
            option="--offline",
        ),
        Key(
            "defaults",
            forms.defaults,
            f"a table of {', '.join(f'`{field}`' for field in forms.IN_DEFAULTS)}",
            "none",
            "Fields of a request that hold where a call says nothing.",
            'defaults = { aspect = "16:9", resolution = "1K" }',
            "defaults",
        ),
        Key(
            "fit",
            forms.fit(),
            '`"close"`, `"exact"` or `"nearest"`',
            '`"close"`',
            "Which size will do: a ratio within 2 %, no other, or the nearest.",
            'fit = "close"',
            "fit",
            option="--fit",
        ),
        Key(
            "unsupported",
            forms.unsupported,
            '`"refuse"`, or a table of wishes, each `"drop"` or `"refuse"`',
            '`"refuse"`',
            "Wishes to go on without where the model cannot fulfil them.",
            'unsupported = { seed = "drop" }',
            "unsupported",
            option="--drop",
        ),
        Key(
            "timeouts",
            forms.timeouts,
            "`{ total = SECONDS, call = SECONDS }`",
            "`{ total = 300, call = 60 }`",
            "How long a request and its wait may take in all, and one call to the service.",
            "timeouts = { total = 300, call = 60 }",
            option="--timeout",
        ),
        Key(
            "price",
            forms.price,
            '`"0.03 USD"`, or a table of resolutions',
            "what the declaration says, or unknown",
            "What an image costs, where you know better than the declaration.",
            'price = "0.03 USD"',
            "price",
            bound="model",
        ),
        Key(
            "budget",
            forms.money(),
            '`"5 USD"`',
            "none",
            "What may be spent in one day (UTC), by all that share the journal. Prices must be known then.",
            'budget = "5 USD"',
            "budget",
            option="--budget",
        ),
        Key(
            "webhook_url",
            forms.webhook_url,
            "an http(s) address",
            "none",
            "Where the service reports the end of a task, too.",
            'webhook_url = "https://hooks.example/fluxkit"',
            option="--webhook-url",
        ),
        Key(
            "webhook_secret",
            forms.secret('"env:NAME", the variable that holds it'),
            '`"env:NAME"`, or in the user\'s file the secret itself',
            "none",
            "The variable that holds the secret with which webhooks are signed. Where a request tells it, it is sent.",
            'webhook_secret = "env:FLUXKIT_WEBHOOK_SECRET"',
            "webhook_secret",
            bound="provider",
            secret=True,
        ),
        Key(
            "journal",
            forms.text('a path, "off" or "memory"'),
            'a path, or `"off"` or `"memory"`, with which it is forgotten with the client',
            "the user's own; of a mock none on disk",
            "Where it is noted what is bought, so that nothing paid is lost when the process dies.",
            'journal = "tasks.sqlite"',
            "journal",
            option="--journal",
        ),
        Key(
            "idempotency",
            forms.one_of("off", "trust"),
            '`"off"` or `"trust"`',
            '`"off"`',
            "Whether a submit whose answer was lost is sent again with its key, at a service that declares one.",
            'idempotency = "off"',
            "idempotency",
            option="--idempotency",
            bound="provider",
            idle=("off",),
        ),
        Key(
            "proxy",
            forms.proxy,
            "an http or https address",
            "what the environment says",
            "The way to every host but this machine.",
            'proxy = "http://proxy.example:3128"',
            "proxy",
        ),
        Key(
            "allow_hosts",
            forms.hosts,
            "a list of host names",
            "none",
            "Private hosts from which references may be fetched.",
            'allow_hosts = ["images.internal"]',
            "allow_hosts",
            files=(Level.USER,),
        ),
        Key(
            "insecure_http",
            forms.flag(),
            "`true` or `false`",
            "`false`",
            "Lets `base_url` be http to another machine, such as a mock in another container.",
            "insecure_http = false",
            "insecure_http",
        ),
    )
}
