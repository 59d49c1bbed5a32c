"""Bad providers: each does one thing that no provider may do, and names the checks that must notice it.

That the checks pass on good providers says little; that each of these fails, and fails where it should, says what the
checks are worth. They are made of any good declaration: some change what the client is declared to do, with a codec, a
signature or a table that a plugin might bring, the others how it carries out what it decides, by a *conduct*.
"""

from collections.abc import Callable, Iterable

import attrs

from .._wire.declaration import Provider
from . import misconduct, misdeclared
from .conduct import Conduct


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@attrs.frozen(eq=False)
class Bad:
    """A way to be bad: what it is *about*, and the checks that it *fails*, no more and no fewer.

    *made* makes the client's declaration of a good one. *conduct* is how the client carries out what it decides.
    """

    name: str
    about: str
    fails: frozenset[str] = attrs.field(converter=_names)
    made: Callable[[Provider], Provider] = attrs.field(default=lambda provider: provider)
    conduct: Conduct | None = None


def _ill_behaved(conduct: Conduct, *fails: str) -> Bad:
    return Bad(conduct.__name__, " ".join((conduct.__doc__ or "").split()), fails, conduct=conduct)


#: What fails where a client goes on after its deadline.
FOR_EVER = (
    "both_agree_on_refusals",
    "every_status_has_an_end",
    "billed_once_under_every_fault",
    "what_is_paid_is_fetched",
    "what_never_ends_is_overdue",
    "polls_are_bounded",
    "both_clients_do_the_same",
)

#: What fails where a task does not come to its end.
NO_RESULT = (
    "both_understand_every_spelling",
    "both_follow_links_to_the_image",
    "both_follow_a_task_whose_webhook_is_lost",
    "what_never_ends_is_overdue",
)

#: What fails where no image is fetched.
NO_IMAGE = (
    "key_stays_home_on_links",
    "base_url_is_all_that_is_called",
    "links_go_out_byte_for_byte",
    "what_is_paid_is_fetched",
    "task_survives_json",
    "task_survives_another_process",
)

BAD: tuple[Bad, ...] = (
    _ill_behaved(
        misconduct.posts_twice,
        "both_understand_every_spelling",
        "both_agree_on_refusals",
        "both_follow_a_task_whose_webhook_is_lost",
        "every_refusal_is_an_error_that_says_what_it_cost",
        "no_answer_to_a_poll_loses_the_task",
        "billed_once_under_every_fault",
        "no_sure_way_to_a_lost_task_without_a_sample",
    ),
    _ill_behaved(
        misconduct.repeats_what_was_lost,
        "both_agree_on_refusals",
        "billed_once_under_every_fault",
        "no_sure_way_to_a_lost_task_without_a_sample",
    ),
    _ill_behaved(misconduct.adopts_on_a_guess, "no_sure_way_to_a_lost_task_without_a_sample"),
    _ill_behaved(
        misconduct.follows_redirects, "every_refusal_is_an_error_that_says_what_it_cost", "key_stays_home_on_redirects"
    ),
    _ill_behaved(misconduct.shows_the_key_to_hosts_of_images, "key_stays_home_on_links"),
    _ill_behaved(misconduct.tells_the_key, "key_is_in_nothing_that_is_kept_or_shown"),
    _ill_behaved(
        misconduct.asks_at_a_host_of_its_own,
        *NO_RESULT,
        *NO_IMAGE,
        "both_agree_on_refusals",
        "key_stays_home_on_redirects",
        "retry_after_is_honoured",
    ),
    _ill_behaved(misconduct.waits_for_ever, *FOR_EVER, "a_dripping_answer_ends"),
    _ill_behaved(misconduct.trusts_each_byte, "a_dripping_answer_ends"),
    _ill_behaved(misconduct.never_rests, "polls_are_bounded", "retry_after_is_honoured"),
    _ill_behaved(misconduct.blocks_the_loop, "the_event_loop_is_not_blocked"),
    _ill_behaved(misconduct.tidies_links, "links_go_out_byte_for_byte"),
    _ill_behaved(misconduct.gives_images_up, *NO_IMAGE),
    _ill_behaved(misconduct.holds_what_it_sends, "memory_is_bounded_while_references_are_sent"),
    Bad(
        "drops_the_size",
        "Takes a size and does not send it.",
        ("every_field_is_made_as_it_was_reported", "sizes_lie_in_the_declared_space"),
        misdeclared.silent_about("size"),
    ),
    Bad(
        "drops_the_seed",
        "Takes a seed and does not send it.",
        ("every_field_is_made_as_it_was_reported",),
        misdeclared.silent_about("seed"),
    ),
    Bad(
        "believes_anything",
        "Takes any webhook for the service's own.",
        ("webhooks_are_believed_if_they_are_proved",),
        misdeclared.believing_anything,
    ),
    Bad(
        "gives_up_what_runs",
        "Takes a task that runs for one that has failed.",
        (
            *(name for name in NO_IMAGE if name != "what_is_paid_is_fetched"),
            "both_understand_every_spelling",
            "every_status_has_an_end",
            "what_never_ends_is_overdue",
        ),
        misdeclared.giving_up_what_runs,
    ),
    Bad(
        "misses_nothing",
        "Takes a task that is not there for a wrong request.",
        ("both_agree_on_refusals", "what_is_paid_is_fetched"),
        misdeclared.without_not_found,
    ),
)
