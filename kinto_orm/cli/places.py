"""Places on a server as people write them: `/buckets/b/collections/c`, or short, `b/c`."""

from __future__ import annotations

from typing import Any

import attrs

from kinto_orm.objects.connection import Connection

_FORMS = (
    "/buckets/b, /buckets/b/collections/c, /buckets/b/collections/c/records/r, /buckets/b/groups/g"
)


class WrongPlace(ValueError):
    """What somebody wrote is no place, or not one for this command."""


@attrs.frozen
class Place:
    """Where something is: the ids on the way, and the list in it that is meant, if one is."""

    bucket: str | None = None
    collection: str | None = None
    record: str | None = None
    group: str | None = None
    listed: str | None = None

    def __str__(self) -> str:
        parts = [("buckets", self.bucket), ("groups", self.group)]
        parts += [("collections", self.collection), ("records", self.record)]
        uri = "".join(f"/{plural}/{id}" for plural, id in parts if id is not None)
        return f"{uri}/{self.listed}" if self.listed else uri or "/"

    def object(self, kinto: Connection) -> Any:
        """A reference to the object. No request. ``WrongPlace`` where a list is meant."""
        if self.listed or self.bucket is None:
            raise WrongPlace(f"{self} is a list; an object is one of {_FORMS}")
        one: Any = kinto.bucket(self.bucket)
        if self.group is not None:
            return one.group(self.group)
        if self.collection is not None:
            one = one.collection(self.collection)
        return one if self.record is None else one.record(self.record)

    def listing(self, kinto: Connection) -> Any:
        """The list that is meant, or what is in the object. No request."""
        if self.bucket is None:
            return kinto.buckets
        if self.record is not None or self.group is not None:
            raise WrongPlace(f"there is nothing in {self} to list; cat shows it")
        one = attrs.evolve(self, listed=None).object(kinto)
        inside = "collections" if self.collection is None else "records"
        return getattr(one, self.listed or inside)

    def collection_of(self, kinto: Connection) -> Any:
        """A reference to the collection. ``WrongPlace`` for anything else."""
        records = self.listed in (None, "records")
        if self.collection is None or self.record is not None or not records:
            raise WrongPlace(f"{self} is no collection, such as /buckets/b/collections/c")
        return attrs.evolve(self, listed=None).object(kinto)

    @property
    def is_list(self) -> bool:
        return self.listed is not None or self.bucket is None


def parse(text: str | None, bucket: str | None = None, collection: str | None = None) -> Place:
    """The place that somebody means; ``WrongPlace`` for what is none.

    A short one goes on from ``bucket`` and ``collection``, a URI stands for itself.
    """
    if collection is not None and bucket is None:
        raise WrongPlace("a collection is in a bucket: give --bucket with --collection")
    before = [one for one in (bucket, collection) if one is not None]
    if text is None or (text == "" and before):
        return _short(before)
    if "://" in text:
        raise WrongPlace(
            f"{text!r} is a URL: give the server with --server, and the place as {_FORMS}"
        )
    if not text.startswith("/"):
        return _short([*before, *text.rstrip("/").split("/")])
    parts = text.rstrip("/").split("/")[1:]
    if not parts or parts == ["buckets"]:
        return Place()
    match parts:
        case ["buckets", b]:
            found = Place(b)
        case ["buckets", b, "collections" | "groups" as listed]:
            found = Place(b, listed=listed)
        case ["buckets", b, "groups", g]:
            found = Place(b, group=g)
        case ["buckets", b, "collections", c]:
            found = Place(b, c)
        case ["buckets", b, "collections", c, "records"]:
            found = Place(b, c, listed="records")
        case ["buckets", b, "collections", c, "records", r]:
            found = Place(b, c, r)
        case _:
            raise WrongPlace(
                f"{text!r} is no place; a place is one of {_FORMS}, or short: b, b/c, b/c/r"
            )
    return found


def _short(parts: list[str]) -> Place:
    if len(parts) > 3:
        raise WrongPlace(
            f"{'/'.join(parts)!r} is no place: b/c/r is a record, and there is nothing in it"
        )
    return Place(*parts)
