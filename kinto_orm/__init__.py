"""Kinto's objects as Python objects: buckets, collections, groups and records."""

import importlib
import typing

from kinto_orm.auth import BearerTokenAuth
from kinto_orm.bucket import Bucket
from kinto_orm.collection import Collection
from kinto_orm.connection import Connection
from kinto_orm.data import Data
from kinto_orm.dryrun import Plan
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
from kinto_orm.group import Group
from kinto_orm.listing import Listing
from kinto_orm.members import Members
from kinto_orm.notices import ServerDeprecationWarning
from kinto_orm.permissions import Permissions
from kinto_orm.principals import Authenticated, Everyone, Principals
from kinto_orm.record import Record
from kinto_orm.resource import Resource
from kinto_orm.server import User
from kinto_orm.version import __version__

if typing.TYPE_CHECKING:
    from kinto_orm.access import PermissionEntry
    from kinto_orm.accounts import Account, Accounts
    from kinto_orm.attachments import Attachment
    from kinto_orm.batch import Batch
    from kinto_orm.browser_oauth import BrowserOAuth
    from kinto_orm.changes import Changes
    from kinto_orm.changesets import Changeset
    from kinto_orm.history import HistoryEntry
    from kinto_orm.patches import BasicPatch, JSONPatch, MergePatch
    from kinto_orm.review import Review
    from kinto_orm.syncing import SyncPlan
    from kinto_orm.tombstones import Tombstone

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

#: What not every program needs, and where it is: imported when it is first asked for.
_LATER = {
    "Account": "accounts",
    "Accounts": "accounts",
    "Attachment": "attachments",
    "BasicPatch": "patches",
    "Batch": "batch",
    "BrowserOAuth": "browser_oauth",
    "Changes": "changes",
    "Changeset": "changesets",
    "HistoryEntry": "history",
    "JSONPatch": "patches",
    "MergePatch": "patches",
    "PermissionEntry": "access",
    "Review": "review",
    "SyncPlan": "syncing",
    "Tombstone": "tombstones",
}


if not typing.TYPE_CHECKING:  # a type checker should still find misspelt names

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return [*globals(), *_LATER]
