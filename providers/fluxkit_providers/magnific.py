"""Magnific, and Freepik, the older face of the same service.

Facts from https://docs.magnific.com/api-reference (mid 2026) and from the pages of the models there.
"""

import attrs

from fluxkit.errors import Broken, OutOfCredit, Vanished
from fluxkit.provider import (
    Anything,
    Aside,
    At,
    Base64,
    Canvas,
    Colour,
    Each,
    Either,
    First,
    Flag,
    Form,
    Grid,
    Hosted,
    Key,
    Link,
    Model,
    Only,
    Pair,
    Provider,
    Ratios,
    Real,
    Reason,
    Refusal,
    Route,
    Scale,
    Sides,
    Slots,
    StandardWebhook,
    State,
    Text,
    Upload,
    Webhook,
    Whole,
    Words,
)

PRESETS = {
    "1:1": (1024, 1024),
    "4:3": (1280, 960),
    "3:4": (960, 1280),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "2:1": (1408, 704),
    "1:2": (704, 1408),
    "4:5": (896, 1152),
}

ASPECTS = {
    "1:1": "square_1_1",
    "4:3": "classic_4_3",
    "3:4": "traditional_3_4",
    "16:9": "widescreen_16_9",
    "9:16": "social_story_9_16",
    "3:2": "standard_3_2",
    "2:3": "portrait_2_3",
    "2:1": "horizontal_2_1",
    "1:2": "vertical_1_2",
    "4:5": "social_post_4_5",
}

SLOTS = ("input_image", "input_image_2", "input_image_3", "input_image_4")

COMMON = Form(
    {
        "prompt": At("prompt", Text()),
        "seed": At("seed", Whole(0, 4294967295)),
        "webhook_url": At("webhook_url", Link()),
    },
    need=["prompt"],
)

# The names of the ratios are documented for these models, and no page says how many pixels they stand for.
RATIOS = Ratios(ASPECTS, default="1:1")
RATIO = Form({"size": At("aspect_ratio", Words(ASPECTS), default="1:1")})

FORMAT = Form({"output_format": At("output_format", Words(["png", "jpeg"]))})
TOLERANCE = Form({"safety_tolerance": At("safety_tolerance", Whole(0, 6), default=2)})

KLEIN = Model(
    name="flux-2-klein",
    sizes=Grid(
        {"1K": PRESETS, "2K": Scale(times=2, most=2048, step=16)},
        default=("1:1", "1K"),
        # The page says "aligned to multiples of 16" without a direction, and these three depend on it.
        inferred=[("2:3", "2K"), ("3:2", "2K"), ("4:5", "2K")],
    ),
    request=COMMON
    | Form(
        {
            "size": Pair(
                At("aspect_ratio", Words(ASPECTS), default="1:1"),
                At("resolution", Words({"1K": "1k", "2K": "2k"}), default="1K"),
            ),
            "references": Slots(SLOTS, Base64(["jpeg", "png"])),
            "safety_tolerance": At("safety_tolerance", Whole(0, 5), default=2),
        }
    )
    | FORMAT,
    duration=1.0,  # "sub-second"
    delivers="jpeg",  # seen on the live service; no page states a default
)

SIDES = range(256, 1441)
SIDE = Whole(SIDES[0], SIDES[-1])

PRO = Model(
    name="flux-2-pro",
    sizes=Canvas(width=SIDES, height=SIDES, default=(1024, 768)),
    request=COMMON
    | Form(
        {
            "size": Pair(At("width", SIDE, default=1024), At("height", SIDE, default=768)),
            "references": Slots(SLOTS, Base64(["jpeg", "png", "webp"])),
            "enhance_prompt": At("prompt_upsampling", Flag(), default=False),
        }
    ),
)

LARGE = range(512, 2049)

TURBO = Model(
    name="flux-2-turbo",
    sizes=Canvas(width=LARGE, height=LARGE, default=(1024, 1024)),
    request=COMMON
    | Form(
        {
            "size": At("image_size", Sides(), default=(1024, 1024)),
            "output_format": At("output_format", Words(["png", "jpeg"]), default="png"),
            "guidance_scale": At("guidance_scale", Real(1, 20), default=2.5),
            "enable_safety_checker": At("enable_safety_checker", Flag(), default=True),
        }
    ),
)

KONTEXT = Model(
    name="flux-kontext-pro",
    sizes=RATIOS,
    request=COMMON
    | RATIO
    | TOLERANCE
    | FORMAT
    | Form(
        {
            "references": At("input_image", Only(Hosted())),
            "enhance_prompt": At("prompt_upsampling", Flag(), default=False),
            "guidance": At("guidance", Real(1, 10), default=3),
            "steps": At("steps", Whole(1, 100), default=50),
        }
    ),
)

