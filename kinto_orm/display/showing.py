"""Which picture belongs to what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kinto_orm.display import failures, holdings, listed
from kinto_orm.display.html import diff, framed
from kinto_orm.errors import BatchError, Conflict, KintoError, MergeError
from kinto_orm.plans.accounts import AccountBase
from kinto_orm.plans.batch import Batch
from kinto_orm.plans.changesets import ChangesetBase
from kinto_orm.plans.downloads import Description
from kinto_orm.plans.entries import Entry
from kinto_orm.plans.history import PastBase
from kinto_orm.plans.lists import ListBase
from kinto_orm.plans.monitors import MonitorBase
from kinto_orm.plans.server import User
from kinto_orm.protocol.messages import Request
from kinto_orm.state.changes import Changes
from kinto_orm.state.data import Data
from kinto_orm.state.document import Document
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.principals import PrincipalSet
from kinto_orm.state.tombstones import Tombstone
from kinto_orm.state.values import Elements, Fields

_PICTURES: list[tuple[type, Callable[[Any], str]]] = [
    (Document, holdings.document),
    (Data, holdings.data),
    (Permissions, holdings.permissions),
    (PrincipalSet, holdings.members),
    (Changes, holdings.changes),
    (Entry, holdings.entry),
    (AccountBase, holdings.account),
    (ChangesetBase, listed.changeset),
    (ListBase, listed.unread),
    (MonitorBase, listed.unread),
    (PastBase, listed.past),
    (Batch, holdings.batch),
    (Description, holdings.attachment),
    (User, holdings.user),
    (Request, holdings.request),
    (Tombstone, holdings.tombstone),
    (Fields, holdings.nested),
    (Elements, holdings.nested),
    (Conflict, failures.conflict),
    (MergeError, failures.merge_error),
    (BatchError, failures.batch_error),
    (KintoError, failures.error),
]


def html(thing: Any) -> str:
    """Something that a user holds as HTML; what has no picture of its own, as it prints."""
    for kind, picture in _PICTURES:
        if isinstance(thing, kind):
            return picture(thing)
    return printed(thing)


def printed(thing: Any) -> str:
    """What prints in several lines, the first of which is its heading."""
    text = repr(thing)
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    title, _, rest = text.partition("\n")
    return framed(title, diff(rest) if rest else "")
