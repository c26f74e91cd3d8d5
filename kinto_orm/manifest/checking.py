"""What is wrong with a manifest, found without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from kinto_orm.errors import InvalidData, InvalidId
from kinto_orm.manifest import files
from kinto_orm.manifest.reading import Path_
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, GROUP, RECORD, Kind, attribute_name
from kinto_orm.state.members import checked_members
from kinto_orm.state.principals import Authenticated, Everyone

#: What each kind of object has in a manifest, besides its data and permissions.
CHILDREN: Mapping[Kind, tuple[Kind, ...]] = {
    BUCKET: (GROUP, COLLECTION),
    GROUP: (),
    COLLECTION: (RECORD,),
    RECORD: (),
}

#: What a manifest has at its top.
TOP = ("buckets", "attachments")


@attrs.frozen
class Fault:
    """One thing that is wrong: ``uri`` names the object, ``line`` is counted from 1."""

    message: str
    uri: str = ""
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        line = "" if self.line is None else f"line {self.line}"
        where = ", ".join(filter(None, (self.file, line)))
        return ": ".join(part for part in (where, self.uri, self.message) if part)


#: Where a fault is in the tree, the URI of the object, and what is wrong.
Found = tuple[Path_, str, str]


def shape(tree: Any) -> Iterator[Found]:
    """What cannot be compared with any server: ids, permissions, and what is no manifest."""
    if not isinstance(tree, Mapping):
        yield (), "", "a manifest is a mapping with the key 'buckets'"
        return
    for name in tree:
        if name not in TOP:
            yield (name,), "", f"unknown key {name!r}: {_knows('a manifest', TOP)}"
    folder = tree.get("attachments")
    if folder is not None and not isinstance(folder, str):
        yield ("attachments",), "", f"'attachments' is the path of a folder, not {folder!r}"
    if "buckets" not in tree:
        yield (), "", "a manifest has its buckets under the key 'buckets'"
    else:
        yield from _objects(tree["buckets"], BUCKET, ("buckets",), "")


def _objects(given: Any, kind: Kind, path: Path_, above: str) -> Iterator[Found]:
    if not isinstance(given, Mapping):
        yield (
            path,
            above,
            (
                f"{kind.plural!r} maps ids to {kind.plural}, and is {{}} where there are none: "
                f"not {given!r}"
            ),
        )
        return
    for id, entry in given.items():
        here, uri = (*path, id), f"{above}/{kind.plural}/{id}"
        if not isinstance(id, str):
            yield here, above, f"the id {id!r} is read as no text: write it in quotes"
            continue
        try:
            check_id(id, kind.name)
        except InvalidId as error:
            yield here, above, str(error)
            continue
        yield from _object({} if entry is None else entry, kind, here, uri)


def _object(entry: Any, kind: Kind, path: Path_, uri: str) -> Iterator[Found]:
    if not isinstance(entry, Mapping):
        yield path, uri, f"a {kind.name} is a mapping with data and permissions, not {entry!r}"
        return
    known = ("data", "permissions", *(child.plural for child in CHILDREN[kind]))
    for name in entry:
        if name not in known:
            yield (*path, name), uri, f"unknown key {name!r}: {_knows(f'a {kind.name}', known)}"
    yield from _data(entry.get("data"), kind, (*path, "data"), uri)
    yield from _permissions(entry.get("permissions"), kind, (*path, "permissions"), uri)
    for child in CHILDREN[kind]:
        if child.plural in entry:
            yield from _objects(entry[child.plural], child, (*path, child.plural), uri)


def _data(data: Any, kind: Kind, path: Path_, uri: str) -> Iterator[Found]:
    if data is None:
        return
    if not isinstance(data, Mapping):
        yield path, uri, f"data is a mapping of fields, not {data!r}"
        return
    try:
        encode(data)
    except (TypeError, ValueError) as error:
        yield _longest(path, data, str(error)), uri, str(error)
        return
    id = uri.rpartition("/")[2]
    if data.get("id", id) != id:
        yield (*path, "id"), uri, f"the id in the data is another one: {data['id']!r}"
    if kind == GROUP:
        yield from _members(data.get("members"), (*path, "members"), uri)
    if kind == RECORD and files.described(data):
        try:
            files.relative(data["attachment"]["location"])
        except ValueError as error:
            yield (*path, "attachment", "location"), uri, str(error)


def _longest(path: Path_, data: Mapping[str, Any], message: str) -> Path_:
    """The field that a message begins with."""
    for name in data:
        if isinstance(name, str) and message.startswith((f"data.{name}", name)):
            return (*path, name)
    return path


def _members(members: Any, path: Path_, uri: str) -> Iterator[Found]:
    if members is None:
        return
    if not isinstance(members, list):
        yield path, uri, f"members is a list of principals, not {members!r}"
        return
    for number, member in enumerate(members):
        try:
            if not isinstance(member, str):
                raise TypeError(f"{member!r} is no principal, such as 'account:alice'")
            checked_members(member)
        except (TypeError, ValueError) as error:
            yield (*path, number), uri, str(error)


def _permissions(given: Any, kind: Kind, path: Path_, uri: str) -> Iterator[Found]:
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield path, uri, f"permissions map names to lists of principals, not {given!r}"
        return
    for name, who in given.items():
        here = (*path, name)
        if name not in kind.permissions:
            named = {attribute_name(one): one for one in kind.permissions}
            right = named.get(name)
            known = _knows(f"a {kind.name}", kind.permissions)
            hint = known if right is None else f"write {right!r}"
            yield here, uri, f"unknown permission {name!r}: {hint}"
        elif not isinstance(who, list):
            yield here, uri, f"{name!r} is a list of principals, not {who!r}"
        else:
            for number, principal in enumerate(who):
                fault = _no_principal(principal)
                if fault:
                    yield (*here, number), uri, fault


def _no_principal(principal: Any) -> str | None:
    """Why a principal can be nobody's."""
    if not isinstance(principal, str):
        return f"{principal!r} is read as no text, and cannot be a principal"
    if not principal.strip() or "\0" in principal:
        return f"{principal!r} cannot be a principal"
    if principal.startswith("system.") and principal not in (Everyone, Authenticated):
        return f"there is no principal {principal!r}, only {Everyone!r} and {Authenticated!r}"
    if principal.startswith("/"):
        parts = principal.split("/")
        try:
            if len(parts) != 5 or parts[1] != "buckets" or parts[3] != "groups":
                raise InvalidId
            check_id(parts[2], "bucket")
            check_id(parts[4], "group")
        except InvalidId:
            return f"{principal!r} is no group: those are called '/buckets/…/groups/…'"
    return None


