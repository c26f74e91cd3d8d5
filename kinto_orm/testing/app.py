"""The Kinto side of `kinto_orm.testing`: settings, the application, and its backends.

The only room that imports Kinto. It builds a complete server out of a dictionary of
settings, deaf to the environment, and reaches into the backends for what would be slow
over HTTP: emptying them, and making accounts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import attrs

from .http import WSGIApplication

with warnings.catch_warnings():
    # Kinto and its plugins import modules on their way out of Python (cgi, pkg_resources).
    warnings.simplefilter("ignore")
    import bcrypt
    import kinto
    import kinto.core.utils
    import kinto_attachment
    import transaction
    import webob.response
    from kinto.authorization import RouteFactory
    from kinto.core.storage import memory as memory_storage
    from kinto.plugins.accounts import ACCOUNT_CACHE_KEY, ACCOUNT_POLICY_NAME
    from kinto.plugins.accounts.views import AccountIdGenerator
    from pyramid.config import Configurator
    from pyramid.events import NewRequest
    from pyramid.registry import Registry
    from pyramid.static import static_view

__all__ = ["KintoApplication", "build", "default_settings", "includeme"]

_HMAC_SECRET = "kinto_orm.testing"
_REVIEWED = "/buckets/source", "/buckets/preview", "/buckets/destination"

if sys.version_info >= (3, 12):
    # WebOb asks for the time in a way that Python deprecated, wherever an answer may be cached.
    # Where warnings are errors that is a 500: filters belong to the process, and a thread that
    # serves a request cannot set its own. So WebOb gets the same time without the warning.
    class _AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class _Datetime(datetime, metaclass=_AnyDatetime):
        @classmethod
        def utcnow(cls) -> datetime:  # type: ignore[override]
            return datetime.now(UTC).replace(tzinfo=None)

    webob.response.datetime = _Datetime

# Building patches a function of Kinto and the list of warning filters, which are the process'.
_build_lock = threading.Lock()


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)


def default_settings(netloc: str, folder: Path, storage_url: str | None) -> dict[str, Any]:
    """The settings of a server at `netloc` ("127.0.0.1:8888") with every feature on.

    Attachments and keys live in `folder`. `storage_url` moves the three backends to PostgreSQL.
    """
    includes = [
        __name__,
        "kinto.plugins.accounts",
        "kinto.plugins.default_bucket",
        "kinto.plugins.history",
        "kinto.plugins.flush",
        kinto_attachment.__name__,
    ]
    settings: dict[str, Any] = {
        "kinto.userid_hmac_secret": _HMAC_SECRET,
        "kinto.bucket_create_principals": "system.Authenticated",
        "kinto.experimental_permissions_endpoint": True,
        "kinto.experimental_collection_schema_validation": True,
        # With "basicauth" behind it, a wrong password would be just another user.
        "multiauth.policies": ACCOUNT_POLICY_NAME,
        f"multiauth.policy.{ACCOUNT_POLICY_NAME}.use": "kinto.plugins.accounts.AccountsPolicy",
        "kinto.account_create_principals": "system.Everyone",
        "kinto.account_write_principals": f"{ACCOUNT_POLICY_NAME}:admin",
        "kinto.account_read_principals": f"{ACCOUNT_POLICY_NAME}:admin",
        "kinto.account_cache_ttl_seconds": 86400,
        "kinto.attachment.base_path": str(folder / "attachments"),
        "kinto.attachment.base_url": f"http://{netloc}/v1/attachments/",
        "kinto.attachment.folder": "{bucket_id}/{collection_id}",
        "kinto.attachment.extensions": "any",
        # The module instead of its name: the accounts plugin prints a warning about the name.
        "kinto.storage_backend": memory_storage,
        "kinto.cache_backend": "kinto.core.cache.memory",
        "kinto.permission_backend": "kinto.core.permission.memory",
    }
    if storage_url is not None:
        _require_postgresql()
        for backend in ("storage", "cache", "permission"):
            settings[f"kinto.{backend}_backend"] = f"kinto.core.{backend}.postgresql"
            settings[f"kinto.{backend}_url"] = storage_url
    if _installed("kinto.plugins.counters"):
        includes.append("kinto.plugins.counters")
    if _installed("kinto_signer"):
        includes.append("kinto_signer")
        settings |= _signer_settings(folder)
    # kinto_changes needs cornice, which it does not ask for.
    if _installed("kinto_changes", "cornice"):
        includes.append("kinto_changes")
        settings["kinto.changes.resources"] = " ".join(_REVIEWED)
        settings["kinto.changes.http_host"] = netloc
        settings["kinto.changes.since_max_age_days"] = -1
    return settings | {"kinto.includes": " ".join(includes)}


def _require_postgresql() -> None:
    try:
        import psycopg2  # noqa: F401
        import sqlalchemy  # noqa: F401
        import zope.sqlalchemy  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'storage_url needs the driver: pip install "kinto[postgresql]" ({error})'
        ) from error


def _signer_settings(folder: Path) -> dict[str, Any]:
    from ecdsa import NIST256p, SigningKey

    key = SigningKey.generate(curve=NIST256p)
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(key.to_pem())
    public.write_bytes(key.verifying_key.to_pem())
    return {
        "kinto.signer.resources": " -> ".join(_REVIEWED),
        "kinto.signer.signer_backend": "kinto_signer.signer.local_ecdsa",
        "kinto.signer.ecdsa.private_key": str(private),
        "kinto.signer.ecdsa.public_key": str(public),
        "kinto.signer.to_review_enabled": True,
        "kinto.signer.group_check_enabled": True,
        "kinto.signer.editors_group": "{collection_id}-editors",
        "kinto.signer.reviewers_group": "{collection_id}-reviewers",
        "kinto.signer.allow_floats": True,
    }


def includeme(config: Any) -> None:
    """What `default_settings` include besides Kinto's plugins: attachments that can be read.

    Kinto leaves the folder of attachments to a web server; here it is at `attachments/`.
    """
    # kinto_attachment reads its settings without the prefix too.
    folder = Path(config.get_settings()["attachment.base_path"])
    folder.mkdir(parents=True, exist_ok=True)
    config.add_route("attachments", "/attachments/*subpath")
    # Without `reload`, a file that was downloaded once and then deleted would be a 500.
    view = static_view(str(folder.resolve()), use_subpath=True, cache_max_age=0, reload=True)
    config.add_view(view, route_name="attachments")
    config.add_subscriber(_close_uploads, NewRequest)
    # kinto_signer uses two names that Kinto deprecated, which would be a 500 in the same way. The
    # names mean the same here, without the warning; there is no StatsD.
    type(config.registry).statsd = None
    config.add_request_method(
        lambda request: request.prefixed_principals, "effective_principals", property=True
    )


def _close_uploads(event: Any) -> None:
    # WebOb leaves the temporary files of forms and large bodies to the garbage collector, whose
    # ResourceWarning would reach the tests of whoever turns warnings into errors.
    event.request.add_finished_callback(_close_form)


def _close_form(request: Any) -> None:
    form, parsed = request.environ.get("webob._parsed_post_vars", ({}, None))
    copied = request.environ.get("webob.is_body_seekable", False)
    body = request.environ["wsgi.input"] if copied else None
    for file in (body, parsed, *(getattr(value, "file", None) for value in form.values())):
        if file is not None:
            file.close()


def build(settings: Mapping[str, Any]) -> KintoApplication:
    """The Kinto application that `settings` describe, its database schema made if missing."""

    # Kinto pins properties on the class of its registry: each server gets a class of its own.
    class _Registry(Registry):  # type: ignore[misc]  # pyramid has no types
        pass

    with _build_lock, warnings.catch_warnings(), _deaf_to_the_environment():
        warnings.simplefilter("ignore")
        config = Configurator(registry=_Registry("kinto"))
        config.setup_registry(settings=dict(settings), root_factory=RouteFactory)
        application = KintoApplication(kinto.main({}, config=config), config.registry)
        application.initialize_schema()
    return application


@contextlib.contextmanager
def _deaf_to_the_environment() -> Iterator[None]:
    # A variable such as KINTO_STORAGE_URL overrides any setting, and flush() would then empty
    # the database that it names.
    with mock.patch.object(kinto.core.utils, "read_env", lambda key, value: value):
        yield


@attrs.frozen(eq=False)
class KintoApplication:
    """A built Kinto: the WSGI application, and its backends."""

    wsgi: WSGIApplication
    _registry: Any = attrs.field(repr=False)

    def flush(self) -> None:
        """Empty the three backends. Objects, permissions, accounts and cached logins go."""
        for backend in self._backends:
            backend.flush()

    def initialize_schema(self) -> None:
        """Make or migrate the tables of a database; nothing for backends in memory."""
        with self._schema_lock():
            for backend in self._backends:
                backend.initialize_schema()

    def has_account(self, name: str) -> bool:
        with transaction.manager:
            found = self._registry.storage.list_all(resource_name="account", parent_id=name)
        return bool(found)

    def set_account(self, name: str, password: str) -> None:
        """Store what `PUT /accounts/{name}` stores, with a cheap hash of the password.

        Raises `ValueError` for a name or a password that Kinto would refuse.
        """
        if not AccountIdGenerator().match(name):
            raise ValueError(f"{name!r} is no name for an account")
        secret = password.encode()
        if not 0 < len(secret) <= 72:
            raise ValueError("a password has from 1 to 72 bytes")
        # 4 rounds are the least that bcrypt does, and take 1 ms; Kinto's 12 take 250.
        hashed = bcrypt.hashpw(secret, bcrypt.gensalt(rounds=4)).decode()
        cached_login = kinto.core.utils.hmac_digest(
            self._registry.settings["userid_hmac_secret"], ACCOUNT_CACHE_KEY.format(name)
        )
        with transaction.manager:
            self._registry.storage.update(
                resource_name="account", parent_id=name, object_id=name, obj={"password": hashed}
            )
            self._registry.permission.add_principal_to_ace(
                f"/accounts/{name}", "write", f"{ACCOUNT_POLICY_NAME}:{name}"
            )
        self._registry.cache.delete(cached_login)

    def close(self) -> None:
        """Close the connections to a database."""
        for engine in self._engines:
            engine.dispose()

    @property
    def _backends(self) -> list[Any]:
        return [getattr(self._registry, name) for name in ("storage", "permission", "cache")]

    @property
    def _engines(self) -> list[Any]:
        clients = [backend.client for backend in self._backends if hasattr(backend, "client")]
        return [client.session_factory.session_factory.kw["bind"] for client in clients]

    @contextlib.contextmanager
    def _schema_lock(self) -> Iterator[None]:
        # Servers that start at the same time on one new database would trip over each other.
        if not self._engines:
            yield
            return
        from sqlalchemy import text

        with self._engines[0].begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('kinto_orm.testing'))"))
            yield
