"""APIMart's Flux 2.0 by URL; other hosts resell it unchanged, so the base URL is configuration.

Facts from https://docs.apimart.ai (mid 2026): the page of flux-2-flex and flux-2-pro, and those of tasks, uploads and
webhooks.
"""

from fluxkit.errors import Broken, RateLimited, Rejected, Vanished
from fluxkit.provider import (
    Aside,
    At,
    Each,
    Either,
    First,
    Fixed,
    Flag,
    Form,
    Grid,
    Hosted,
    Idempotency,
    Link,
    Model,
    Money,
    Pair,
    Provider,
    Real,
    Reason,
    Refusal,
    Route,
    State,
    Text,
    Unsigned,
    Upload,
    Webhook,
    Whole,
    With,
    Words,
)

ASPECTS = ("1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3")

SIZES = Grid(
    {
        "1K": {
            "1:1": (1440, 1440),
            "4:3": (1664, 1248),
            "3:4": (1248, 1664),
            "16:9": (1920, 1080),
            "9:16": (1080, 1920),
            "3:2": (1728, 1152),
            "2:3": (1152, 1728),
        },
        "2K": {
            "1:1": (1536, 1536),
            "4:3": (1824, 1368),
            "3:4": (1368, 1824),
            "16:9": (2048, 1152),
            "9:16": (1152, 2048),
            "3:2": (1872, 1248),
            "2:3": (1248, 1872),
        },
    },
    default=("1:1", "1K"),
)

REQUEST = Form(
    {
        "prompt": At("prompt", Text()),
        "size": Pair(
            At("size", Words(ASPECTS), default="1:1"),
            At("resolution", Words({"1K": ("1K", "1k"), "2K": ("2K", "2k")}), default="1K"),
        ),
        "references": At("image_urls", Each(Hosted(), most=8)),
        "webhook_url": At("webhook", Link()),  # on the page of webhooks, which is newer than that of the models
    },
    need=["prompt"],
)

IMAGE = Form(
    {
        "url": At("url", Either(First(Link()), Link())),  # a list of one address; once it was the address itself
        "expires_at": At("expires_at", Whole()),
    }
)

TASK = Form(
    {
        "id": At("id", Text()),
        "status": At("status", Text()),
        "progress": At("progress", Real()),
        "images": At("result.images", Each(IMAGE)),
        "reason": At("error", Reason()),
        "cost": At("cost", Money()),
    }
)

UPLOAD = Upload(
    Route("POST", "/v1/uploads/images"),
    Form(
        {
            "url": At("url", Link()),
            "name": At("filename", Text()),
            "media_type": At("content_type", Text()),
            "size": At("bytes", Whole()),
            "created_at": At("created_at", Whole()),
        }
    ),
    ["jpeg", "png", "webp", "gif"],
    field="file",
    most=20_971_520,
    life=259_200.0,  # 72 h
)

APIMART = Provider(
    name="apimart",
    base_url="https://api.apimart.ai",
    models=[
        Model(name=name, sizes=SIZES, request=With(REQUEST, Fixed("model", name)), duration=19.0, delivers="png")
        for name in ("flux-2-flex", "flux-2-pro")
    ],
    submit=Route("POST", "/v1/images/generations"),
    poll=Route("GET", "/v1/tasks/{id}"),
    accepted=At("data", First(Form({"id": At("task_id", Text()), "status": At("status", Text())}))),
    polled=At("data", TASK),
    statuses={
        "submitted": State.CREATED,
        "pending": State.CREATED,
        "processing": State.RUNNING,
        "in_progress": State.RUNNING,
        "completed": State.COMPLETED,
        "failed": State.FAILED,
        "cancelled": State.CANCELLED,
    },
    error=At("error", Form({"message": At("message", Text()), "type": At("type", Text())}, need=["message"])),
    refusals=[Refusal(503, Broken, type="service_unavailable")],
    not_found=[Refusal(400, Vanished, text="Invalid task ID"), Refusal(404, Vanished)],
    link_life=86400.0,
    upload=UPLOAD,
    balance=Aside(
        Route("GET", "/v1/balance"),
        With(
            Form(
                {
                    "balance": At("remain_balance", Either(Money(), Whole(-1, -1))),
                    "used": At("used_balance", Money()),
                    "unlimited": At("unlimited_quota", Flag()),
                }
            ),
            Fixed("success", True),
        ),
    ),
    webhook=Webhook(TASK, Unsigned(), suffix="/callback", retries=[10.0, 30.0, 60.0], timeout=10.0),
    # Newer than the pages of the models, and promised by no host that resells them.
    idempotency=Idempotency(
        "Idempotency-Key",
        life=86400.0,
        replayed="Idempotency-Replayed",
        busy=Refusal(409, RateLimited, type="idempotency_in_progress"),
        reused=Refusal(409, Rejected, type="idempotency_key_reused"),
    ),
    request_id="x-oneapi-request-id",
    samples="fluxkit_providers:samples/apimart.json",
    source="https://docs.apimart.ai",
)
