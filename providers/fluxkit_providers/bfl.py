"""Black Forest Labs, the maker of the models: the answer to a submit says where to poll, and on which host.

Facts from https://docs.bfl.ai (mid 2026), those of webhooks from https://github.com/black-forest-labs/skills.

Not known, and so not declared: what size comes where none is asked for ("auto"), how long a task takes, what Kontext
costs, and in which words too many tasks at once are refused (over 24, of kontext-max over 6).
"""

from fluxkit.errors import Rejected, Unauthorized
from fluxkit.provider import (
    Aside,
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
    Ratios,
    Real,
    Reason,
    Refusal,
    Route,
    Sides,
    Slots,
    State,
    Tagged,
    Text,
    Trail,
    Webhook,
    Whole,
    Words,
)

CREDIT = "0.01"
MEGAPIXEL = 1_048_576

SLOTS = ("input_image", *(f"input_image_{number}" for number in range(2, 9)))

# At least 64 by the reference (256 by a help page), in multiples of 16, and no page says where a side ends: 16,383 is
# the longest that WebP can hold, which is one of the formats. 0 for both, like none, leaves the size to the service;
# what becomes of 0 beside a side is not stated.
SIDE = range(64, 16_384, 16)
SIZES = Canvas(SIDE, SIDE, max_pixels=4 * MEGAPIXEL)

# Any ratio from 21:9 to 9:21 is taken as text; these are the usual ones. No page says how many pixels they stand for.
ASPECTS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "9:21")

# Which formats it reads is not stated; these are the ones that it writes.
IMAGE = Either(Base64(["jpeg", "png", "webp"]), Hosted())
FORMATS = Words(["jpeg", "png", "webp"])

COMMON = Form(
    {
        "prompt": At("prompt", Text()),
        "seed": At("seed", Whole()),
        "references": Slots(SLOTS, IMAGE),
        "webhook_url": At("webhook_url", Link()),
        "webhook_secret": At("webhook_secret", Text()),
    },
    need=["prompt"],
)
FLUX_2 = COMMON | Form(
    {
        "size": Sides(auto=0),
        "safety_tolerance": At("safety_tolerance", Whole(0, 5), default=2),
        "output_format": At("output_format", FORMATS, default="jpeg"),
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
        "size": At("aspect_ratio", Words(ASPECTS)),
        "safety_tolerance": At("safety_tolerance", Whole(0, 6)),
        "output_format": At("output_format", FORMATS, default="png"),
    }
)

# A link in place of a list, which is one image.
IMAGES = At("result.sample", Only(Form({"url": At("", Link())})))

TASK = Form(
    {
        "id": At("id", Text()),
        "status": At("status", Text()),
        "images": IMAGES,
        "seed": At("result.seed", Whole()),
        # Of a request that was moderated there are reasons in it; what else may stand there is not stated.
        "reason": Either(At("details.Moderation Reasons", Reason()), At("details", Reason())),
        "cost": At("cost", Money(CREDIT)),
    }
)

EVENT = Form(
    {
        "id": At("id", Text()),
        "status": Tagged(At("status", Text()), At("error", Text())),
        "images": IMAGES,
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
        Model("flux-2-pro", FLUX_2, SIZES, price=PerMegapixel("3", "1.5", CREDIT)),
        Model("flux-2-max", FLUX_2, SIZES, price=PerMegapixel("7", "3", CREDIT)),
        Model("flux-2-flex", FLEX, SIZES, price=PerMegapixel("5", "5", CREDIT)),
        Model("flux-2-klein-4b", KLEIN, SIZES, price=PerMegapixel("1.4", "0.1", CREDIT)),
        Model("flux-2-klein-9b", KLEIN, SIZES, price=PerMegapixel("1.5", "0.2", CREDIT)),
        Model("flux-kontext-pro", KONTEXT, Ratios(ASPECTS)),
        Model("flux-kontext-max", KONTEXT, Ratios(ASPECTS)),
    ],
    submit=Route("POST", "/v1/{model}"),
    accepted=Form(
        {
            "id": At("id", Text()),
            "poll_url": At("polling_url", Link()),
            "cost": At("cost", Money(CREDIT)),
        }
    ),
    poll=Route("GET", "/v1/get_result", query="id"),
    polled=TASK,
    statuses={
        "Pending": State.RUNNING,  # seen with progress, so it is more than queued
        "Reasoning": State.RUNNING,
        "Generating": State.RUNNING,
        "Ready": State.COMPLETED,
        "Error": State.FAILED,
        "Error:content_policy_violation": State.REFUSED,  # in a webhook; a poll has words of its own for this
        "Error:*": State.FAILED,
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
    balance=Aside(Route("GET", "/v1/credits"), Form({"balance": At("credits", Money(CREDIT))})),
    link_life=600.0,
    webhook=Webhook(
        EVENT,
        HexHMAC(header="x-bfl-signature", prefix="sha256="),
        accepted=Form(
            {"id": At("id", Text()), "status": At("status", Text()), "webhook_url": At("webhook_url", Link())}
        ),
        retries=[1.0, 5.0, 30.0],
    ),
    samples="fluxkit_providers:samples/bfl.json",
    source="https://docs.bfl.ai",
)
