"""The command from its beginning to its end: arguments, errors, exit codes."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import shell_complete

from kinto_orm.cli import INTERRUPTED
from kinto_orm.cli.commands import kinto_orm as command
from kinto_orm.cli.options import COMPLETION, PROGRAM, Settings
from kinto_orm.cli.places import WrongPlace
from kinto_orm.cli.printing import any_text, let_go_of_output


def run(argv: Sequence[str] | None) -> int:
    """Run the command; its exit code. Nothing is raised."""
    settings = Settings()
    with warnings.catch_warnings():
        warnings.simplefilter("default" if settings.debug else "ignore")
        _show_notices()
        if sys.stdout is None:
            _complain(ValueError("the output is closed"))
            return 1
        any_text()
        code = _run(argv, settings)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        let_go_of_output()
    except OSError as error:
        let_go_of_output()
        _complain(error)
        code = code or 1
    return code


def _run(argv: Sequence[str] | None, settings: Settings) -> int:
    try:
        args = sys.argv[1:] if argv is None else list(argv)
        if asked := os.environ.get(COMPLETION):
            return shell_complete(command, {}, PROGRAM, COMPLETION, asked)
        # Not by click's main(), which has its own idea of interruptions and broken pipes.
        with command.make_context(PROGRAM, args, obj=settings) as context:
            outcome = command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except WrongPlace as error:
        _complain(error)
        return 2
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # who reads has enough
        let_go_of_output()
        return 0
    except Exception as error:  # whatever it is: one sentence, and no traceback
        if settings.debug:
            traceback.print_exc()
        _complain(error)
        return 1
    return outcome if isinstance(outcome, int) else 0


def _complain(error: Exception) -> None:
    from kinto_orm.errors import BatchError, KintoError

    if isinstance(error, BatchError) and len(error.errors) == 1:
        ((_, error),) = error.errors  # the sentence of what was one write says all
    words = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror and not isinstance(error, KintoError):
        words = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif not isinstance(error, (KintoError, OSError, ValueError, TypeError, ImportError)):
        words = f"{type(error).__name__}: {words.splitlines()[0]} (--debug tells where)"
    name = "kinto-orm:"
    if not os.environ.get("NO_COLOR"):
        name = click.style(name, fg="red")  # which is left out where there is no terminal
    click.echo(f"{name} {words}", err=True)
    if isinstance(error, BatchError):
        for resource, one in error.errors[3:]:
            words, uri = str(one), str(getattr(resource, "uri", resource))
            click.echo(f"  {words if uri in words else f'{uri}: {words}'}", err=True)


def _show_notices() -> None:
    """What a server announces is told in a sentence, not with a line of code."""
    from kinto_orm.network.notices import ServerDeprecationWarning

    warnings.simplefilter("default", ServerDeprecationWarning)

    def show(message: Any, category: type[Warning], *rest: Any) -> None:
        click.echo(f"kinto-orm: {message}", err=True)

    warnings.showwarning = show  # type: ignore[assignment]
