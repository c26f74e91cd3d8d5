"""The same model, awaited: ``from kinto_orm.aio import Connection`` (extra ``async``).

Whatever may make a request is a coroutine, an async iterator or an async context manager. All
other names are those of ``kinto_orm``: errors, patches, principals, tombstones, plans.
"""

# ruff: noqa: E402
from kinto_orm.extras import required

required("async", "kinto_orm.aio", "httpx2", "anyio")

from kinto_orm.aio.accounts import Account, Accounts
from kinto_orm.aio.attachments import Attachment
from kinto_orm.aio.bucket import Bucket
from kinto_orm.aio.changesets import Changeset
from kinto_orm.aio.collection import Collection
from kinto_orm.aio.connection import Connection
from kinto_orm.aio.group import Group
from kinto_orm.aio.listing import Listing
from kinto_orm.aio.record import Record
from kinto_orm.aio.resource import Resource
from kinto_orm.aio.review import Review
from kinto_orm.aio.sync import SyncPlan
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
from kinto_orm.network.auth import BearerTokenAuth
from kinto_orm.network.browser_login import BrowserOAuth
from kinto_orm.network.notices import ServerDeprecationWarning
from kinto_orm.plans.access import PermissionEntry
from kinto_orm.plans.batch import Batch
from kinto_orm.plans.history import HistoryEntry
from kinto_orm.plans.server import User
from kinto_orm.state.changes import Changes
from kinto_orm.state.data import Data
from kinto_orm.state.members import Members
from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.principals import Authenticated, Everyone, Principals
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
]

#: Those that make requests. They are known by this name, whatever room they are defined in.
_OWN: tuple[type, ...] = (
    Account,
    Accounts,
    Attachment,
    Bucket,
    Changeset,
    Collection,
    Connection,
    Group,
    Listing,
    Record,
    Resource,
    Review,
    SyncPlan,
)

for _one in _OWN:
    _one.__module__ = __name__
del _one
