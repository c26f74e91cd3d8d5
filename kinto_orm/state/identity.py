"""Which object it is: on which server, in which other object, with which id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, Unpack, overload

from kinto_orm.protocol.ids import quoted
from kinto_orm.protocol.kinds import Kind
from kinto_orm.slotted import Slotted

if TYPE_CHECKING:
    from kinto_orm.network.options import Overrides

T = TypeVar("T")


class ServerConnection(Protocol):
    """All that the state of an object knows of its connection."""

    @property
    def server_url(self) -> str: ...

    def with_options(self, **overrides: Unpack[Overrides]) -> Any: ...


class Identity(Slotted):
    """What never changes of an object; two with the same class and URL are equal."""

    __slots__ = ("__weakref__", "_connection", "_id", "_parent", "_uri")

    kind: ClassVar[Kind]

    _connection: Any  # a ServerConnection
    _id: str
    _parent: Any  # the object around this one, None for buckets
    _uri: str | None  # once it was asked for

    @property
    def id(self) -> str:
        return self._id

    @property
    def uri(self) -> str:
        """The path below the server's URL, such as ``/buckets/b/collections/c``."""
        if self._uri is None:  # neither ids nor parents change
            above = self._parent.uri if self._parent is not None else ""
            self._uri = f"{above}/{self.kind.plural}/{quoted(self._id)}"
        return self._uri

    @property
    def url(self) -> str:
        """Where the object is on the web: the server's URL and the ``uri``."""
        url: str = self._connection.server_url
        return url + self.uri

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Identity):
            return NotImplemented
        return type(self) is type(other) and self.url == other.url

    def __hash__(self) -> int:
        return hash((type(self), self.url))

    if not TYPE_CHECKING:  # a type checker should still find misspelt names

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                # A property that raised an AttributeError, which says more.
                return object.__getattribute__(self, name)
            from kinto_orm.protocol.misspellings import no_attribute

            raise AttributeError(no_attribute(self, name, self.kind.name))


class Ancestor(Generic[T]):
    """The object of that kind which is around this one, as an attribute: no request."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    @overload
    def __get__(self, instance: None, owner: type) -> Ancestor[T]: ...
    @overload
    def __get__(self, instance: Identity, owner: type) -> T: ...
    def __get__(self, instance: Identity | None, owner: type) -> Any:
        if instance is None:
            return self
        above = instance._parent
        while above.kind is not self._kind:
            above = above._parent
        return above

    def __set__(self, instance: Identity, value: T) -> None:
        raise AttributeError(
            f"{self._kind.name!r} of {instance.uri} cannot be set: objects stay where they are"
        )


def parent_of(one: Identity) -> Any:
    """The object around this one, or ``None`` for a bucket."""
    return one._parent


def is_awaited(connection: Any) -> bool:
    """Whether a connection, which this has to be, is one of ``kinto_orm.aio``."""
    driver = getattr(connection, "_driver", None)
    if driver is None:
        raise TypeError(f"connection is a Connection, not a {type(connection).__name__}")
    return getattr(driver, "awaited", False) is True
