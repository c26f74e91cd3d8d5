"""Changesets: the records of a collection with its metadata and signature, in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.plans import verification
from kinto_orm.plans.changesets import ChangesetBase

if TYPE_CHECKING:
    from kinto_orm.aio.collection import Collection
    from kinto_orm.aio.record import Record


@attrs.frozen(eq=False, repr=False)
class Changeset(ChangesetBase):
    """What a collection held at one moment: one consistent answer of the server.

    ``timestamp`` is when the list of records last changed, in milliseconds. With ``since``
    it has only what changed after that: ``records`` that were made or changed, and
    ``tombstones`` of those that were deleted. ``metadata`` are the fields of the
    collection, with ``id`` and ``last_modified``, as plain JSON; ``signature`` among them,
    where the collection is signed. ``full`` is true where it has all records, because no
    ``since`` was asked for, or because the server does not know that moment: what is held
    and not in it is then deleted.
    """

    if TYPE_CHECKING:
        collection: Collection[Any]
        records: list[Record]

    async def verify(
        self,
        *,
        public_key: Any = None,
        root: str | bytes | None = None,
        chain: str | bytes | None = None,
        signer: str | None = None,
        records: Iterable[Record | Mapping[str, Any]] | None = None,
    ) -> None:
        """Raise :class:`IntegrityError` unless the records are exactly those that were signed.

        A signature tells nothing without knowing whose it should be. Give one of:

        - ``public_key``: the signer's, in PEM;
        - ``root``: the certificate at the end of the signer's chain, in PEM, or its SHA-256
          fingerprint in hexadecimal digits. The chain is fetched from where the signature
          says (``x5u``; one GET without credentials, of at most 1 MB), or given as
          ``chain``, in PEM, the signer's certificate first. It has to be valid now, and for
          signing code. ``signer`` is the DNS name that the signer's certificate has to have.

        Any of ``metadata["signatures"]`` will do, or ``metadata["signature"]``, the old form.

        A changeset with ``since`` is only part of what was signed: ``records`` are those
        that were held at that moment, as objects or dicts with ``id`` and
        ``last_modified``, to which the changes are applied. One that is ``full`` needs none.

        Raises ``TypeError`` or ``ValueError`` where the arguments do not say enough,
        :class:`TransportError` where the chain cannot be fetched, and ``ImportError``
        without the extra ``signatures``. See "Content signature" in Kinto's documentation
        of kinto-signer.
        """
        driver = self.collection.connection._driver
        await driver.run(
            verification.verify(
                driver.server,
                self,
                public_key=public_key,
                root=root,
                chain=chain,
                signer=signer,
                records=records,
            )
        )
