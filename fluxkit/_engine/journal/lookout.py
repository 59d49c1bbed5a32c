"""Who waits for tasks of which another process may hear first: what that one has noted wakes those who wait here.

A webhook reaches one process. It notes in the journal what the service has proved, and the writers of all others look
there about once a second while somebody waits: SQLite says whether anybody else has written the file at all
(https://sqlite.org/pragma.html#pragma_data_version), so mostly that is one number. No service is asked because of it.
"""

from typing import Final

import attrs

from ..._contract.journal import Row
from ..._contract.task import Snapshot
from ..event import Event
from ..follow import GONE
from ..mailbox import Mailbox

#: How many seconds apart the file is looked at while somebody waits.
LOOK: Final = 1.0


@attrs.frozen
class Lookout:
    """One client that waits: its mailbox, and whose tasks are delivered there."""

    mailbox: Mailbox
    provider: str
    base_url: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that somebody waits for."""
        return self.mailbox.awaited

    def tell(self, row: Row, now: float) -> None:
        """Wakes whoever waits for the task of a row that has ended.

        An end without an image is all that there is to say. Of any other the service is asked, because links to images
        stand in no journal: that poll is due anyway, and comes at once.
        """
        task = row.draft
        snapshot = Snapshot(task.state, task.status, task.id)
        sure = task.state in GONE
        self.mailbox.deliver(Event(self.provider, snapshot, f"journal {row.row}", now, signed=sure))
