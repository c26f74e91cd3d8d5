"""Collections in a file: the same classes and verbs, offline, brought together by ``sync()``.

Here belong the file, the driver that answers from it, and the plans of a sync. What a verb
sends, how versions are merged and how lists are read is decided in ``plans`` and ``state``.
"""

from kinto_orm.offline.mirror import Mirror
from kinto_orm.offline.status import Status
from kinto_orm.offline.views import KeptConflict, Pending, Report

__all__ = ["KeptConflict", "Mirror", "Pending", "Report", "Status"]
