"""A typed collection stays typed in a mirror, on both sides of what a sync brings together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from kinto_orm import Collection, InvalidData
from offline.conftest import Keep

DUE = datetime(2026, 12, 1, tzinfo=UTC)


@attrs.define
class Task:
    title: str
    done: bool = False
    due: datetime | None = None


@pytest.fixture
def tasks(theirs: Collection) -> Collection[Task]:
    return theirs.typed(Task)


def test_records_are_instances_here_and_there(tasks: Collection[Task], keep: Keep) -> None:
    mirror, here = keep(tasks, index=["due"])
    task = here.create_record(Task("Paint the door", due=DUE))
    task.data.done = True
    task.save()
    assert mirror.collections[0].get_record(task.id).data == Task("Paint the door", True, DUE)
    assert [one.data for one in here.records.filter(due=DUE)] == [task.data]
    assert [dict(one.data) for one in mirror.pending.created] == [
        {"title": "Paint the door", "done": True, "due": "2026-12-01T00:00:00+00:00"}
    ]
    report = mirror.sync()
    assert [one.data for one in report.pushed] == [task.data]
    assert tasks.get_record(task.id).data == task.data
    other = tasks.create_record(Task("Mow the lawn"))
    assert [one.data for one in mirror.sync().pulled] == [other.data]


def test_a_plain_kept_collection_is_typed_like_any_other(theirs: Collection, keep: Keep) -> None:
    theirs.create_record({"title": "a", "colour": "red"}, id="a")
    mirror, here = keep(theirs)
    mirror.sync()
    tasks = here.typed(Task)
    task = tasks.get_record("a")
    task.data.done = True
    task.save()
    with mirror.batch():
        new = tasks.create_record(Task("b", due=DUE))
    assert [one.data for one in tasks.records.filter(done=True)] == [task.data]
    assert here.get_record(new.id).data == {
        "title": "b", "done": False, "due": "2026-12-01T00:00:00+00:00",
    }  # fmt: skip
    mirror.sync()
    assert theirs.get_record("a").data == {"title": "a", "colour": "red", "done": True}
    assert theirs.typed(Task).get_record(new.id).data == Task("b", due=DUE)
    assert not list(tasks.check())


def test_a_part_and_fields_that_the_class_does_not_know(
    theirs: Collection, tasks: Collection[Task], keep: Keep
) -> None:
    theirs.create_record({"title": "a", "done": False, "colour": "red"}, id="a")
    theirs.create_record({"title": "b", "done": True}, id="b")
    mirror, here = keep(tasks.records.filter(done=False))
    mirror.sync()
    (task,) = here.records
    task.data.title = "A"
    task.save()
    mirror.sync()
    assert theirs.get_record("a").data == {"title": "A", "done": False, "colour": "red"}


def test_what_does_not_fit_is_told_when_it_is_read(
    theirs: Collection, tasks: Collection[Task], keep: Keep
) -> None:
    theirs.create_record({"title": 5}, id="a")
    mirror, here = keep(tasks)
    (pulled,) = mirror.sync().pulled
    with pytest.raises(InvalidData, match="title"):
        pulled.data  # noqa: B018
    assert [one.id for one in here.check()] == ["a"]
    with pytest.raises(InvalidData, match="title"):
        here.create_record(Task(5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="titel"):
        mirror.keep(tasks, index=["titel"])


@pytest.mark.parametrize("by_hand", [False, True])
def test_conflicts_are_settled_with_instances(
    theirs: Collection, tasks: Collection[Task], keep: Keep, by_hand: bool
) -> None:
    theirs.create_record({"title": "both", "colour": "red"}, id="a")
    mirror, here = keep(tasks)
    mirror.sync()
    for side, title in ((here, "here"), (tasks, "there")):
        task = side.get_record("a")
        task.data.title = title
        task.save()

    def joined(conflict: Any) -> Task:
        assert isinstance(conflict.local.data, Task)
        return Task(f"{conflict.local.data.title} and {conflict.remote.data.title}", True)

    if by_hand:
        (conflict,) = mirror.sync().conflicts
        assert conflict.base == {"title": "both", "colour": "red"}
        conflict.resolve(joined(conflict))
        mirror.sync()
    else:
        mirror.sync(on_conflict=joined)
    assert not mirror.conflicts
    assert theirs.get_record("a").data == {
        "title": "here and there", "done": True, "colour": "red",
    }  # fmt: skip
    assert here.get_record("a").data == Task("here and there", True)