PRO_1_1 = Model(
    name="flux-pro-v1-1",
    sizes=RATIOS,
    request=COMMON | RATIO | TOLERANCE | FORMAT | Form({"enhance_prompt": At("prompt_upsampling", Flag())}),
)

EFFECTS = Form(
    {
        "color": At("color", Words(["softhue", "b&w", "goldglow", "vibrant", "coldneon"])),
        "framing": At("framing", Words(["portrait", "lowangle", "midshot", "wideshot", "tiltshot", "aerial"])),
        "lightning": At(
            "lightning",
            Words(["iridescent", "dramatic", "goldenhour", "longexposure", "indorlight", "flash", "neon"]),
        ),
    }
)
COLOR = Form({"color": At("color", Colour()), "weight": At("weight", Real(0.05, 1))}, need=["color", "weight"])

# Nothing is required by these two, not even a prompt.
STYLED = RATIO | Form(
    {
        "prompt": At("prompt", Text()),
        "seed": At("seed", Whole(1, 4294967295)),
        "webhook_url": At("webhook_url", Link()),
        "styling": At(
            "styling",
            Form({"effects": At("effects", EFFECTS), "colors": At("colors", Each(COLOR, most=5, fewest=1))}),
        ),
    }
)

DEV = Model(name="flux-dev", sizes=RATIOS, request=STYLED)
HYPER = Model(name="hyperflux", sizes=RATIOS, request=STYLED)

TASK = Form(
    {
        "id": At("task_id", Text()),
        "status": At("status", Text()),
        "images": At("generated", Each(Form({"url": At("", Link())}))),
        "reason": At("error", Reason()),
    }
)

PROBLEM = Form({"name": At("name", Text()), "reason": At("reason", Text())})
ERROR = Form({"message": At("message", Text()), "fields": At("invalid_params", Each(PROBLEM))}, need=["message"])

UPLOAD = Upload(
    Route("POST", "/v1/ai/uploads/request-url"),
    At(
        "files",
        First(
            Form(
                {
                    "put": At("upload_url", Link()),
                    "headers": At("headers", Anything()),
                    "url": At("asset_url", Link()),
                    "id": At("file_id", Text()),
                    "put_life": At("expires_in", Whole()),
                    "life": At("asset_url_expires_in", Whole()),
                }
            )
        ),
    ),
    ["jpeg", "png", "webp"],  # no page says which types are taken; these are the types that the models read
    ticket=At("files", First(Form({"media_type": At("content_type", Text())}, need=["media_type"]))),
    life=86400.0,
)

MAGNIFIC = Provider(
    name="magnific",
    base_url="https://api.magnific.com",
    key=Key(header="x-magnific-api-key", form="{key}"),
    models=[KLEIN, PRO, TURBO, KONTEXT, PRO_1_1, DEV, HYPER],
    submit=Route("POST", "/v1/ai/text-to-image/{model}"),
    poll=Route("GET", "/v1/ai/text-to-image/{model}/{id}"),
    accepted=Either(At("data", TASK), TASK),  # the guides print the inner object, the reference and the service wrap it
    statuses={
        "CREATED": State.CREATED,
        "IN_PROGRESS": State.RUNNING,
        "COMPLETED": State.COMPLETED,
        "FAILED": State.FAILED,
        "CANCELLED": State.CANCELLED,
    },
    error=Either(ERROR, At("problem", ERROR)),
    refusals=[
        Refusal(402, OutOfCredit),
        Refusal(429, OutOfCredit, text="limit of the free trial usage"),
        Refusal(503, Broken, text="Service Unavailable. Please try again later"),
    ],
    not_found=[Refusal(404, Vanished)],
    # The list was answered 404 once; the mock has a switch for that.
    listing=Aside(
        Route("GET", "/v1/ai/text-to-image/{model}"),
        At("data", Each(Form({"id": At("task_id", Text()), "status": At("status", Text())}))),
    ),
    link_life=3600.0,  # not documented; about an hour in one log
    upload=UPLOAD,
    # Three of the vendor's four examples take the secret as it is, the fourth decodes it first.
    webhook=Webhook(TASK, StandardWebhook(keys=["text", "base64"]), every=True),
    samples="fluxkit_providers:samples/magnific.json",
    source="https://docs.magnific.com/api-reference",
)

FREEPIK = attrs.evolve(
    MAGNIFIC,
    name="freepik",
    base_url="https://api.freepik.com",
    key=Key(header="x-freepik-api-key", form="{key}"),
)
