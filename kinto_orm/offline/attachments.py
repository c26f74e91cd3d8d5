"""Files of records that are kept beside the database."""

from __future__ import annotations

from kinto_orm.errors import NotLoaded
from kinto_orm.offline.kept import Kept
from kinto_orm.plans.effects import Fetch
from kinto_orm.protocol.messages import Response


def deliver(kept: Kept, file: Fetch) -> Response:
    """Feed a kept file into a sink; :class:`NotLoaded` where it is not kept."""
    raise NotLoaded(
        f"{file.url} is not kept here; download it from the server's own collection, or "
        "keep(…, attachments=folder)"
    )
