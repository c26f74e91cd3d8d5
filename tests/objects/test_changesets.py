"""Changesets by real kinto-changes, and signatures by real kinto-signer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kinto_orm import (
    CapabilityMissing,
    Changeset,
    Collection,
    CollectionNotFound,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    Record,
    Tombstone,
    TransportError,
)
from kinto_orm.protocol import signatures
from kinto_orm.testing import LocalServer
from support.loopback import Answer, Received, loopback
from support.signing import Press, new_key, press

pytestmark = pytest.mark.both_faces

# -- what a changeset holds


@pytest.fixture
def notes(kinto: Any) -> Collection:
    notes: Collection = kinto.create_bucket("b").create_collection("notes", {"sort": "title"})
    return notes


def test_a_changeset_has_the_records_the_metadata_and_the_timestamp(
    notes: Collection, server_log: Any
) -> None:
    records = [notes.create_record({"n": n}) for n in range(3)]
    assert "changes" in notes.connection.capabilities
    with server_log() as log:
        changeset = notes.changeset()
    assert [(request.method, request.query) for request in log] == [("GET", {"_expected": "0"})]
    assert sorted(record.data.n for record in changeset.records) == [0, 1, 2]
    assert set(changeset.records) == set(records)
    assert all(isinstance(record, Record) for record in changeset.records)
    assert changeset.tombstones == []
    assert changeset.timestamp == notes.records.timestamp
    assert changeset.metadata["sort"] == "title"
    assert changeset.metadata["id"] == "notes"
    assert "3 records" in repr(changeset)


def test_the_records_of_a_changeset_can_be_edited_and_saved(notes: Collection) -> None:
    notes.create_record({"deep": {"n": 1}})
    (record,) = notes.changeset().records
    record.data.deep.n = 2
    record.save()
    assert notes.records.first().data.deep.n == 2  # type: ignore[union-attr]


def test_since_a_moment_it_has_what_changed_and_what_was_deleted(notes: Collection) -> None:
    kept, changed, gone = [notes.create_record({"n": n}) for n in range(3)]
    before = notes.changeset().timestamp
    changed.data.n = 10
    changed.save()
    gone.delete()
    changeset = notes.changeset(since=before)
    assert changeset.since == before
    assert changeset.records == [changed]
    assert kept not in changeset.records
    assert changeset.tombstones == [Tombstone(gone.id, gone.last_modified or 0)]


@pytest.mark.parametrize("spelt", ["{}", '"{}"'])
def test_the_moment_may_be_an_etag(notes: Collection, spelt: str) -> None:
    notes.create_record({})
    assert notes.changeset(since=spelt.format(notes.records.timestamp)).records == []


@pytest.mark.parametrize("since", ["yesterday", True, 1.5, -1, ""])
def test_anything_else_is_no_moment(notes: Collection, server_log: Any, since: Any) -> None:
    with server_log() as log, pytest.raises(ValueError, match="timestamp"):
        notes.changeset(since=since)
    assert log == []


def test_a_request_that_busts_caches_is_another_each_time(
    notes: Collection, server_log: Any
) -> None:
    with server_log() as log:
        for _ in range(3):
            notes.changeset(bust_cache=True)
    asked = {request.query["_expected"] for request in log if "_expected" in request.query}
    assert len(asked) == 3
    assert "0" not in asked


def test_an_empty_collection_has_an_empty_changeset(notes: Collection) -> None:
    changeset = notes.changeset()
    assert (changeset.records, changeset.tombstones) == ([], [])


def test_a_missing_collection_is_not_found(notes: Collection) -> None:
    with pytest.raises(CollectionNotFound):
        notes.bucket.collection("nothing").changeset()


def test_who_may_not_read_the_collection_gets_no_changeset(notes: Collection, bob: Any) -> None:
    with pytest.raises(Forbidden):
        bob.bucket("b").collection("notes").changeset()


def test_a_server_without_the_plugin_says_so_before_it_is_asked() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as server:
        notes = server.connect("alice").create_bucket("b").create_collection("notes")
        with pytest.raises(CapabilityMissing, match="capability 'changes'"):
            notes.changeset()


# -- signatures


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(
    scope="module", params=[ec.SECP384R1(), ec.SECP256R1()], ids=lambda curve: curve.name
)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Press]:
    with press(tmp_path_factory.mktemp("signer"), new_key(request.param)) as running:
        yield running


@pytest.fixture
def local(running: Press) -> Press:
    return running.anew()


def test_what_the_server_signed_is_verified(local: Press) -> None:
    changeset = local.publish(
        {"title": "Zürich \u2028\x7f", "n": 1, "deep": {"b": [None], "a": True}}
    )
    changeset.verify(public_key=public_pem(local.key))
    changeset.verify(public_key=public_pem(local.key).decode())
    changeset.verify(public_key=local.key.public_key())


def test_numbers_are_written_as_the_signer_writes_them(local: Press) -> None:
    numbers = [0.1, 1e21, 1e-7, 1.5, -2.25, 2**53, 2**63 - 1, 0]
    local.publish({"numbers": numbers}).verify(public_key=local.key.public_key())


def test_an_empty_collection_is_signed_too(local: Press) -> None:
    local.published.changeset().verify(public_key=local.key.public_key())


def test_edits_of_the_records_do_not_matter(local: Press) -> None:
    changeset = local.publish({"title": "News", "tags": ["true"], "by": {"name": "Ann"}})
    data = next(record.data for record in changeset.records if "tags" in record.data)
    data.title = "Fake news"
    data.tags.append("false")
    data.by.name = "Eve"
    changeset.verify(public_key=local.key.public_key())


def tampered(changeset: Changeset, **with_what: Any) -> Changeset:
    parts = {
        "since": changeset.since,
        "metadata": changeset.metadata,
        "timestamp": changeset.timestamp,
        "rows": changeset._rows,
    }
    return Changeset(changeset.collection, **{**parts, **with_what})


def test_a_changed_record_is_found_out(local: Press) -> None:
    changeset = local.publish({"title": "News"})
    rows = [{**row, "title": "Fake news"} for row in changeset._rows]
    with pytest.raises(IntegrityError, match="not of these records"):
        tampered(changeset, rows=rows).verify(public_key=local.key.public_key())


def test_a_missing_record_is_found_out(local: Press) -> None:
    changeset = local.publish({"title": "News"}, {"title": "More"})
    with pytest.raises(IntegrityError):
        tampered(changeset, rows=changeset._rows[1:]).verify(public_key=local.key.public_key())


def test_another_timestamp_is_found_out(local: Press) -> None:
    changeset = local.publish({"title": "News"})
    with pytest.raises(IntegrityError, match="/buckets/destination/collections/articles"):
        tampered(changeset, timestamp=1).verify(public_key=local.key.public_key())


def test_another_key_is_found_out(local: Press) -> None:
    changeset = local.publish({"title": "News"})
    for curve in (ec.SECP256R1(), ec.SECP384R1()):
        with pytest.raises(IntegrityError, match="another key"):
            changeset.verify(public_key=new_key(curve).public_key())


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ({"signature": "éé"}, "base64"),
        ({"signature": "ab"}, "bytes"),
        ({"signature": None}, "base64"),
        ({"mode": "rsa"}, "unknown kind"),
        ("text", "not signed"),
    ],
)
def test_a_broken_signature_is_found_out(local: Press, signature: Any, words: str) -> None:
    changeset = local.publish({})
    if isinstance(signature, dict):
        signature = {**changeset.metadata["signature"], **signature}
    broken = tampered(changeset, metadata={"signature": signature})
    with pytest.raises(IntegrityError, match=words):
        broken.verify(public_key=local.key.public_key())


def test_records_that_cannot_be_written_canonically_are_found_out(local: Press) -> None:
    changeset = local.publish({})
    rows = [{**changeset._rows[0], "n": 2**70}]
    with pytest.raises(IntegrityError, match="canonical"):
        tampered(changeset, rows=rows).verify(public_key=local.key.public_key())


def test_a_collection_that_nobody_signs_cannot_be_verified(local: Press) -> None:
    with pytest.raises(IntegrityError, match="not signed"):
        local.articles.changeset().verify(public_key=local.key.public_key())


def test_nothing_is_verified_without_somebody_to_trust(local: Press) -> None:
    with pytest.raises(TypeError, match="whom to trust"):
        local.publish({}).verify()


@pytest.mark.parametrize("key", [b"nonsense", "nonsense", 5])
def test_what_is_no_public_key_is_refused(local: Press, key: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="public_key"):
        local.publish({}).verify(public_key=key)


def test_a_key_of_another_sort_is_refused(local: Press) -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    with pytest.raises(TypeError, match="ECDSA"):
        local.publish({}).verify(public_key=key)


# -- since


def test_part_of_the_records_is_verified_with_those_that_were_held(local: Press) -> None:
    held = local.publish({"title": "Kept"}, {"id": "changed"}, {"id": "gone"})
    changed = local.articles.get_record("changed")
    changed.data.title = "New"
    changed.save()
    local.articles.delete_record("gone")
    local.publish({"title": "Added"})

    news = local.published.changeset(since=held.timestamp)
    assert len(news.records) == 2
    assert [tombstone.id for tombstone in news.tombstones] == ["gone"]
    news.verify(public_key=local.key.public_key(), records=held.records)
    rows = [
        {**record.data, "id": record.id, "last_modified": record.last_modified}
        for record in held.records
    ]
    news.verify(public_key=local.key.public_key(), records=iter(rows))
    with pytest.raises(IntegrityError):
        news.verify(public_key=local.key.public_key(), records=held.records[:1])


def test_part_of_the_records_is_not_verified_alone(local: Press) -> None:
    news = local.published.changeset(since=local.publish({}).timestamp)
    with pytest.raises(TypeError, match="records="):
        news.verify(public_key=local.key.public_key())


def test_all_of_the_records_are_not_verified_with_others(local: Press) -> None:
    changeset = local.publish({})
    with pytest.raises(TypeError, match="since"):
        changeset.verify(public_key=local.key.public_key(), records=changeset.records)


def test_records_of_which_not_all_is_known_are_refused(local: Press) -> None:
    changeset = local.publish({"title": "News", "body": "…"})
    news = local.published.changeset(since=changeset.timestamp)
    part = changeset.records[0].refresh(only=["title"])
    for wrong in (part, local.published.record("x"), {"title": "no id"}):
        with pytest.raises(ValueError, match=r"id and last_modified|not loaded as a whole"):
            news.verify(public_key=local.key.public_key(), records=[wrong])
    with pytest.raises(TypeError, match="objects or dicts"):
        news.verify(public_key=local.key.public_key(), records=["x"])  # type: ignore[list-item]


# -- chains of certificates

NOW = datetime.now(UTC)
HOST = "articles.content-signature.example.org"


@attrs.frozen(kw_only=True)
class Recipe:
    """What is in the certificates of a chain: a good one, unless it says otherwise."""

    usage: Any = ExtendedKeyUsageOID.CODE_SIGNING
    end: datetime = NOW + timedelta(days=9)
    signs_certificates: bool = True
    leaf_is_authority: bool = False
    permitted: str | None = None


@attrs.frozen
class Chain:
    """A root that is trusted, who it vouches for, and the key that signs."""

    key: ec.EllipticCurvePrivateKey
    leaf: x509.Certificate
    intermediate: x509.Certificate
    root: x509.Certificate

    @property
    def pem(self) -> bytes:
        return b"".join(
            one.public_bytes(Encoding.PEM) for one in (self.leaf, self.intermediate, self.root)
        )

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        return self.root.fingerprint(hashes.SHA256()).hex(":").upper()


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_chain(recipe: Recipe | None = None) -> Chain:
    recipe = recipe or Recipe()
    root_key, middle_key, leaf_key = new_key(), new_key(), new_key()

    def certify(
        subject: str, key: Any, issuer: str, issuer_key: Any, authority: bool, *more: Any
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=30))
            .not_valid_after(recipe.end if key is leaf_key else NOW + timedelta(days=90))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(issuer_key, hashes.SHA384())

    limits = []
    if recipe.permitted is not None:
        limits.append(x509.NameConstraints([x509.DNSName(recipe.permitted)], None))
    return Chain(
        leaf_key,
        certify(
            "Signer",
            leaf_key,
            "Middle",
            middle_key,
            recipe.leaf_is_authority,
            x509.ExtendedKeyUsage([recipe.usage]),
            x509.SubjectAlternativeName([x509.DNSName(HOST)]),
        ),
        certify("Middle", middle_key, "Root", root_key, recipe.signs_certificates, *limits),
        certify("Root", root_key, "Root", root_key, True),
    )


@pytest.fixture(scope="module")
def chain() -> Chain:
    return make_chain()


@attrs.define
class Web:
    """A host with a chain of certificates, or whatever else it is told to have."""

    url: str = ""
    answer: Answer = attrs.field(factory=Answer)
    received: list[Received] = attrs.field(factory=list)


@pytest.fixture(scope="module")
def host() -> Iterator[Web]:
    web = Web()
    with loopback(lambda request: web.answer) as running:
        web.url, web.received = f"{running.origin}/chain.pem", running.received
        yield web


@pytest.fixture
def web(host: Web, chain: Chain) -> Web:
    host.answer = Answer(body=chain.pem)
    host.received.clear()
    return host


@pytest.fixture(scope="module")
def certifying(
    chain: Chain, host: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Press]:
    settings = {
        "kinto.signer.signer_backend": "support.x5u_signer",
        "kinto.signer.ecdsa.x5u": host.url,
    }
    with press(tmp_path_factory.mktemp("signer"), chain.key, settings) as running:
        running.publish({"title": "News"})
        yield running


@pytest.fixture
def certified(certifying: Press) -> Iterator[Changeset]:
    with certifying.server.connect() as kinto:
        yield kinto.bucket("destination").collection("articles").changeset()


def test_the_chain_is_fetched_from_where_the_signature_says(
    certified: Changeset, chain: Chain, web: Web
) -> None:
    certified.verify(root=chain.root_pem)
    certified.verify(root=chain.root_pem.decode())
    certified.verify(root=chain.fingerprint)
    certified.verify(root=chain.fingerprint.replace(":", "").lower(), signer=HOST)
    assert [request.target for request in web.received] == ["/chain.pem"] * 4


def test_the_chain_is_fetched_without_credentials(
    certified: Changeset, chain: Chain, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    kinto = certified.collection.connection.with_options(
        auth=("ann", "secret"), headers={"X-Secret": "secret"}
    )
    secretive = kinto.bucket("destination").collection("articles")
    changeset = Changeset(secretive, None, certified.metadata, certified.timestamp, certified._rows)
    changeset.verify(root=chain.root_pem)
    (request,) = web.received
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers
    assert "secret" not in str(request.headers)


def test_a_chain_that_is_given_is_not_fetched(certified: Changeset, chain: Chain, web: Web) -> None:
    certified.verify(root=chain.root_pem, chain=chain.pem)
    certified.verify(root=chain.root_pem, chain=chain.pem.decode())
    assert web.received == []


def test_a_key_that_is_given_makes_the_chain_unnecessary(
    certified: Changeset, chain: Chain, web: Web
) -> None:
    certified.verify(public_key=chain.key.public_key())
    assert web.received == []


def test_another_root_is_found_out(certified: Changeset, chain: Chain, web: Web) -> None:
    other = make_chain()
    with pytest.raises(IntegrityError, match="does not hold"):
        certified.verify(root=other.root_pem)
    with pytest.raises(IntegrityError, match="fingerprint"):
        certified.verify(root=other.fingerprint)


def test_another_chain_of_the_same_root_is_found_out(certified: Changeset) -> None:
    other = make_chain()
    with pytest.raises(IntegrityError, match="another key"):
        certified.verify(root=other.root_pem, chain=other.pem)


def test_another_signer_is_found_out(certified: Changeset, chain: Chain, web: Web) -> None:
    with pytest.raises(IntegrityError, match=f"not that of example.org, but of {HOST}"):
        certified.verify(root=chain.root_pem, signer="example.org")


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(end=NOW - timedelta(days=1)),
        Recipe(usage=ExtendedKeyUsageOID.SERVER_AUTH),
        Recipe(signs_certificates=False),
        Recipe(leaf_is_authority=True),
        Recipe(permitted="example.com"),
    ],
    ids=["expired", "for servers", "by no authority", "is an authority", "name not permitted"],
)
def test_a_chain_that_does_not_hold_is_found_out(recipe: Recipe) -> None:
    chain = make_chain(recipe)
    with pytest.raises(IntegrityError, match="does not hold"):
        signatures.signers_key(chain.pem, chain.root_pem, None)


def test_a_chain_without_its_middle_is_found_out(chain: Chain) -> None:
    pem = chain.leaf.public_bytes(Encoding.PEM) + chain.root_pem
    with pytest.raises(IntegrityError, match="does not hold"):
        signatures.signers_key(pem, chain.root_pem, None)


def test_names_that_are_permitted_are_fine() -> None:
    chain = make_chain(Recipe(permitted="example.org"))
    key = signatures.signers_key(chain.pem, chain.root_pem, HOST)
    assert key.public_numbers() == chain.key.public_key().public_numbers()


@pytest.mark.parametrize("body", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_is_no_chain_is_found_out(
    certified: Changeset, chain: Chain, web: Web, body: bytes
) -> None:
    web.answer = Answer(body=body)
    with pytest.raises(IntegrityError):
        certified.verify(root=chain.root_pem)


def test_a_chain_without_end_is_not_read_to_its_end(
    certified: Changeset, chain: Chain, web: Web
) -> None:
    web.answer = Answer(body=b"A" * (1 << 21))
    with pytest.raises(IntegrityError, match="too large"):
        certified.verify(root=chain.root_pem)


@pytest.mark.parametrize(("status", "words"), [(404, "404"), (302, "redirects")])
def test_a_chain_that_is_not_there_is_a_transport_error(
    certified: Changeset, chain: Chain, web: Web, status: int, words: str
) -> None:
    web.answer = Answer(status, {"Location": web.url})
    with pytest.raises(TransportError, match=words):
        certified.verify(root=chain.root_pem)


def test_a_host_that_does_not_answer_is_a_connection_failed(
    certified: Changeset, chain: Chain
) -> None:
    metadata = {"signature": {**certified.metadata["signature"], "x5u": "http://127.0.0.1:1/x"}}
    quick = certified.collection.with_options(retry=0)
    broken = Changeset(quick, None, metadata, certified.timestamp, certified._rows)
    with pytest.raises(ConnectionFailed):
        broken.verify(root=chain.root_pem)


@pytest.mark.parametrize("x5u", ["", None, 5, "file:///etc/passwd", "ftp://x/y", "http://"])
def test_certificates_that_are_not_on_the_web_are_not_fetched(
    certified: Changeset, chain: Chain, x5u: Any
) -> None:
    metadata = {"signature": {**certified.metadata["signature"], "x5u": x5u}}
    with pytest.raises(IntegrityError):
        tampered(certified, metadata=metadata).verify(root=chain.root_pem)


@pytest.mark.parametrize("root", [b"nonsense", "nonsense", "ab:cd"])
def test_what_is_no_root_is_refused(certified: Changeset, web: Web, root: Any) -> None:
    with pytest.raises(ValueError, match="root"):
        certified.verify(root=root)


def test_only_one_root_is_trusted(certified: Changeset, chain: Chain, web: Web) -> None:
    with pytest.raises(ValueError, match="one certificate, not 3"):
        certified.verify(root=chain.pem)
    with pytest.raises(TypeError, match="root"):
        certified.verify(root=5)  # type: ignore[arg-type]


def test_arguments_that_contradict_each_other_are_refused(
    certified: Changeset, chain: Chain
) -> None:
    with pytest.raises(TypeError, match="whom to trust"):
        certified.verify(root=chain.root_pem, public_key=chain.key.public_key())
    with pytest.raises(TypeError, match="go with root"):
        certified.verify(public_key=chain.key.public_key(), signer=HOST)


def test_without_the_extra_it_says_what_to_install(
    notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "canonicaljson", None)
    with pytest.raises(ImportError, match=r"kinto_orm\[signatures\]"):
        notes.changeset().verify(public_key="x")
