"""Ann writes an article with a picture, Rob reviews it, and then everybody can read it.

Runs against a Kinto of its own, inside this process. To use another server, which reviews
/buckets/source on the way to /buckets/destination, with two accounts:

    KINTO_SERVER=http://localhost:8888/v1 KINTO_AUTH=ann:p4ssw0rd KINTO_AUTH_2=rob:p4ssw0rd \
        python examples/review.py
"""

import contextlib
import os

from kinto_orm import Connection, ReviewRefused


def main() -> None:
    with contextlib.ExitStack() as stack:
        ann, rob, anybody = connections(stack)
        print(f"Ann is {ann.user.principal}, Rob is {rob.user.principal}\n")

        print("Ann makes a collection that is reviewed; she is its first editor.")
        source = ann.create_bucket("source", if_not_exists=True)
        articles = source.create_collection("articles", if_not_exists=True)
        print(f"  It is {articles.review.status}")

        print("She makes Rob a reviewer.")
        reviewers = source.group("articles-reviewers")
        reviewers.members += rob.user.principal
        reviewers.save()

        print("She writes an article, and attaches a picture to it.")
        article = articles.record("storks")
        article.attach(
            b"\x89PNG: imagine storks",
            "storks.png",
            "image/png",
            data={"title": "The storks are back"},
        )
        tell("Ann", articles)

        print("\nAnn asks for a review.")
        articles.review.request("please have a look")
        tell("Ann", articles)

        theirs = rob.bucket("source").collection("articles")
        tell("Rob", theirs)
        print(f"Rob reads what she says: {theirs.review.last_editor_comment!r}, and the preview:")
        for record in rob.bucket("preview").collection("articles").records:
            print(f"  {record.data.title}, with {record.attachment.filename}")
        theirs.review.decline("which storks?")

        print(f"\nHe declines: {articles.review.last_reviewer_comment!r}")
        print("Ann explains, and asks again.")
        article.refresh().data.title = "The storks of Strasbourg are back"
        article.save()
        articles.review.request()

        print("Rob approves what he saw.")
        review = theirs.review
        print(f"  {review.status}, last edited by {review.last_edit_by}")
        review.approve()
        print(f"  {review.status} by {review.last_review_by}")

        print("\nWhat is not under review cannot be declined:")
        try:
            theirs.review.decline("too late")
        except ReviewRefused as error:
            print(f"  {error}")

        print("\nNow everybody can read it:")
        published = anybody.bucket("destination").collection("articles").changeset()
        for record in published.records:
            print(f"  {record.data.title}, with {len(record.attachment.read())} bytes of picture")
        print(f"  signed: {published.metadata['signature']['signature'][:20]}…")

        print("\nAnn tries something else, and drops it.")
        articles.create_record({"title": "A rumour"})
        articles.review.rollback()
        print(f"  {[record.data.title for record in articles.records]}, {articles.review.status}")


def tell(name: str, collection) -> None:
    review = collection.review
    print(f"  It is {review.status}; {name} may {', '.join(review.allowed)}")


def connections(stack: contextlib.ExitStack) -> tuple[Connection, Connection, Connection]:
    if "KINTO_SERVER" in os.environ:
        url = os.environ["KINTO_SERVER"]
        auths = [os.environ["KINTO_AUTH"], os.environ["KINTO_AUTH_2"], None]
    else:
        from kinto_orm.testing import LocalServer

        server = stack.enter_context(LocalServer())
        url, auths = server.url, [server.create_account(name) for name in ("ann", "rob")] + [None]
    ann, rob, anybody = (stack.enter_context(Connection(url, auth)) for auth in auths)
    return ann, rob, anybody


if __name__ == "__main__":
    main()
