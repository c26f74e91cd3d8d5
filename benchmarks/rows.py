"""The records that are written and read."""

from __future__ import annotations

from .contenders import Row

#: What a form makes.
SMALL: Row = {
    "done": False,
    "number": 0,
    "tags": ["one", "two"],
    "author": {"name": "Niko", "town": "Lyon"},
}

#: About 600 bytes of JSON with id and timestamp, as records of block lists have.
USUAL: Row = {
    "done": False,
    "enabled": True,
    "priority": 3,
    "guid": "{a3c5e9b2-7c1e-4a7f-9a53-0d4f7f1f0c11}",
    "details": {
        "bug": "https://bugzilla.example.org/show_bug.cgi?id=1795228",
        "who": "Everybody who has installed this add-on, in any version of it.",
        "why": "It sends what is typed into forms to a server of its own, without saying so.",
        "name": "Form Helper, versions up to 2.1",
        "created": "2026-07-02T12:30:00Z",
    },
    "prefs": [],
    "versionRange": [
        {"severity": 3, "minVersion": "0", "maxVersion": "2.1.*", "targetApplication": []}
    ],
}

#: 50 KB of JSON.
LARGE: Row = {"number": 0, "paragraphs": {f"p{i:03}": "Lorem ipsum. " * 8 for i in range(434)}}
