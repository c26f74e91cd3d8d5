"""The same class of tasks in each kind of class that a collection may be typed with."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import attrs
import msgspec
import pydantic


@attrs.define
class Person:
    name: str
    age: int = 0


@attrs.define
class Task:
    title: str
    due: datetime | None = None
    tags: list[str] = attrs.Factory(list)
    owner: Person | None = None
    people: list[Person] = attrs.Factory(list)


@dataclasses.dataclass
class DataPerson:
    name: str
    age: int = 0


@dataclasses.dataclass
class DataTask:
    title: str
    due: datetime | None = None
    tags: list[str] = dataclasses.field(default_factory=list)
    owner: DataPerson | None = None
    people: list[DataPerson] = dataclasses.field(default_factory=list)


class StructPerson(msgspec.Struct):
    name: str
    age: int = 0


class StructTask(msgspec.Struct):
    title: str
    due: datetime | None = None
    tags: list[str] = []
    owner: StructPerson | None = None
    people: list[StructPerson] = []


class ModelPerson(pydantic.BaseModel):
    name: str
    age: int = 0


class ModelTask(pydantic.BaseModel):
    title: str
    due: datetime | None = None
    tags: list[str] = []
    owner: ModelPerson | None = None
    people: list[ModelPerson] = []


#: The class of a task and that of a person, by the kind of class.
KINDS: dict[str, tuple[Any, Any]] = {
    "attrs": (Task, Person),
    "dataclass": (DataTask, DataPerson),
    "Struct": (StructTask, StructPerson),
    "pydantic": (ModelTask, ModelPerson),
}


@attrs.define
class File:
    filename: str
    size: int


@attrs.define
class Document:
    """What has a file: of what the server says of it, it declares a part."""

    title: str
    attachment: File | None = None
