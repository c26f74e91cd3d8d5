"""Kinto's objects as Python objects: buckets, collections, groups and records."""

import importlib
import sys
import typing

from kinto_orm import early as _early  # noqa: F401
from kinto_orm import pickles as _pickles
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.errors import (
    BadRequest,
    BatchError,
    BucketNotFound,
    CapabilityMissing,
    CollectionNotFound,
    Conflict,
    ConnectionFailed,
    DeletedError,
    Forbidden,
    Gone,
    GroupNotFound,
    IntegrityError,
    InvalidData,
    InvalidId,
    InvalidResponse,
    KintoError,
    MergeError,
    MirrorError,
    NotFound,
    NotLoaded,
    PermissionsHidden,
    RateLimited,
    ReadTimeout,
    RecordNotFound,
    ResponseError,
    ReviewForbidden,
    ReviewNotPossible,
    ReviewRefused,
    ServerError,
    ServiceUnavailable,
    TooLarge,
    TransportError,
    Unauthorized,
    ValidationError,
    Violation,
)
from kinto_orm.objects.bucket import Bucket
from kinto_orm.objects.collection import Collection
from kinto_orm.objects.connection import Connection
from kinto_orm.objects.group import Group
from kinto_orm.objects.listing import Listing
from kinto_orm.objects.record import Record
from kinto_orm.objects.resource import Resource
from kinto_orm.plans.server import User
from kinto_orm.state.data import Data
from kinto_orm.state.members import Members
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.principals import Authenticated, Everyone, Principals
from kinto_orm.version import __version__

if typing.TYPE_CHECKING:
    from kinto_orm.network.auth import BearerTokenAuth
    from kinto_orm.network.browser_login import BrowserOAuth
    from kinto_orm.network.notices import ServerDeprecationWarning
    from kinto_orm.objects.accounts import Account, Accounts
    from kinto_orm.objects.attachments import Attachment
    from kinto_orm.objects.changesets import Changeset
    from kinto_orm.objects.review import Review
    from kinto_orm.objects.sync import SyncPlan
    from kinto_orm.plans.access import PermissionEntry
    from kinto_orm.plans.batch import Batch
    from kinto_orm.plans.history import HistoryEntry
    from kinto_orm.state.changes import Changes
    from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch
    from kinto_orm.state.tombstones import Tombstone

__all__ = [
    "Account",
    "Accounts",
    "Attachment",
    "Authenticated",
    "BadRequest",
    "BasicPatch",
    "Batch",
    "BatchError",
    "BearerTokenAuth",
    "BrowserOAuth",
    "Bucket",
    "BucketNotFound",
    "CapabilityMissing",
    "Changes",
    "Changeset",
    "Collection",
    "CollectionNotFound",
    "Conflict",
    "Connection",
    "ConnectionFailed",
    "Data",
    "DeletedError",
    "Everyone",
    "Forbidden",
    "Gone",
    "Group",
    "GroupNotFound",
    "HistoryEntry",
    "IntegrityError",
    "InvalidData",
    "InvalidId",
    "InvalidResponse",
    "JSONPatch",
    "KintoError",
    "Listing",
    "Members",
    "MergeError",
    "MergePatch",
    "MirrorError",
    "NotFound",
    "NotLoaded",
    "PermissionEntry",
    "Permissions",
    "PermissionsHidden",
    "Plan",
    "Principals",
    "RateLimited",
    "ReadTimeout",
    "Record",
    "RecordNotFound",
    "Resource",
    "ResponseError",
    "Review",
    "ReviewForbidden",
    "ReviewNotPossible",
    "ReviewRefused",
    "ServerDeprecationWarning",
    "ServerError",
    "ServiceUnavailable",
    "SyncPlan",
    "Tombstone",
    "TooLarge",
    "TransportError",
    "Unauthorized",
    "User",
    "ValidationError",
    "Violation",
    "__version__",
]

_pickles.install()

#: What not every program needs, and where it is: imported when it is first asked for.
_LATER = {
    "Account": "objects.accounts",
    "Accounts": "objects.accounts",
    "Attachment": "objects.attachments",
    "BasicPatch": "state.patches",
    "Batch": "plans.batch",
    "BearerTokenAuth": "network.auth",
    "BrowserOAuth": "network.browser_login",
    "Changes": "state.changes",
    "Changeset": "objects.changesets",
    "HistoryEntry": "plans.history",
    "JSONPatch": "state.patches",
    "MergePatch": "state.patches",
    "PermissionEntry": "plans.access",
    "Review": "objects.review",
    "ServerDeprecationWarning": "network.notices",
    "SyncPlan": "objects.sync",
    "Tombstone": "state.tombstones",
}


if not typing.TYPE_CHECKING:  # a type checker should still find misspelt names

    def __getattr__(name: str) -> object:
        if name == "load_ipython_extension":  # what ``%load_ext kinto_orm`` calls
            from kinto_orm.display.shell import install

            return install
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return [*globals(), *_LATER]


def _feel_at_home() -> None:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if hasattr(shell, "Completer"):
        from kinto_orm.display.shell import install

        install(shell)


_feel_at_home()
