"""The commands of a review: what was changed is published when somebody else approved it."""

from __future__ import annotations

from typing import Any

import click

from kinto_orm.cli.options import Group, Settings
from kinto_orm.cli.printing import put, put_object, put_plan
from kinto_orm.cli.writing import dry_run_option


@click.group(cls=Group)
def review() -> None:
    """Ask for a review of a collection, approve it, decline it, or drop its changes."""


def _step(name: str, words: str, with_message: bool) -> click.Command:
    def take(
        settings: Settings, place: str | None, dry_run: bool, message: str | None = None
    ) -> None:
        where = settings.place(place)
        with settings.connect() as kinto:
            state = where.collection_of(kinto).review
            options: dict[str, Any] = {} if message is None else {"message": message}
            if dry_run:
                with kinto.dry_run() as plan:
                    getattr(state, name)(**options)
                put_plan(plan)
                for request in plan.requests:
                    for field, value in (request.body or {}).get("data", {}).items():
                        put(f"  + data.{field} = {value!r}")
                return
            getattr(state, name)(**options)
            _show(state)

    decorated: Any = dry_run_option(click.pass_obj(take))
    if with_message:
        decorated = click.option("-m", "--message", metavar="TEXT")(decorated)
    decorated = click.argument("place", required=False)(decorated)
    return review.command(name, help=words)(decorated)


def _show(state: Any) -> None:
    put_object(
        {
            # First, as it is refused where there is no review.
            "destination": state.destination.uri,
            "status": state.status,
            "last_edit_by": state.last_edit_by,
            "last_review_request_by": state.last_review_request_by,
            "last_editor_comment": state.last_editor_comment,
            "last_review_by": state.last_review_by,
            "last_reviewer_comment": state.last_reviewer_comment,
        }
    )


_step("request", "Ask for a review of what was changed.", True)
_step("approve", "Sign and publish; not by who asked for it.", False)
_step("decline", "Send it back to its editors.", True)
_step("rollback", "Drop all changes since the collection was last signed.", True)
_step("resign", "Sign anew what is published.", False)


@review.command()
@click.argument("place", required=False)
@click.pass_obj
def status(settings: Settings, place: str | None) -> None:
    """Show where the review is."""
    where = settings.place(place)
    with settings.connect() as kinto:
        _show(where.collection_of(kinto).review)


COMMANDS = (review,)
