"""What a newcomer may write by mistake is an error of one sentence, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm import Connection
from support.servers import WatchedServer

#: A line of a program, the error that it raises, and what that says.
MISTAKES: dict[str, tuple[type[Exception], str]] = {
    # an object has no fields of its own
    "record.title": (AttributeError, r"Record has no attribute 'title'; its fields are in \.data"),
    "record.title = 'x'": (AttributeError, "'Record' object has no attribute 'title'"),
    "record.titel = record.dat = 'x'": (AttributeError, "no attribute 'titel'"),
    "del record.title": (AttributeError, "'title'"),
    "record['title'] = 'x'": (TypeError, "'Record'"),
    "record.permisions": (AttributeError, "'permisions'"),
    "record.permisions = {}": (AttributeError, "'permisions'"),
    "record.saev()": (AttributeError, "'saev'"),
    "record.update(title='x')": (AttributeError, r"'update'; .*its fields are in \.data"),
    "collection.title = 'x'": (AttributeError, "'title'"),
    "bucket.title = 'x'": (AttributeError, "'title'"),
    "group.memmbers = []": (AttributeError, "'memmbers'"),
    # what is elsewhere
    "bucket.records": (AttributeError, r"write bucket\.collection\(…\)\.records$"),
    "bucket.create_record({})": (AttributeError, r"write bucket\.collection\(…\)\.create_record$"),
    "kinto.records": (AttributeError, r"write kinto\.bucket\(…\)\.collection\(…\)\.records$"),
    "kinto.get_collection('c')": (AttributeError, r"write kinto\.bucket\(…\)\.get_collection$"),
    "kinto.bukets": (AttributeError, "a Connection has no attribute 'bukets'; the nearest: bucke"),
    "kinto.login()": (AttributeError, "a Connection has no attribute 'login'"),
    "collection.filter(title='a')": (AttributeError, r"write collection\.records\.filter\(…\)$"),
    "collection.all()": (AttributeError, r"write list\(collection\.records\)$"),
    "collection.collections": (AttributeError, r"write collection\.bucket\.collections$"),
    "group.groups": (AttributeError, r"write group\.bucket\.groups$"),
    "record.records": (AttributeError, r"write record\.collection\.records$"),
    # what an object is, and where
    "record.id = 'y'": (AttributeError, "'id'"),
    "record.last_modified = 5": (AttributeError, "'last_modified'"),
    "record.uri = '/x'": (AttributeError, "'uri'"),
    "record.collection = collection": (AttributeError, "'collection'"),
    "record.connection = kinto": (AttributeError, "'connection'"),
    "record.deleted = True": (AttributeError, "'deleted'"),
    "record.changes = {}": (AttributeError, "'changes'"),
    "record.attachment = b'x'": (AttributeError, "'attachment'"),
    "collection.records = []": (AttributeError, "'records'"),
    "del record.data": (AttributeError, "'data'"),
    "del record.permissions": (AttributeError, "'permissions'"),
    # data
    "record.data = ['x']": (TypeError, "data of a record is a mapping of fields, not a list"),
    "record.data = [('title', 'x')]": (TypeError, "mapping of fields, not a list"),
    "record.data = None": (TypeError, "mapping of fields, not a NoneType"),
    "record.data = '{}'": (TypeError, "mapping of fields, not a str"),
    "record.data = {'id': 'y'}": (ValueError, "the id 'y', the object 'r'"),
    "record.data.titel": (AttributeError, "no field 'titel'"),
    "record.data.id = 'y'": (ValueError, "'id' is no field"),
    "record.data['last_modified'] = 5": (ValueError, "'last_modified' is no field"),
    "record.data.items = 5": (AttributeError, r"data\['items'\] = "),
    "record.data[5] = 5": (TypeError, "5 cannot be a field"),
    "record.data += {'a': 1}": (TypeError, "'Data' and 'dict'"),
    "record.data.title.name = 1": (AttributeError, "'name'"),
    "del record.data.titel": (AttributeError, "no field 'titel'"),
    # permissions
    "bucket.permissions.wirte += 'account:bo'": (AttributeError, "no permission 'wirte'; it has"),
    "bucket.permissions.wirte = []": (AttributeError, "no permission 'wirte'; it has read, write"),
    "bucket.permissions['wirte']": (KeyError, "no permission 'wirte'; it has read, write"),
    "bucket.permissions = {'wirte': []}": (KeyError, "no permission 'wirte'; it has read, write"),
    "record.permissions.create_record += 'account:bo'": (AttributeError, "it has read, write$"),
    "record.permissions = ['account:bo']": (TypeError, "permissions are a dict such as"),
    "record.permissions = None": (TypeError, "permissions are a dict such as"),
    "record.permissions = 'account:bo'": (TypeError, "permissions are a dict such as"),
    "bucket.permissions.write = None": (TypeError, "NoneType is not a principal"),
    "bucket.permissions.write = 5": (TypeError, "int is not a principal"),
    "bucket.permissions.write += [None]": (TypeError, "NoneType is not a principal"),
    "bucket.permissions.write += ''": (ValueError, "cannot be a principal"),
    "bucket.permissions.write += {'account:bo': True}": (TypeError, "dict is not a principal"),
    "bucket.permissions.write |= record": (TypeError, "Record is not a principal"),
    "bucket.permissions.write ^= 5": (TypeError, "int is not a principal"),
    "bucket.permissions.write.append('account:bo')": (AttributeError, "no 'append': write"),
    "del bucket.permissions.write": (TypeError, r"permissions\.write = \[\] clears it"),
    # groups
    "group.members = None": (TypeError, "NoneType is not a principal"),
    "group.members = 5": (TypeError, "int is not a principal"),
    "group.members += group": (ValueError, "groups have users as members"),
    "group.members.extend(['account:bo'])": (AttributeError, "no 'extend': write"),
    # lists
    "collection.records['r'] = {'title': 'x'}": (TypeError, "a list is not assigned to"),
    "kinto.buckets['b'] = bucket": (TypeError, "a list is not assigned to"),
    "del collection.records['r']": (TypeError, r"list\[id\]\.delete\(\)"),
    "collection.records[0]": (TypeError, "lists have no positions"),
    "len(collection.records)": (TypeError, r"list\.count\(\) asks the server"),
    # connections
    "kinto.timeout = 5": (AttributeError, r"'timeout'.*with_options"),
    "kinto.retry = 0": (AttributeError, r"'retry'.*with_options"),
    "kinto.server_url = 'http://x/v1'": (AttributeError, r"'server_url'.*with_options"),
    "kinto.headers = {'X-A': '1'}": (AttributeError, r"'headers'.*headers\[name\]"),
    "kinto.saef = False": (AttributeError, r"'saef'.*with_options"),
}


@pytest.mark.parametrize(("line", "error", "says"), [(k, *v) for k, v in MISTAKES.items()])
def test_a_mistake_is_told_in_one_sentence_and_changes_nothing(
    server: WatchedServer, kinto: Connection, line: str, error: type[Exception], says: str
) -> None:
    bucket = kinto.create_bucket("b")
    group = bucket.create_group("g", {"members": ["account:al"]})
    collection = bucket.create_collection("todo")
    record = collection.create_record({"title": "a"}, id="r")
    names: dict[str, Any] = {
        "kinto": kinto,
        "bucket": bucket,
        "group": group,
        "collection": collection,
        "record": record,
    }
    with server.log() as log, pytest.raises(error, match=says) as caught:
        exec(line, names)
    assert "\n" not in str(caught.value)
    assert log == []
    for resource in (bucket, group, collection, record):
        assert not resource.changes
        resource.save()
    assert [request.method for request in log] == []


def test_what_a_connection_lets_be_set_takes_effect(
    server: WatchedServer, kinto: Connection
) -> None:
    record = kinto.create_bucket("b").create_collection("todo").create_record({"n": 1})
    kinto.safe = False
    kinto.headers["X-Mine"] = "1"
    record.data.n = 2
    with server.log() as log:
        record.save()
    assert "if-match" not in log[0].headers
    assert log[0].headers["x-mine"] == "1"