def _knows(what: str, names: tuple[str, ...]) -> str:
    return f"{what} has {', '.join(names)}"


# -- schemas and files


def schemas(tree: Mapping[str, Any]) -> Iterator[Found]:
    """What the schemas in the manifest forbid, and schemas that are none (extra ``jsonschema``)."""
    for bucket_id, bucket in _entries(tree, "buckets"):
        path: Path_ = ("buckets", bucket_id)
        data = bucket.get("data") or {}
        above = f"/buckets/{bucket_id}"
        for kind in (GROUP, COLLECTION):
            schema = data.get(f"{kind.name}:schema")
            where = (*path, "data", f"{kind.name}:schema")
            rows = {
                id: ((*path, kind.plural, id, "data"), entry.get("data") or {})
                for id, entry in _entries(bucket, kind.plural)
            }
            yield from _checked(schema, where, above, f"{above}/{kind.plural}", rows)
        for id, collection in _entries(bucket, "collections"):
            inner, uri = (*path, "collections", id), f"{above}/collections/{id}"
            rows = {
                one: ((*inner, "records", one, "data"), record.get("data") or {})
                for one, record in _entries(collection, "records")
            }
            schema = (collection.get("data") or {}).get("schema")
            yield from _checked(schema, (*inner, "data", "schema"), uri, f"{uri}/records", rows)
            schema, where = data.get("record:schema"), (*path, "data", "record:schema")
            yield from _checked(schema, where, above, f"{uri}/records", rows)


def _entries(entry: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for id, inner in (entry.get(name) or {}).items():
        yield id, inner or {}


def _checked(
    schema: Any, where: Path_, owner: str, above: str, rows: Mapping[str, tuple[Path_, Any]]
) -> Iterator[Found]:
    if not schema:
        return
    from kinto_orm.state import validation as checks

    if not isinstance(schema, Mapping):
        yield where, owner, f"a schema is a mapping, not {schema!r}"
        return
    named = ((f"{above}/{id}", id, fields) for id, (_, fields) in rows.items())
    try:
        checks.validate(named, {"the schema": schema})
    except InvalidData as error:
        for one in error.violations:
            path, fields = rows[one.uri.rpartition("/")[2]]
            yield (
                (*path, *_steps(fields, one.path)),
                one.uri,
                f"{one.path}: {one.message}".lstrip(": "),
            )
    except ValueError as error:
        yield where, owner, str(error)


def _steps(fields: Any, dotted: str) -> Path_:
    """The keys and positions of a dotted path, as far as there is something."""
    steps: list[str | int] = []
    for part in dotted.replace("[", ".").replace("]", "").split("."):
        if isinstance(fields, Mapping) and part in fields:
            steps.append(part)
            fields = fields[part]
        elif isinstance(fields, list) and part.isdigit() and int(part) < len(fields):
            steps.append(int(part))
            fields = fields[int(part)]
        else:
            break
    return tuple(steps)


def missing(tree: Mapping[str, Any], folder: Path) -> Iterator[Found]:
    """Files that are not in the folder."""
    for bucket_id, bucket in _entries(tree, "buckets"):
        for id, collection in _entries(bucket, "collections"):
            for one, record in _entries(collection, "records"):
                attachment = files.described(record.get("data"))
                if attachment and files.found(folder, attachment["location"]) is None:
                    path = ("buckets", bucket_id, "collections", id, "records", one, "data")
                    uri = f"/buckets/{bucket_id}/collections/{id}/records/{one}"
                    place = folder / files.relative(attachment["location"])
                    yield (*path, "attachment"), uri, f"its file is not here: {place}"
