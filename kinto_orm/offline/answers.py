"""A server's answers about the records of one collection, given from the file.

See "Records", "Preconditions" and "Patch" in Kinto's API reference.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from kinto_orm.errors import CapabilityMissing
from kinto_orm.offline import filters
from kinto_orm.offline.filters import BadQuery, Column, rank_of, stored
from kinto_orm.offline.queries import ListQuery, token
from kinto_orm.offline.replies import (
    answered,
    body_of,
    fields_of,
    lowered,
    operated,
    part_of,
    refused,
)
from kinto_orm.offline.row import Row, bare
from kinto_orm.offline.rows import Rows
from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import (
    JSON_PATCH,
    MERGE_PATCH,
    READING,
    Request,
    Response,
    timestamp_of,
)
from kinto_orm.state.json_patch import merged


class Answers:
    """Answers requests below ``/…/records`` of one collection, in one transaction of the file."""

    def __init__(self, rows: Rows, uri: str) -> None:
        self._database = rows.database
        self._collection = rows.collection
        self._uri = uri
        self._rows = rows

    def answer(self, request: Request) -> Response:
        below = request.uri.removeprefix(self._uri).strip("/").split("/")
        if below == ["records"]:
            return self._about_list(request)
        if len(below) == 2 and below[0] == "records":
            return self._about_record(request, unquote(below[1]))
        raise CapabilityMissing(
            f"{request.method} {request.uri}: a mirror keeps records only; ask the server"
        )

    # -- one record

    def _about_record(self, request: Request, id: str) -> Response:
        row = self._rows.get(id)
        live = row if row is not None and not row.deleted else None
        refusal = self._precondition(request, live)
        if refusal is not None:
            return refusal
        if request.method in READING:
            return self._read(request, id, live)
        if request.method == "DELETE":
            if live is None:
                return self._missing(request, id)
            gone = self._rows.write(live, id, None, {})
            return answered(request, 200, {"data": gone.object}, gone.last_modified)
        try:
            if request.method == "PUT":
                return self._put(request, id, row, live)
            if request.method == "PATCH":
                return self._patch(request, id, live)
        except BadQuery as error:
            return refused(request, 400, str(error), error.name)
        raise CapabilityMissing(f"{request.method} {request.uri}: only the server can do that")

    def _precondition(self, request: Request, live: Row | None) -> Response | None:
        """The refusal of a request whose precondition does not hold, if it does not."""
        headers = lowered(request.headers)
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        if none_match == "*" and live is not None and request.method != "DELETE":
            return self._modified(request, live)
        if match is None:
            return None
        if live is None:
            return self._modified(request, None) if request.method == "PUT" else None
        expected = timestamp_of(match)
        if match != "*" and expected not in (live.last_modified, live.also):
            return self._modified(request, live)
        return None

    def _read(self, request: Request, id: str, live: Row | None) -> Response:
        if live is None:
            return self._missing(request, id)
        held = lowered(request.headers).get("if-none-match")
        if held is not None and timestamp_of(held) == live.last_modified:
            return answered(request, 304, None, live.last_modified)
        if request.method == "HEAD":
            return answered(request, 200, None, live.last_modified)
        fields = dict(parse_qsl(request.query)).get("_fields")
        if fields is not None:
            wanted = part_of(live.object, tuple(fields.split(",")))
            return answered(request, 200, {"data": wanted}, live.last_modified)
        return self._shown(request, live)

    def _shown(self, request: Request, row: Row, status: int = 200) -> Response:
        body: dict[str, Any] = {"data": row.object}
        if row.permissions is not None:
            body["permissions"] = json.loads(row.permissions)
        return answered(request, status, body, row.last_modified)

    def _put(self, request: Request, id: str, row: Row | None, live: Row | None) -> Response:
        check_id(id, "record")
        body = body_of(request)
        data, permissions = body.get("data"), body.get("permissions")
        kept = bare(live.object) if live is not None else {}
        fields = kept if data is None else fields_of(data, id)
        grants = {}
        if permissions:  # a PUT takes from everybody what it does not give
            grants = {name: permissions.get(name, []) for name in RECORD.permissions}
        written = self._rows.write(row, id, fields, grants)
        return self._shown(request, written, 200 if live is not None else 201)

    def _patch(self, request: Request, id: str, live: Row | None) -> Response:
        if live is None:
            return self._missing(request, id)
        kind = lowered(request.headers).get("content-type", "")
        fields = bare(live.object)
        if kind == JSON_PATCH:
            fields = operated(fields, request.body)
            return self._shown(request, self._rows.write(live, id, fields, {}))
        body = body_of(request)
        if not {"data", "permissions"} & body.keys():
            raise BadQuery("body", "Provide at least one of data or permissions")
        changes = fields_of(body.get("data") or {}, id)
        fields = merged(fields, changes) if kind == MERGE_PATCH else {**fields, **changes}
        grants = {name: who or [] for name, who in (body.get("permissions") or {}).items()}
        return self._shown(request, self._rows.write(live, id, fields, grants))

    def _missing(self, request: Request, id: str) -> Response:
        return refused(request, 404, details={"id": id, "resource_name": "record"})

    def _modified(self, request: Request, live: Row | None) -> Response:
        details = None if live is None else {"existing": live.object}
        refusal = refused(request, 412, "Resource was modified meanwhile", details=details)
        if live is not None:
            refusal.headers["etag"] = f'"{live.last_modified}"'  # type: ignore[index]
        return refusal

    # -- the list

    def _about_list(self, request: Request) -> Response:
        timestamp = self._rows.clock
        headers = lowered(request.headers)
        held, match = headers.get("if-none-match"), headers.get("if-match")
        if request.method in READING and held is not None and timestamp_of(held) == timestamp:
            return answered(request, 304, None, timestamp)
        if match is not None and timestamp_of(match) != timestamp:
            return refused(request, 412, "Resource was modified meanwhile")
        try:
            query = ListQuery.of(request.query)
            if request.method == "HEAD":
                return self._counted(request, query, timestamp)
            if request.method == "GET":
                return self._listed(request, query, timestamp)
            if request.method == "DELETE":
                return self._emptied(request, query)
        except BadQuery as error:
            return refused(request, 400, str(error), error.name)
        raise CapabilityMissing(f"{request.method} {request.uri}: only the server can do that")

    def _counted(self, request: Request, query: ListQuery, timestamp: int) -> Response:
        source, parameters = self._source(query, tombstones=False)
        (number,) = self._database.execute(f"SELECT count(*) {source}", parameters).fetchone()
        response = answered(request, 200, None, timestamp)
        response.headers["total-objects"] = response.headers["total-records"] = str(number)  # type: ignore[index]
        return response

    def _listed(self, request: Request, query: ListQuery, timestamp: int) -> Response:
        found = self._page(query, query.where.tombstones)
        texts = [row[0] for row in found[: query.limit]]
        rows = json.loads(f"[{','.join(texts)}]")
        if query.fields is not None:
            rows = [part_of(row, query.fields) for row in rows]
        response = answered(request, 200, {"data": rows}, timestamp)
        if len(found) > query.limit:
            left = [(name, text) for name, text in query.pairs if name != "_token"]
            following = urlencode([*left, ("_token", token(found[query.limit - 1][1:]))])
            response.headers["next-page"] = f"{request.uri}?{following}"  # type: ignore[index]
        return response

    def _emptied(self, request: Request, query: ListQuery) -> Response:
        gone = []
        for text, *_ in self._page(query, tombstones=False)[: query.limit]:
            row = self._rows.get(json.loads(text)["id"])
            assert row is not None
            gone.append(self._rows.write(row, row.id, None, {}).object)
        response = answered(request, 200, {"data": gone}, self._rows.clock)
        if len(gone) == query.limit:
            response.headers["next-page"] = f"{request.uri}?{request.query or '_limit=10000'}"  # type: ignore[index]
        return response

    def _page(self, query: ListQuery, tombstones: bool) -> list[Any]:
        """The next records with their places in the order, and one more if there is one."""
        keys, parameters = query.order.keys()
        source, more = self._source(query, tombstones)
        order = query.order.sql()
        if "entry." in source and query.order.plain:
            keys = keys.replace("record.", "entry.")  # the index has them in this order
        sql = f"SELECT record.data, {keys} {source} ORDER BY {order} LIMIT ?"
        return self._database.execute(sql, [*parameters, *more, query.limit + 1]).fetchall()

    def _source(self, query: ListQuery, tombstones: bool) -> tuple[str, list[Any]]:
        """FROM and WHERE; by an index of the caller's, where there is one."""
        where = query.where
        parameters: list[Any] = []
        indexed = self._indexed(where)
        if indexed is not None:
            field, value = indexed
            source = (
                "FROM entry CROSS JOIN record ON record.collection = entry.collection "
                "AND record.id = entry.id WHERE entry.collection = ? AND entry.field = ? "
                "AND entry.rank = ? AND entry.value = ?"
            )
            parameters += [self._collection, field, rank_of(value), stored(value)]
        else:
            source = "FROM record WHERE record.collection = ?"
            parameters.append(self._collection)
        if not tombstones:
            source += " AND record.deleted = 0"
        source += f" AND {where.sql}"
        parameters += where.parameters
        if query.last is not None:
            behind, more = query.order.behind(query.last)
            if indexed is not None and query.order.plain:
                behind = behind.replace("record.", "entry.")
            source += f" AND ({behind})"
            parameters += more
        return source, parameters

    def _indexed(self, where: filters.Where) -> tuple[str, Any] | None:
        for path, value in where.equal:
            found = self._database.execute(
                "SELECT 1 FROM field WHERE collection = ? AND path = ?", (self._collection, path)
            ).fetchone()
            if found is not None and not Column(path).own:
                return path, value
        return None
