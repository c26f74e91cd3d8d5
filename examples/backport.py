"""Backport what is ready from a work-in-progress collection to a reviewed one, and ask for review.

Only what differs is written, and a review requested only if something was, now or before. Runs
against a Kinto of its own, inside this process, whose bucket "source" is under review.
"""

from kinto_orm import Collection, Connection
from kinto_orm.testing import LocalServer


def backport(nightly: Collection, release: Collection) -> None:
    plan = release.records.sync_from(nightly.records.filter(status="ready"), delete=True)
    print(plan)
    if release.review.status == "work-in-progress":  # after a run that was interrupted, too
        release.review.request(f"Backport of {len(plan)} changes from {nightly.uri}")
    print("The review is", release.review.status)


def prepare(kinto: Connection) -> tuple[Collection, Collection]:
    """Three records, two of them ready, and an empty collection under review."""
    nightly = kinto.create_bucket("drafts").create_collection("recipes")
    for name, status in (("toolbar", "ready"), ("sidebar", "draft"), ("urlbar", "ready")):
        nightly.create_record({"name": name, "status": status}, id=name)
    return nightly, kinto.create_bucket("source").create_collection("recipes")


def main() -> None:
    with LocalServer() as server, server.connect("alice") as kinto:
        nightly, release = prepare(kinto)
        backport(nightly, release)
        print("\nThe sidebar is ready, too, and the urlbar is not after all:")
        nightly.records.update_or_create("sidebar", {"status": "ready"})
        nightly.records.update_or_create("urlbar", {"status": "draft"})
        backport(nightly, release)
        print("\nNothing new:")
        backport(nightly, release)


if __name__ == "__main__":
    main()
