"""Reviews by real kinto-signer: on PostgreSQL, as memory keeps what was refused."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from kinto_orm import (
    BadRequest,
    BasicPatch,
    BatchError,
    Bucket,
    CapabilityMissing,
    Collection,
    CollectionNotFound,
    Conflict,
    Connection,
    DeletedError,
    Forbidden,
    KintoError,
    ReviewForbidden,
    ReviewNotPossible,
    ReviewRefused,
)
from kinto_orm.testing import LocalServer
from support.faults import losing_one_reply

pytestmark = pytest.mark.both_faces


@attrs.frozen
class Desk:
    """Ann edits the articles, Rob reviews them; both hold the collection in their own hands."""

    anns: Collection
    robs: Collection

    def edited(self) -> Desk:
        self.anns.create_record({"title": "News"})
        return self

    def asked(self) -> Desk:
        self.edited().anns.review.request("ready")
        return self

    def published(self) -> list[str]:
        destination = self.anns.connection.bucket("destination").collection("articles")
        return [record.data.title for record in destination.records]


@pytest.fixture
def people(pg_server: Any) -> Iterator[Callable[..., Connection]]:
    pg_server.flush()
    with contextlib.ExitStack() as connections:

        def connect(name: str, **options: Any) -> Connection:
            connection: Connection = pg_server.connect(name, **options)
            connections.callback(connection.close)
            return connection

        yield connect


@pytest.fixture
def desk(people: Callable[..., Connection]) -> Desk:
    ann, rob = people("ann"), people("rob")
    source = ann.create_bucket("source", permissions={"read": ["system.Authenticated"]})
    # What the server answers to the creation is over by then: it goes on to sign.
    articles = source.create_collection("articles").refresh()
    reviewers = source.group("articles-reviewers")
    reviewers.members += ["account:rob"]
    reviewers.save()
    return Desk(articles, rob.bucket("source").collection("articles"))


# -- what it tells


def test_a_review_is_made_and_shown_without_a_request(desk: Desk, pg_server: Any) -> None:
    with pg_server.log() as log:
        review = desk.anns.review
        assert "not read" in repr(review)
    assert log == []


def test_what_it_tells_is_asked_for_once(desk: Desk, pg_server: Any) -> None:
    review = desk.anns.review
    with pg_server.log() as log:
        assert review.status == "signed"
        assert review.last_edit_by is None
        assert review.last_signature_by == "account:ann"
        assert review.last_signature_date is not None
        assert review.last_modified > 0
    assert [request.method for request in log] == ["GET"]
    assert "signed" in repr(review)


def test_each_new_review_sees_what_became_of_the_collection(desk: Desk) -> None:
    old = desk.anns.review
    assert old.status == "signed"
    desk.edited()
    assert desk.anns.review.status == "work-in-progress"
    assert desk.anns.review.last_edit_by == "account:ann"
    assert desk.anns.review.last_edit_date is not None
    assert old.status == "signed"
    assert old.refresh().status == "work-in-progress"


def test_reading_a_review_leaves_the_collection_as_it_was_loaded(desk: Desk) -> None:
    before = desk.anns.last_modified
    desk.edited()
    assert desk.anns.review.status == "work-in-progress"
    assert desk.anns.last_modified == before


# -- the steps


def test_two_people_publish_a_record(desk: Desk) -> None:
    desk.edited()
    assert desk.published() == []

    review = desk.anns.review.request("please look")
    assert review.status == "to-review"
    assert review.last_editor_comment == "please look"
    assert review.last_review_request_by == "account:ann"
    assert review.last_review_request_date is not None

    review = desk.robs.review.approve()
    assert review.status == "signed"
    assert review.last_review_by == "account:rob"
    assert review.last_review_date is not None
    assert desk.published() == ["News"]


def test_what_is_to_be_reviewed_can_be_seen_in_the_preview(desk: Desk) -> None:
    desk.asked()
    preview = desk.robs.connection.bucket("preview").collection("articles")
    assert [record.data.title for record in preview.records] == ["News"]


def test_a_declined_review_goes_back_with_a_comment(desk: Desk) -> None:
    desk.asked()
    review = desk.robs.review.decline("not yet")
    assert review.status == "work-in-progress"
    assert review.last_reviewer_comment == "not yet"
    assert desk.published() == []


def test_a_rollback_drops_what_was_changed_since_the_last_signature(desk: Desk) -> None:
    desk.asked().robs.review.approve()
    desk.anns.create_record({"title": "Rumours"})
    assert desk.anns.records.count() == 2
    assert desk.anns.review.rollback("no").status == "signed"
    assert [record.data.title for record in desk.anns.records] == ["News"]


def test_a_new_signature_changes_the_date_and_not_the_status(desk: Desk) -> None:
    before = desk.anns.review.last_signature_date
    review = desk.anns.review.resign()
    assert review.status == "signed"
    assert review.last_signature_date != before


def test_a_step_is_one_patch_and_one_get(desk: Desk, pg_server: Any) -> None:
    desk.edited()
    assert "signer" in desk.anns.connection.capabilities
    with pg_server.log() as log:
        desk.anns.review.request("ready")
    assert [request.method for request in log] == ["PATCH", "GET"]
    assert log[0].json == {"data": {"status": "to-review", "last_editor_comment": "ready"}}


def test_without_a_message_none_is_sent(desk: Desk, pg_server: Any) -> None:
    desk.edited()
    with pg_server.log() as log:
        desk.anns.review.request()
    assert log[-2].json == {"data": {"status": "to-review"}}


def test_a_message_that_is_no_text_is_refused_before_anything_is_sent(
    desk: Desk, pg_server: Any
) -> None:
    with pg_server.log() as log, pytest.raises(TypeError, match="message"):
        desk.anns.review.request(["ready"])  # type: ignore[arg-type]
    assert log == []


# -- refusals


def test_only_reviewers_approve(desk: Desk, people: Callable[..., Connection]) -> None:
    desk.anns.permissions.write += "account:eve"
    desk.anns.save()
    desk.asked()
    with pytest.raises(ReviewForbidden, match="Not in articles-reviewers group") as caught:
        people("eve").bucket("source").collection("articles").review.approve()
    assert isinstance(caught.value, Forbidden)
    assert isinstance(caught.value, ReviewRefused)
    assert desk.anns.review.status == "to-review"


def test_nobody_approves_their_own_request(desk: Desk) -> None:
    reviewers = desk.anns.bucket.group("articles-reviewers")
    reviewers.members += "account:ann"
    reviewers.save()
    desk.asked()
    with pytest.raises(ReviewForbidden, match="Last editor cannot review"):
        desk.anns.review.approve()


def test_who_may_not_write_the_collection_takes_no_step(
    desk: Desk, people: Callable[..., Connection]
) -> None:
    with pytest.raises(ReviewForbidden):
        people("eve").bucket("source").collection("articles").review.resign()


def test_what_is_not_under_review_is_not_approved(desk: Desk) -> None:
    desk.edited()
    with pytest.raises(ReviewNotPossible, match="Collection not under review") as caught:
        desk.robs.review.approve()
    assert isinstance(caught.value, BadRequest)
    assert isinstance(caught.value, ReviewRefused)
    assert (caught.value.status, caught.value.errno) == (400, 109)


def test_what_is_signed_is_not_approved_or_rolled_back(desk: Desk) -> None:
    with pytest.raises(ReviewNotPossible, match="already signed"):
        desk.robs.review.approve()
    with pytest.raises(ReviewNotPossible, match="no work-in-progress"):
        desk.anns.review.rollback()


def test_only_what_is_under_review_is_declined_and_nothing_is_written(
    desk: Desk, pg_server: Any
) -> None:
    with pg_server.log() as log, pytest.raises(ReviewRefused, match="status is 'signed'"):
        desk.robs.review.decline("no")
    assert {request.method for request in log} == {"GET"}


def test_a_refusal_can_be_pickled(desk: Desk) -> None:
    with pytest.raises(ReviewRefused) as caught:
        desk.anns.review.approve()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))


def test_a_refused_step_changes_nothing_here(desk: Desk) -> None:
    before = desk.anns.last_modified
    review = desk.anns.review
    with pytest.raises(ReviewRefused):
        review.approve()
    assert review.status == "signed"
    assert desk.anns.last_modified == before


def test_a_deleted_collection_has_no_more_steps(desk: Desk) -> None:
    desk.anns.delete()
    with pytest.raises(DeletedError):
        desk.anns.review.resign()


def test_a_missing_collection_is_said_to_be_missing(desk: Desk) -> None:
    with pytest.raises(CollectionNotFound):
        desk.anns.bucket.collection("nothing").review.resign()


# -- versions


def test_nobody_approves_what_they_did_not_see(desk: Desk) -> None:
    review = desk.asked().robs.review
    assert review.status == "to-review"
    desk.anns.create_record({"title": "Slipped in"})
    desk.anns.review.request("ready again")
    with pytest.raises(Conflict) as caught:
        review.approve()
    assert caught.value.remote.data.last_editor_comment == "ready again"
    assert desk.published() == []
    assert review.refresh().approve().status == "signed"


def test_a_connection_without_preconditions_approves_all_the_same(
    desk: Desk, people: Callable[..., Connection]
) -> None:
    desk.asked()
    review = people("rob", safe=False).bucket("source").collection("articles").review
    assert review.status == "to-review"
    desk.edited().anns.review.request()
    assert review.approve().status == "signed"


def test_a_given_version_is_a_precondition(desk: Desk) -> None:
    desk.edited()
    with pytest.raises(Conflict):
        desk.anns.review.rollback(if_match=1)
    seen = desk.anns.review.last_modified
    assert desk.anns.review.rollback(if_match=seen).status == "signed"


def test_after_a_step_the_collection_can_be_saved(desk: Desk) -> None:
    desk.asked()
    desk.anns.data.displayFields = ["title"]
    desk.anns.save()
    assert desk.anns.data.status == "to-review"


def test_edits_of_the_collection_stay_pending_and_are_not_sent_along(
    desk: Desk, pg_server: Any
) -> None:
    desk.edited()
    desk.anns.data.sort = "title"
    desk.anns.permissions.read += "account:rob"
    with pg_server.log() as log:
        desk.anns.review.request()
    assert [b"sort" in request.body for request in log] == [False] * 3
    assert set(desk.anns.changes.data) == {"sort"}
    assert "account:rob" in desk.anns.permissions.read
    desk.anns.save()
    assert desk.robs.data.sort == "title"


def test_edits_that_clash_with_another_writers_still_meet_their_conflict(desk: Desk) -> None:
    desk.edited()
    desk.anns.data.sort = "title"
    desk.robs.patch(BasicPatch(data={"sort": "-date"}))
    desk.anns.review.request()
    assert desk.anns.data.status == "to-review"
    assert desk.anns.data.sort == "title"
    with pytest.raises(Conflict) as caught:
        desk.anns.save()
    assert caught.value.remote.data.sort == "-date"


def test_a_reference_stays_a_reference(desk: Desk) -> None:
    desk.edited()
    reference = desk.anns.bucket.collection("articles")
    reference.review.request()
    assert reference.last_modified is None
    assert reference.data.status == "to-review"


# -- what is allowed


def test_what_each_of_them_may_do_next_follows_from_the_state(desk: Desk) -> None:
    assert desk.anns.review.allowed == ("resign",)
    assert desk.robs.review.allowed == ("resign",)
    desk.edited()
    assert desk.anns.review.allowed == ("request", "rollback", "resign")
    assert desk.robs.review.allowed == ("rollback", "resign")
    desk.anns.review.request()
    assert desk.anns.review.allowed == ("decline", "rollback", "resign")
    assert desk.robs.review.allowed == ("approve", "decline", "rollback", "resign")


def test_strangers_may_do_nothing(desk: Desk, people: Callable[..., Connection]) -> None:
    desk.asked()
    eve = people("eve").bucket("source").collection("articles")
    assert eve.review.allowed == ()


def test_who_asked_for_the_review_may_not_approve_it(desk: Desk) -> None:
    reviewers = desk.anns.bucket.group("articles-reviewers")
    reviewers.members += "account:ann"
    reviewers.save()
    desk.asked()
    assert "approve" not in desk.anns.review.allowed
    assert "approve" in desk.robs.review.allowed


@pytest.mark.parametrize("verb", ["request", "approve", "decline", "rollback", "resign"])
@pytest.mark.parametrize("state", ["signed", "edited", "asked"])
@pytest.mark.parametrize("who", ["anns", "robs"])
def test_what_is_allowed_succeeds(desk: Desk, who: str, state: str, verb: str) -> None:
    if state != "signed":
        getattr(desk, state)()
    review = getattr(desk, who).review
    if verb in review.allowed:
        getattr(review, verb)()


def test_what_is_not_allowed_is_refused(desk: Desk) -> None:
    desk.edited()
    for verb in {"request", "approve", "decline"} - set(desk.robs.review.allowed):
        with pytest.raises(ReviewRefused):
            getattr(desk.robs.review, verb)()


# -- where there is no review


def test_a_collection_that_is_not_reviewed_says_so_and_nothing_is_sent(
    desk: Desk, pg_server: Any
) -> None:
    notes = desk.anns.connection.create_bucket("private").create_collection("notes")
    with pg_server.log() as log:
        with pytest.raises(CapabilityMissing, match="no review of /buckets/private/"):
            notes.review.request()
        with pytest.raises(CapabilityMissing):
            _ = notes.review.allowed
    assert {request.path for request in log} <= {"/v1/"}
    assert notes.review.status is None


def test_the_default_bucket_is_told_from_a_reviewed_one(desk: Desk) -> None:
    notes = desk.anns.connection.bucket("default").collection("notes")
    with pytest.raises(CapabilityMissing, match="no review"):
        notes.review.request()


def test_a_server_without_the_plugin_says_so() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as server:
        notes = server.connect("ann").create_bucket("b").create_collection("notes")
        with pytest.raises(CapabilityMissing, match="signer"):
            notes.review.request()


def test_one_person_alone_publishes_where_no_review_is_asked_for() -> None:
    settings = {
        "kinto.signer.to_review_enabled": "false",
        "kinto.signer.group_check_enabled": "false",
    }
    with LocalServer(settings) as server:
        articles = server.connect("ann").create_bucket("source").create_collection("articles")
        articles.create_record({"title": "News"})
        assert articles.review.allowed == ("request", "approve", "rollback", "resign")
        assert articles.review.approve().status == "signed"


def test_a_single_collection_may_be_under_review() -> None:
    articles = "/buckets/source/collections/articles"
    published = "/buckets/destination/collections/articles"
    with LocalServer({"kinto.signer.resources": f"{articles} -> {published}"}) as server:
        source: Bucket = server.connect("ann").create_bucket("source")
        articles_ = source.create_collection("articles")
        assert articles_.review.allowed == ("resign",)
        with pytest.raises(CapabilityMissing):
            source.create_collection("notes").review.resign()


# -- batches, dry runs, lost replies


def test_in_a_batch_a_step_comes_after_the_edits_before_it(desk: Desk) -> None:
    with desk.anns.connection.batch():
        desk.anns.create_record({"title": "News"})
        review = desk.anns.review.request("in one go")
    assert review.status == "to-review"
    assert review.last_editor_comment == "in one go"


def test_a_step_that_is_refused_in_a_batch_is_among_its_errors(desk: Desk) -> None:
    with pytest.raises(BatchError) as caught, desk.anns.connection.batch():
        desk.anns.review.approve()
    assert [type(error) for _, error in caught.value.errors] == [ReviewNotPossible]


def test_a_dry_run_collects_the_step_and_shows_no_pending_edits(desk: Desk, pg_server: Any) -> None:
    desk.edited()
    desk.anns.data.sort = "title"
    with pg_server.log() as log, desk.anns.connection.dry_run() as plan:
        desk.anns.review.request("ready")
    assert [request.body["data"]["status"] for request in plan.requests] == ["to-review"]
    assert "sort" not in repr(plan)
    assert {request.method for request in log} <= {"GET"}
    assert desk.anns.review.status == "work-in-progress"


def test_a_dry_run_collects_a_step_of_a_batch_in_its_turn(desk: Desk, pg_server: Any) -> None:
    desk.edited()
    desk.anns.data.sort = "title"
    connection = desk.anns.connection
    with pg_server.log() as log, connection.dry_run() as plan, connection.batch():
        desk.anns.create_record({"title": "News"}, id="news")
        desk.anns.review.request("ready")
    assert [request.method for request in plan.requests] == ["PUT", "PATCH"]
    assert "sort" not in repr(plan)
    assert {request.method for request in log} <= {"GET"}


@pytest.mark.parametrize(("who", "verb"), [("anns", "rollback"), ("robs", "approve")])
def test_a_step_whose_reply_was_lost_was_taken(
    desk: Desk, pg_server: Any, who: str, verb: str
) -> None:
    desk.asked()
    held = getattr(desk, who)
    with losing_one_reply(pg_server.url, "PATCH") as road:
        auth = pg_server.create_account({"anns": "ann", "robs": "rob"}[who])
        with Connection(road.url, auth, retry_after=0) as kinto:
            review = kinto.bucket("source").collection("articles").review
            assert getattr(review, verb)().status == "signed"
    assert held.review.status == "signed"


def test_every_refusal_is_an_error_of_this_library(desk: Desk) -> None:
    with pytest.raises(KintoError):
        desk.anns.review.approve()
