"""What `dir()` shows of each class that a user meets: what they may use, and nothing else."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

import kinto_orm
import kinto_orm.aio

#: What several kinds of object have.
OBJECT = """
changes connection data delete deleted exists id kind last_modified merge patch permissions refresh
revert save to_dict uri url with_options
"""
LIST = """
before connection count exclude exists filter first iter_dicts last limit modified_since only
order_by page_size pages query since timestamp to_dicts to_pandas uri values with_params
"""
LISTING = f"""
{LIST} at changes create create_many delete get get_or_create sync_from update update_or_create
with_permissions
"""
PRINCIPALS = "add clear discard isdisjoint pop remove"
RESPONSE = "advice"

#: What each public class shows.
FACES = {
    "Account": "change_password connection data delete id last_modified principal to_dict uri",
    "Accounts": f"{LIST} create get",
    "Attachment": "delete download filename hash metadata mimetype open read record size url",
    "BasicPatch": "content_type data permissions",
    "Batch": "results",
    "BearerTokenAuth": "",
    "BrowserOAuth": "",
    "Bucket": f"""
        {OBJECT} batch collection collection_schema collections copy_to create_collection
        create_group delete_collection delete_collections delete_group delete_groups
        get_collection get_collections get_group get_groups group group_schema groups history
        record_schema
    """,
    "Changes": "creates data permissions replaces uri",
    "Changeset": "collection full metadata records since timestamp tombstones verify",
    "Collection": f"""
        {OBJECT} attach_files batch bucket cache_expires changeset check copy_to create_record
        delete_record delete_records get_record get_records history record records review
        save_record save_records schema typed ui_schema validate watch
    """,
    "Connection": """
        account accounts backoff_until batch bucket buckets capabilities close create_bucket
        delete_bucket delete_buckets dry_run flush get_bucket get_buckets headers heartbeat
        http_api_version monitor permissions plan refresh requires server_info settings user
        with_options
    """,
    "Data": "clear copy get items keys pop popitem setdefault update values",
    "Group": f"{OBJECT} bucket history members principal",
    "HistoryEntry": "date fields to_dict",
    "JSONPatch": "content_type operations",
    "Listing": LISTING,
    "Members": PRINCIPALS,
    "MergePatch": "content_type data permissions",
    "PermissionEntry": "fields to_dict",
    "Permissions": "get hidden items keys known values",
    "Plan": "requests",
    "Principals": PRINCIPALS,
    "Record": f"{OBJECT} attach attachment bucket collection history validate",
    "Resource": OBJECT.replace("kind", ""),
    "Review": """
        allowed approve collection decline destination last_edit_by last_edit_date
        last_editor_comment last_modified last_review_by last_review_date last_review_request_by
        last_review_request_date last_reviewer_comment last_signature_by last_signature_date
        preview publish refresh request resign rollback source status wait
    """,
    "SyncPlan": "apply pending requests",
    "Tombstone": "deleted id last_modified",
    "User": "bucket groups id principal principals profile",
    "Violation": "message path uri",
    # of errors: what they have beside attributes of their own instances
    "BatchError": "conflicts skipped",
    "Conflict": f"{RESPONSE} base local remote",
    "InvalidData": "fields",
    "ServiceUnavailable": f"{RESPONSE} retry_after",
    "ValidationError": f"{RESPONSE} fields",
}

#: What users hold without a name for it, by its room.
HELD = {
    "access": {"Access": f"{LIST} get"},
    "feeds": {"ChangeFeed": "close list_timestamp timestamp"},
    "history": {"History": f"{LIST} delete get", "Past": ""},
    "monitor": {"Monitor": "changesets connection filter to_dicts watch"},
    "records": {"Records": f"{LISTING} download_attachments"},
    "sync": {
        "CopyPlan": "again apply pending requests verify",
        "RowsPlan": "again apply pending requests timestamp",
    },
    "watches": {"ChangeWatch": "close timestamp"},
}

WORLDS = [kinto_orm, kinto_orm.aio]


def shown(cls: type) -> set[str]:
    """The names that a class has, but for those that tuples and Python's own errors have."""
    foreign = {
        name for base in (tuple, OSError, Exception) if issubclass(cls, base) for name in dir(base)
    }
    return {name for name in dir(cls) if name[0] != "_"} - foreign


def classes(world: Any) -> list[str]:
    return [name for name in world.__all__ if inspect.isclass(getattr(world, name))]


@pytest.mark.parametrize(
    ("world", "name"), [(world, name) for world in WORLDS for name in classes(world)]
)
def test_a_public_class_shows_what_a_user_may_use_and_nothing_else(world: Any, name: str) -> None:
    cls = getattr(world, name)
    expected = RESPONSE if issubclass(cls, kinto_orm.ResponseError) else ""
    if not issubclass(cls, Warning | kinto_orm.KintoError):
        assert name in FACES
    assert shown(cls) == set(FACES.get(name, expected).split())


@pytest.mark.parametrize("world", ["objects", "aio"])
@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room, faces in HELD.items() for name in faces]
)
def test_what_users_hold_without_naming_it_shows_no_more(world: str, room: str, name: str) -> None:
    held = getattr(importlib.import_module(f"kinto_orm.{world}.{room}"), name)
    assert shown(held) == set(HELD[room][name].split())


@pytest.mark.parametrize("world", ["drivers", "aio"])
def test_a_block_shows_nothing_before_it_is_entered(world: str) -> None:
    assert shown(importlib.import_module(f"kinto_orm.{world}.block").Block) == set()


def test_every_face_is_that_of_a_public_class() -> None:
    assert FACES.keys() <= set(kinto_orm.__all__)


@pytest.mark.parametrize("door", ["offline", "offline.aio", "manifest", "testing"])
def test_whatever_the_classes_behind_other_doors_show_says_what_it_is_for(door: str) -> None:
    world = importlib.import_module(f"kinto_orm.{door}")
    for name in classes(world):
        cls = getattr(world, name)
        for shown_name in shown(cls):
            member = inspect.getattr_static(cls, shown_name)
            if isinstance(member, (property, classmethod, staticmethod)) or callable(member):
                named = f"``{shown_name}``" in (cls.__doc__ or "")
                assert named or inspect.getdoc(getattr(cls, shown_name)), f"{name}.{shown_name}"
