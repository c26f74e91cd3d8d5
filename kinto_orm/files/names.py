"""Names of files: those that are sent, and those that a server says.

What a server says is somebody else's idea of a name, and never a path.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

#: What a file is called whose name nobody knows.
UNTITLED = "untitled"

#: Most file systems take 255 bytes; ``.meta.json`` and some room are kept free.
LONGEST = 240

#: What Windows takes for a device, whatever the extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\Z", re.IGNORECASE)

#: What Windows takes for something else than a letter of a name: a stream, a wildcard, a pipe.
_RESERVED = re.compile(r'[<>:"|?*]')

#: Marks that turn the direction of writing, so that "cod.exe" is shown as "exe.doc".
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def bare_name(given: object) -> str:
    """A name that is safe to make in a folder, on any system, of what a server says.

    The part after the last separator, without control characters; what would be hidden, a
    device or a stream gets underscores; too long a name loses its middle, not its extension.
    Nothing usable is ``untitled``.
    """
    last = re.split(r"[/\\]", given)[-1] if isinstance(given, str) else ""
    name = "".join(letter for letter in last if not _invisible(letter))
    name = _RESERVED.sub("_", name).strip().rstrip(". ")
    if name.startswith("."):
        name = f"_{name[1:]}"
    if _DEVICES.match(name.partition(".")[0].rstrip()):
        name = f"_{name}"
    return _shortened(name) or UNTITLED


def _invisible(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in _TURNING


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    extension = PurePosixPath(name).suffix
    if len(extension.encode()) > 20:
        extension = ""
    stem = name.encode()[: LONGEST - len(extension.encode())].decode(errors="ignore")
    return stem.rstrip(". ") + extension


def check_sent(name: object) -> str:
    """The name under which a file is sent, if it can be anybody's name for a file.

    Raises ``TypeError`` or ``ValueError``.
    """
    if not isinstance(name, str):
        raise TypeError(f"filename is a string, not a {type(name).__name__}")
    if not name or re.search(r"[/\\\x00-\x1f\x7f]", name):
        raise ValueError(
            f"{name!r} cannot be the name of an attachment: it is a bare name, neither empty nor "
            "with separators or control characters; give another one as filename="
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{name!r} cannot be the name of an attachment: it is not Unicode text; "
            "give another one as filename="
        ) from None
    return name
