"""Commands that last: a server for development, a shell; and completion for shells."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class

from kinto_orm.cli.credentials import AUTH, auth_from, credentials
from kinto_orm.cli.options import COMPLETION, PROGRAM, Command, Settings
from kinto_orm.cli.printing import put, tell

if TYPE_CHECKING:
    from kinto_orm.testing import LocalServer


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8888, show_default=True)
@click.option(
    "--postgresql", metavar="URL", help="Keep everything there: postgresql://user@host/database."
)
@click.option(
    "--files",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep the files of records there.",
)
@click.option(
    "--setting", "given", multiple=True, metavar="NAME=VALUE", help="As in kinto.paginate_by=5."
)
@click.pass_obj
def serve(
    settings: Settings,
    port: int,
    postgresql: str | None,
    files: Path | None,
    given: tuple[str, ...],
) -> None:
    """Run a Kinto for development, with accounts, attachments, history and review.

    Prints its URL. Everything is in memory, unless --postgresql says where else. With
    --auth USER[:PASSWORD] there is an account of that name; in memory that of KINTO_AUTH, too.
    """
    from kinto_orm.testing import LocalServer

    wanted: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"write NAME=VALUE, not {text!r}")
        wanted[name] = value
    if files is not None:
        files.mkdir(parents=True, exist_ok=True)
        wanted["kinto.attachment.base_path"] = str(files.resolve())
    account = _account(settings.auth, port, postgresql is not None)

    stopped = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stopped.set())
    with _started(LocalServer(wanted, storage_url=postgresql, port=port)) as server:
        if account is not None:
            try:
                server.create_account(*account)
            except ValueError:
                if settings.auth is not None:
                    raise
                account = None  # who is somebody elsewhere, by a name that Kinto does not take
        put(server.url, flush=True)
        if postgresql is not None and files is None:
            tell(
                "The files of records go when this ends; --files FOLDER keeps them.", settings.quiet
            )
        told = "--auth USER:PASSWORD makes one" if account is None else f"{account[0]!r} has one"
        tell(f"Anybody may create an account; {told}. Ctrl-C ends it.", settings.quiet)
        # A wait without an end would not let a signal through on Windows.
        while not stopped.wait(0.5):
            pass


def _account(given: str | None, port: int, lasts: bool) -> tuple[str, str] | None:
    """Who is to have an account, by the arguments; by the environment where nobody has one yet."""
    if given is None:
        user, colon, _ = (from_environment := os.environ.get(AUTH, "")).partition(":")
        given = from_environment if user and colon and " " not in user and not lasts else ""
    if not given:
        return None
    found = credentials(given)
    if isinstance(found, str):
        found = auth_from(given, f"http://127.0.0.1:{port}/v1")
    if not isinstance(found, tuple):
        raise click.UsageError("the account of a new server is --auth USER:PASSWORD")
    return found[0], found[1]


def _started(server: LocalServer) -> LocalServer:
    """Start it; what PostgreSQL or the system say to that is told in a sentence."""
    try:
        return server.start()
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"port {server.port}") from None
    except (ValueError, ImportError):
        raise
    except Exception as error:
        if server.storage_url is None:
            raise
        raise ValueError(f"--postgresql: {str(error).splitlines()[0]}") from error


@click.command(cls=Command)
@click.pass_obj
def shell(settings: Settings) -> None:
    """Open a Python shell with `kinto`, a connection to the server (IPython, where it is)."""
    with settings.connect() as kinto:
        import kinto_orm

        names: dict[str, Any] = {name: getattr(kinto_orm, name) for name in kinto_orm.__all__}
        names |= {"kinto": kinto, "kinto_orm": kinto_orm}
        banner = f"kinto = {kinto!r}"
        try:
            from IPython import start_ipython
        except ImportError:
            import code

            with contextlib.suppress(ImportError):
                import readline
                import rlcompleter

                readline.set_completer(rlcompleter.Completer(names).complete)
                readline.parse_and_bind("tab: complete")
            code.interact(banner, local=names, exitmsg="")
        else:
            tell(banner, settings.quiet)
            start_ipython(argv=["--no-banner"], user_ns=names)


#: Where a .zshrc has not switched on completion so far.
_ZSH = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion for a shell.

    bash: eval "$(kinto-orm completion bash)" in ~/.bashrc; zsh likewise in ~/.zshrc; fish:
    kinto-orm completion fish > ~/.config/fish/completions/kinto-orm.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    # Its source asks for the version of the shell; bash has to be there.
    source = kind(root, {}, PROGRAM, COMPLETION).source()
    if shell == "zsh":
        first, _, rest = source.lstrip().partition("\n")  # which tells what it is in a file
        source = f"{first}\n\n{_ZSH}\n{rest}"
    put(source)


COMMANDS = (serve, shell, completion)
