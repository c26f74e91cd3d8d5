"""Set up a development server: people, and collections that they edit and review.

    python set_up_server.py -s http://localhost:8888/v1 -a admin:s3cr3t one-collection another

Makes the accounts "editor" and "reviewer" (password: "pass"), and in main-workspace the
collections, which the one edits and the other reviews. What is there already stays, so it may be
run again and again.
"""

from kinto_orm import Connection, Unauthorized
from kinto_orm.cli import add_parser_options, connection_from_args
from kinto_orm.manifest import Manifest, ManifestPlan

PEOPLE = ("editor", "reviewer")
PASSWORD = "pass"


def is_known(kinto: Connection, person: str) -> bool:
    """Whether somebody may log in with the password that they have here."""
    try:
        return kinto.with_options(auth=(person, PASSWORD)).user is not None
    except Unauthorized:
        return False


def set_up(kinto: Connection, names: list[str], bucket: str = "main-workspace") -> ManifestPlan:
    """Make what is missing; returns what that was."""
    for person in PEOPLE:
        if not is_known(kinto, person):
            kinto.with_options(auth=None).accounts.create(person, password=PASSWORD)
    members = {f"{name}-{who}s": [f"account:{who}"] for name in names for who in PEOPLE}
    manifest = Manifest(
        {
            bucket: {
                "permissions": {"read": ["system.Authenticated"]},
                "groups": {
                    group: {"data": {"members": people}} for group, people in members.items()
                },
                "collections": {
                    name: {"permissions": {"record:create": ["account:editor"]}} for name in names
                },
            }
        }
    )
    plan = manifest.diff(kinto)
    plan.apply()
    return plan


def main() -> None:
    parser = add_parser_options(include_bucket=False, include_collection=False)
    parser.add_argument("collections", nargs="+")
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        print(set_up(kinto, args.collections))


if __name__ == "__main__":
    main()
