"""A small application on classes of its own: projects, tasks, and the people who share them.

Runs against a Kinto of its own, inside this process. The classes know nothing of Kinto, and
mypy and pyright find a misspelt attribute in what uses them.
"""

from datetime import UTC, datetime
from enum import Enum

import attrs

from kinto_orm import Bucket, Collection
from kinto_orm.models import json_schema
from kinto_orm.testing import LocalServer


class State(Enum):
    OPEN = "open"
    DONE = "done"


@attrs.define
class Person:
    name: str
    email: str | None = None


@attrs.define
class Step:
    what: str
    done: bool = False


@attrs.define
class Task:
    title: str
    due: datetime | None = None
    state: State = State.OPEN
    owner: Person | None = None
    steps: list[Step] = attrs.Factory(list)


@attrs.frozen
class Project:
    name: str
    goal: str = ""


class Planner:
    """The projects of a bucket, each with its tasks."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.projects: Collection[Project] = bucket.collection("projects").typed(Project)

    def begin(self, id: str, project: Project) -> Collection[Task]:
        """A new project: its tasks are a collection, whose schema the server enforces."""
        self._bucket.create_collection("projects", if_not_exists=True)
        self.projects.create_record(project, id=id, if_not_exists=True)
        tasks = self._bucket.create_collection(id, if_not_exists=True).typed(Task)
        tasks.schema = json_schema(Task)
        return tasks.save()


def late(tasks: Collection[Task], now: datetime) -> list[str]:
    """What should be done by now, the oldest first."""
    open_ones = tasks.records.filter(state=State.OPEN, due__lt=now)
    return [task.data.title for task in open_ones.order_by("due")]


def finish(tasks: Collection[Task], title: str) -> None:
    """Every step of a task is done, and so is the task."""
    for task in tasks.records.filter(title=title):
        for step in task.data.steps:
            step.done = True
        task.data.state = State.DONE
        task.save(on_conflict="merge")


def main() -> None:
    with LocalServer() as server, server.connect("alice") as kinto:
        planner = Planner(kinto.create_bucket("planner"))
        house = planner.begin("house", Project("The house", "warm by winter"))
        bo = Person("Bo", "bo@example.com")
        with kinto.batch():
            house.create_record(
                Task(
                    "Paint the door",
                    due=datetime(2026, 3, 1, tzinfo=UTC),
                    owner=bo,
                    steps=[Step("buy paint"), Step("paint")],
                )
            )
            house.create_record(Task("Sweep the chimney", due=datetime(2026, 9, 1, tzinfo=UTC)))
            house.create_record(Task("Read a book"))

        print("Late in October:", late(house, datetime(2026, 10, 1, tzinfo=UTC)))
        finish(house, "Paint the door")
        print("With a painted door:", late(house, datetime(2026, 10, 1, tzinfo=UTC)))

        record = planner.projects.get_record("house")
        record.data = attrs.evolve(record.data, goal="warm, and red")
        record.save()
        print(record.data)


if __name__ == "__main__":
    main()
