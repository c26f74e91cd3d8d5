"""The fields of buckets and collections that say how records are checked, shown and cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Generic, TypeVar, overload

from kinto_orm.state.document import Document
from kinto_orm.state.model import Model, is_misfit

C = TypeVar("C", bound="CollectionSchemas")
T = TypeVar("T")
Self = TypeVar("Self", bound="Stored[Any]")


class Stored(Generic[T]):
    """A field of ``data`` as a property: ``None`` where it is not there, or to remove it."""

    def __init__(self, field: str, check: Callable[[Any, str], T], doc: str) -> None:
        self.field = field
        self.check = check
        self.__doc__ = doc

    @overload
    def __get__(self: Self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Document, owner: type) -> T | None: ...
    def __get__(self: Self, instance: Document | None, owner: type) -> Any:
        return self if instance is None else instance.data.get(self.field)

    def __set__(self, instance: Document, value: T | None) -> None:
        if value is None:
            self.__delete__(instance)
        else:
            instance.data[self.field] = self.check(value, self.field)

    def __delete__(self, instance: Document) -> None:
        instance.data.get(self.field)  # raises where that was not asked for
        if self.field in instance.data:
            del instance.data[self.field]


def a_mapping(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{field} is a dict, or None to remove it, not a {type(value).__name__}")
    return value


def seconds(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} is a whole number of seconds, or None to remove it: {value!r}")
    if value < 0:
        raise ValueError(f"{field} is a number of seconds from 0, not {value!r}")
    return value


class BucketSchemas(Document):
    """The schemas of a bucket, as attributes."""

    __slots__ = ()

    record_schema = Stored(
        "record:schema",
        a_mapping,
        """The JSON schema for the records of all collections; see :attr:`Collection.schema`.

        A property of ``data["record:schema"]``: ``None`` where there is none, or to remove it.
        """,
    )
    collection_schema = Stored(
        "collection:schema",
        a_mapping,
        """The JSON schema for the data of collections: ``data["collection:schema"]``.""",
    )
    group_schema = Stored(
        "group:schema",
        a_mapping,
        """The JSON schema for the data of groups: ``data["group:schema"]``.""",
    )


class CollectionSchemas(Document):
    """The schemas of a collection and what else it says of its records, as attributes."""

    __slots__ = ("_model",)

    # the class that the data of records are instances of, where they are no mappings
    _model: Model | None

    def __new__(cls: type[C], *args: Any, **kwargs: Any) -> C:
        made = super().__new__(cls)
        made._model = None
        return made

    def _typed(self: C, model: Model) -> C:
        other = self._copy()
        other._model = model
        return other

    schema = Stored(
        "schema",
        a_mapping,
        """The JSON schema that the server checks records against when they are written.

        A property of ``data["schema"]``: ``None`` where there is none, or to remove it.
        Records that are there already are not checked. Where the server does not have the
        capability ``schema``, it is kept and not used. See "Collection JSON schema" in
        Kinto's API reference.
        """,
    )
    ui_schema = Stored(
        "uiSchema",
        a_mapping,
        """How Kinto-Admin draws the form for records: ``data["uiSchema"]``. Not Kinto's own.""",
    )
    cache_expires = Stored(
        "cache_expires",
        seconds,
        """For how many seconds clients may cache records that everybody may read.

        A property of ``data["cache_expires"]``: ``None`` where the server's settings
        decide, or to let them. See "Collection caching" in Kinto's API reference.
        """,
    )


def is_typed(collection: CollectionSchemas) -> bool:
    """Whether the data of records are instances of a class."""
    return collection._model is not None


def model_of(place: Any) -> Model | None:
    """The class that the data of a collection's records are instances of, if there is one."""
    return place._model if isinstance(place, CollectionSchemas) else None


class InCollection(Document):
    """A document whose data may be an instance of a class that its collection knows."""

    __slots__ = ()

    # Asked of each record whose data is looked at: a function of Python's would take longer.
    _data_model = property(attrgetter("_parent._model"))


def fits(record: Document) -> bool:
    """Whether the stored fields are an instance of the class of the record's collection."""
    model = record._data_model
    return model is None or not is_misfit(model, record)


def with_model(collection: C, model: Model | None) -> C:
    """The same collection, whose records' data are instances of a class, if one is given."""
    return collection if model is None else collection._typed(model)
