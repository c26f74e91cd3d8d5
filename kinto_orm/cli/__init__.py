"""The command line: the command `kinto-orm`, and helpers for people's own argparse scripts.

Here belongs what reads arguments, asks for passwords and prints; what it does on a server is done
by the public classes, as in anybody's script. The command needs the extra `cli` (click), the
helpers need nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kinto_orm.cli.arguments import add_parser_options, connection_from_args, setup_logger
from kinto_orm.early import begun

#: What a shell takes for "interrupted".
INTERRUPTED = 130

__all__ = ["add_parser_options", "connection_from_args", "main", "setup_logger"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command `kinto-orm`; its exit code: 0 done, 1 differs or refused, 2 wrong usage."""
    try:
        begun()
        try:
            import click  # noqa: F401
        except ImportError:
            print('kinto-orm needs click: pip install "kinto_orm[cli]"', file=sys.stderr)
            return 1
        from kinto_orm.cli.running import run

        return run(argv)
    except KeyboardInterrupt:  # while all that is imported, or at the very end
        return INTERRUPTED
