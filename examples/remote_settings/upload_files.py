"""Upload the files that a job has made: those that changed, and nothing else.

    python upload_files.py -b main-workspace -c models build/models

Each file belongs to a record that is named like it. Records whose file is gone go, too. A review is
asked for if anything changed, in this run or in one that was interrupted.
"""

import re
from pathlib import Path

from kinto_orm import Collection
from kinto_orm.cli import add_parser_options, connection_from_args


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a folder by the ids of their records."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            other = found.setdefault(re.sub("[^A-Za-z0-9]+", "-", file.name).strip("-"), file)
            if other != file:
                raise ValueError(f"{other} and {file} would be files of the same record")
    if not found:
        raise ValueError(f"{folder} holds no files: has the job failed?")
    return found


def upload(collection: Collection, folder: Path) -> bool:
    """Make the records have the files of a folder; whether anything was to be done."""
    files = files_of(folder)
    before = collection.records.timestamp
    collection.attach_files(files.items(), if_changed=True)
    collection.delete_records(one for one in collection.records if one.id not in files)
    unpublished = collection.review.status == "work-in-progress"
    if unpublished:
        collection.review.publish(f"{len(files)} files of {folder.name}")
    return unpublished or collection.records.timestamp != before


def main() -> None:
    parser = add_parser_options(default_retry=3)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        done = upload(kinto.bucket(args.bucket).collection(args.collection), args.folder)
    print("Uploaded" if done else "Nothing changed")


if __name__ == "__main__":
    main()
