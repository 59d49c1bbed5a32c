"""Black Forest Labs, the maker of the models: the answer to a submit says where to poll, and on which host.

Facts from the vendor's API reference (mid 2026), unless said otherwise.
"""

from fluxkit.errors import Rejected, Unauthorized
from fluxkit.provider import (
    At,
    Base64,
    Canvas,
    Each,
    Either,
    Flag,
    Form,
    HexHMAC,
    Hosted,
    Key,
    Link,
    Model,
    Money,
    Only,
    PerMegapixel,
    Provider,
    Real,
    Reason,
    Refusal,
    Route,
    Sides,
    Slots,
    State,
    Text,
    Trail,
    Webhook,
    Whole,
    Words,
)

CREDIT = "0.01"
MEGAPIXEL = 1_048_576

SLOTS = ("input_image", *(f"input_image_{number}" for number in range(2, 9)))

# At least 64 by the reference, 256 by a help page. What comes where no size is said ("auto") is not stated.
SIZES = Canvas(range(64, 65_537, 16), range(64, 65_537, 16), max_pixels=4 * MEGAPIXEL)

# Which formats it reads is not stated; these are the ones that it writes.
IMAGE = Either(Base64(["jpeg", "png", "webp"]), Hosted())

COMMON = Form(
    {
        "prompt": At("prompt", Text()),
        "seed": At("seed", Whole()),
        "webhook_url": At("webhook_url", Link()),
        "webhook_secret": At("webhook_secret", Text()),
    },
    need=["prompt"],
)
FLUX_2 = COMMON | Form(
    {
        "size": Sides(),
        "references": Slots(SLOTS, IMAGE),
        "safety_tolerance": At("safety_tolerance", Whole(0, 5), default=2),
        "output_format": At("output_format", Words(["jpeg", "png", "webp"]), default="jpeg"),
    }
)
KLEIN = FLUX_2 | Form({"references": Slots(SLOTS[:4], IMAGE)})
FLEX = FLUX_2 | Form(
    {
        "enhance_prompt": At("prompt_upsampling", Flag(), default=True),
        "guidance": At("guidance", Real(1.5, 10), default=5.0),
        "steps": At("steps", Whole(1, 50), default=50),
    }
)
KONTEXT = COMMON | Form(
    {
        "aspect_ratio": At("aspect_ratio", Text()),  # from 21:9 to 9:21; the pixels of a ratio are not stated
        "references": Slots(SLOTS, IMAGE),
        "safety_tolerance": At("safety_tolerance", Whole(0, 6)),
        "output_format": At("output_format", Words(["jpeg", "png", "webp"]), default="png"),
    }
)

ACCEPTED = Form(
    {
        "id": At("id", Text()),
        "poll_url": At("polling_url", Link()),  # not there if a webhook is asked for
        "cost": At("cost", Money(CREDIT)),
    }
)

TASK = Form(
    {
        "id": At("id", Text()),
        "status": At("status", Text()),
        "images": At("result.sample", Only(Form({"url": At("", Link())}))),
        "seed": At("result.seed", Whole()),
        "reason": Either(At("details.Moderation Reasons", Reason()), At("details", Reason())),
        "cost": At("cost", Money(CREDIT)),
    }
)

EVENT = Form(
    {
        "id": At("id", Text()),
        "status": At("status", Text()),
        "images": At("result.sample", Only(Form({"url": At("", Link())}))),
        "seed": At("result.seed", Whole()),
        "reason": At("message", Reason()),
    }
)

PROBLEM = Form({"name": At("loc", Trail("body")), "reason": At("msg", Text()), "type": At("type", Text())})

BFL = Provider(
    name="bfl",
    base_url="https://api.bfl.ai",
    key=Key(header="x-key", form="{key}"),
    origins=["https://api.*.bfl.ai"],
    models=[
        Model("flux-2-pro", FLUX_2, SIZES, price=PerMegapixel("3", "1.5", CREDIT), delivers="jpeg"),
        Model("flux-2-max", FLUX_2, SIZES, price=PerMegapixel("7", "3", CREDIT), delivers="jpeg"),
        Model("flux-2-flex", FLEX, SIZES, price=PerMegapixel("5", "5", CREDIT), delivers="jpeg"),
        # Whether the price of klein counts the first megapixel is not stated, so it is not known.
        Model("flux-2-klein-4b", KLEIN, SIZES, delivers="jpeg"),
        Model("flux-2-klein-9b", KLEIN, SIZES, delivers="jpeg"),
        Model("flux-kontext-pro", KONTEXT, SIZES, delivers="png"),
        Model("flux-kontext-max", KONTEXT, SIZES, delivers="png"),
    ],
    submit=Route("POST", "/v1/{model}"),
    accepted=ACCEPTED,
    poll=Route("GET", "/v1/get_result", query="id"),
    polled=TASK,
    statuses={
        "Pending": State.RUNNING,  # seen with progress, so it is more than queued
        "Reasoning": State.RUNNING,
        "Generating": State.RUNNING,
        "Ready": State.COMPLETED,
        "Error": State.FAILED,
        "Request Moderated": State.REFUSED,
        "Content Moderated": State.REFUSED,
        "Task not found": State.VANISHED,  # sometimes only for a moment
    },
    answers={"Task not found": 404},
    error=Either(
        Form({"fields": At("detail", Each(PROBLEM))}, need=["fields"]),
        Form({"message": At("detail", Text())}, need=["message"]),
    ),
    refusals=[
        Refusal(403, Unauthorized),
        Refusal(422, Unauthorized, text="Invalid API key format"),
        Refusal(422, Rejected),
    ],
    link_life=600.0,
    webhook=Webhook(EVENT, HexHMAC(header="X-BFL-Signature", prefix="sha256="), retries=[1.0, 5.0, 30.0]),
    samples="shapes:samples/bfl.json",
    source="the vendor's API reference",
)
