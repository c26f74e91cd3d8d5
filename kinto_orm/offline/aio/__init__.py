"""Mirrors, awaited: ``from kinto_orm.offline.aio import Mirror`` (extra ``async``).

The same file, with the same verbs, for the collections of a :class:`kinto_orm.aio.Connection`.
Whatever waits for the network or for the file is awaited, and the loop waits for neither.
"""

from kinto_orm.offline.aio.mirror import Mirror
from kinto_orm.offline.aio.views import KeptConflict, Pending, Report
from kinto_orm.offline.status import Status

__all__ = ["KeptConflict", "Mirror", "Pending", "Report", "Status"]
