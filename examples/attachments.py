"""A small library of texts: files are attached, mirrored in a folder, changed, and sent back.

Runs against a Kinto of its own, inside this process.
"""

import tempfile
from pathlib import Path

from kinto_orm import Record
from kinto_orm.testing import LocalServer


def main() -> None:
    with LocalServer() as server, tempfile.TemporaryDirectory() as folder:
        kinto = server.connect("alexis")
        texts = kinto.create_bucket("library").create_collection("texts")

        print("A record and its file, in one request:")
        poem = Record("poem", collection=texts, data={"title": "A poem"})
        poem.attach(b"Roses are red.\n", "poem.txt")
        print(f"  {poem.attachment.filename}, {poem.attachment.size} bytes: {poem.attachment.url}")

        print("Many files, four at a time:")
        texts.attach_files((f"note-{number}", f"Note {number}".encode()) for number in range(8))
        print(f"  {texts.records.count()} records now")

        print("A mirror of all of them, each in the folder of its record:")
        mirror = Path(folder)
        for path in sorted(texts.records.download_attachments(mirror, save_metadata=True)):
            print(f"  {path.relative_to(mirror)}")

        print("One is edited, and only that one is sent:")
        (mirror / "poem" / "poem.txt").write_text("Roses are red,\nviolets are blue.\n")
        texts.attach_files(mirror)
        print(f"  {poem.refresh().attachment.read().decode()!r}")


if __name__ == "__main__":
    main()
