"""``kinto.permissions``: what this user may do where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kinto_orm import CapabilityMissing, Connection, NotFound, PermissionEntry
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]


@pytest.fixture
def shared(kinto: Connection, bob: Connection) -> Connection:
    """Bob, to whom alice gave rights in five collections and to a record."""
    bucket = kinto.create_bucket("b")
    for i in range(5):
        collection = bucket.create_collection(f"c{i}")
        collection.permissions.create_record += "account:bob"
        collection.save()
    collection.create_record({}, {"write": ["account:bob"]}, id="r")
    return bob


def test_access_is_what_names_the_user_and_the_root(shared: Connection) -> None:
    found = {entry.uri: entry for entry in shared.permissions}
    assert found.keys() == {
        "/",
        "/accounts/bob",
        *(f"/buckets/b/collections/c{i}" for i in range(5)),
        "/buckets/b/collections/c4/records/r",
    }
    record = found["/buckets/b/collections/c4/records/r"]
    assert isinstance(record, PermissionEntry)
    assert record.resource_name == "record"
    assert "write" in record.permissions
    assert (record.bucket_id, record.collection_id, record.record_id) == ("b", "c4", "r")
    assert "record:create" in found["/buckets/b/collections/c0"].permissions
    assert found["/"].resource_name == "root"


def test_access_is_read_page_by_page(shared: Connection, server: WatchedServer) -> None:
    with server.log() as log:
        found = [entry.uri for entry in shared.permissions.page_size(3)]
    assert len(found) == len(set(found)) == 8
    assert [request.path for request in log if request.path != "/v1/"] == ["/v1/permissions"] * 3


def test_access_is_filtered_sorted_and_sliced(shared: Connection) -> None:
    permissions = shared.permissions
    assert permissions.filter(resource_name="collection").count() == 5
    assert permissions.filter(collection_id__in=["c1", "c4"], resource_name="collection").exists()
    assert permissions.filter(collection_id__like="c*").count() == 6
    assert permissions.exclude(resource_name="collection").count() == 3
    uris = [entry.uri for entry in permissions.filter(resource_name="collection").order_by("uri")]
    assert uris == sorted(uris)
    assert len(list(permissions[:2])) == 2
    assert permissions.first() is not None
    assert not permissions.filter(bucket_id="other").exists()


def test_access_is_looked_up_by_its_uri(shared: Connection, server: WatchedServer) -> None:
    permissions, uri = shared.permissions, "/buckets/b/collections/c1"
    permissions.first()
    with server.log() as log:
        assert permissions[uri].collection_id == "c1"
        assert uri in permissions
        assert permissions.get("/buckets/c", "none") == "none"
    assert [request.path for request in log] == ["/v1/permissions"] * 3
    assert permissions[uri] in permissions
    assert uri not in permissions.filter(resource_name="record")
    with pytest.raises(NotFound, match="there is no entry whose uri is '/buckets/c'"):
        permissions["/buckets/c"]
    with pytest.raises(TypeError, match="told apart by their uri"):
        shared.bucket("b") in permissions  # noqa: B015


def test_what_the_server_cannot_filter_access_by_is_refused(shared: Connection) -> None:
    for bad in ({"permissions": "write"}, {"bucket": "b"}):
        with pytest.raises(ValueError, match="there is no field"):
            shared.permissions.filter(**bad)


def test_showing_access_makes_no_request(server: WatchedServer) -> None:
    with server.connect() as kinto, server.log() as log:
        shown = repr(kinto.permissions.filter(bucket_id="b"))
        assert "permissions of this user" in shown
        assert "bucket_id='b'" in shown.replace('"', "'")
    assert log == []


def test_anonymous_users_have_access_too(server: WatchedServer, kinto: Connection) -> None:
    kinto.create_bucket("open", permissions={"read": ["system.Everyone"]})
    with server.connect() as nobody:
        assert "/buckets/open" in [entry.uri for entry in nobody.permissions]


def test_without_the_endpoint_the_capability_is_named() -> None:
    settings = {"kinto.experimental_permissions_endpoint": "false"}
    with (
        WatchedServer(settings) as server,
        server.connect("alice") as kinto,
        pytest.raises(CapabilityMissing, match="permissions_endpoint"),
    ):
        list(kinto.permissions)
