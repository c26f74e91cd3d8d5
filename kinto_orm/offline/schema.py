"""The tables of a mirror's file, and how they came to be: each migration leads to a version."""

from __future__ import annotations

#: What tells a mirror's files from other databases: "KORM".
APPLICATION = 0x4B4F524D

#: States of a record: as on the server; changed here; changed here and there.
CLEAN, PENDING, CONFLICT = 0, 1, 2

#: Kinto's order of values of different types, of the JSON type in ``{kind}``.
RANK = (
    "CASE {kind} WHEN 'null' THEN 0 WHEN 'text' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2 "
    "WHEN 'true' THEN 3 WHEN 'false' THEN 3 WHEN 'array' THEN 4 WHEN 'object' THEN 5 ELSE 6 END"
)

_INDEXED = f"""
    INSERT INTO entry SELECT NEW.collection, field.path,
        {RANK.format(kind="json_type(NEW.data, field.place)")},
        coalesce(json_extract(NEW.data, field.place), 0), NEW.last_modified, NEW.id
    FROM field WHERE field.collection = NEW.collection AND NEW.deleted = 0;
"""
_FORGOTTEN_BY_ID = "DELETE FROM entry WHERE collection = OLD.collection AND id = OLD.id;"

_FORGOTTEN = f"""
    DELETE FROM entry WHERE collection = OLD.collection
        AND field IN (SELECT path FROM field WHERE field.collection = OLD.collection)
        AND rank IN (SELECT {RANK.format(kind="json_type(OLD.data, field.place)")}
            FROM field WHERE field.collection = OLD.collection)
        AND value IN (SELECT coalesce(json_extract(OLD.data, field.place), 0)
            FROM field WHERE field.collection = OLD.collection)
        AND last_modified = OLD.last_modified AND id = OLD.id;
"""

#: What keeps the indexes of fields right, by the names of the triggers. They are there as long
#: as any field of the file has an index.
TRIGGERS = {
    "record_made": f"AFTER INSERT ON record BEGIN {_INDEXED} END",
    "record_gone": f"AFTER DELETE ON record BEGIN {_FORGOTTEN} END",
    "record_changed": f"""
        AFTER UPDATE OF data, last_modified, deleted ON record BEGIN {_FORGOTTEN} {_INDEXED} END
    """,
}

MIGRATIONS = (
    (
        """
        CREATE TABLE collection (
            key INTEGER PRIMARY KEY,
            server TEXT NOT NULL,
            uri TEXT NOT NULL,
            filters TEXT NOT NULL,     -- the part that is kept: pairs of query arguments, as JSON
            data TEXT,                 -- the collection's own, as last synced
            permissions TEXT,
            since INTEGER,             -- the moment to go on from; NULL before the first sync
            etag INTEGER,              -- the latest timestamp of the server's list
            counted INTEGER,           -- the timestamp of the list when its count was right
            clock INTEGER NOT NULL DEFAULT 0,   -- the timestamp of the list here
            syncs INTEGER NOT NULL DEFAULT 0,
            UNIQUE (server, uri)
        ) STRICT
        """,
        """
        CREATE TABLE record (
            key INTEGER PRIMARY KEY,
            collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
            id TEXT NOT NULL,
            last_modified INTEGER NOT NULL,
            arrived INTEGER NOT NULL,  -- when this version came into the file, on its own clock
            deleted INTEGER NOT NULL,
            data TEXT NOT NULL,        -- what is here now: the whole object, or its tombstone
            state INTEGER NOT NULL,
            there INTEGER NOT NULL,    -- whether the server has it, as far as is known
            version INTEGER,           -- the version that base is
            base TEXT,                 -- what the server last said, where that is something else
            remote TEXT,               -- in a conflict: what the server has; null where it is gone
            also INTEGER,              -- the version that this content had here before
            sent TEXT,                 -- what was sent, and may have been taken: a list
            permissions TEXT,          -- as far as they are known
            grants TEXT,               -- those that were assigned here
            pulled INTEGER NOT NULL DEFAULT 0,  -- the number of the sync that last brought it
            pushed INTEGER NOT NULL DEFAULT 0,  -- the number of the sync that last sent it
            UNIQUE (collection, id)
        ) STRICT
        """,
        "CREATE INDEX record_listed ON record (collection, deleted, last_modified, id)",
        "CREATE INDEX record_arrived ON record (collection, arrived)",
        "CREATE INDEX record_open ON record (collection, state, id) WHERE state > 0",
        """
        CREATE TABLE field (
            collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
            path TEXT NOT NULL,
            place TEXT NOT NULL,       -- the same as a path of SQLite's
            PRIMARY KEY (collection, path)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE entry (
            collection INTEGER NOT NULL,
            field TEXT NOT NULL,
            rank INTEGER NOT NULL,
            value ANY NOT NULL,
            last_modified INTEGER NOT NULL,
            id TEXT NOT NULL,
            PRIMARY KEY (collection, field, rank, value, last_modified, id)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX entry_record ON entry (collection, id)",
        f"CREATE TRIGGER record_made AFTER INSERT ON record BEGIN {_INDEXED} END",
        f"CREATE TRIGGER record_gone AFTER DELETE ON record BEGIN {_FORGOTTEN_BY_ID} END",
        f"""
        CREATE TRIGGER record_changed AFTER UPDATE OF data, last_modified, deleted ON record
        BEGIN {_FORGOTTEN_BY_ID} {_INDEXED} END
        """,
        """
        CREATE TABLE met (             -- who was met while a list is read once more
            collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
            id TEXT NOT NULL,
            PRIMARY KEY (collection, id)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        # how to keep the collection again
        "ALTER TABLE collection ADD COLUMN trust TEXT",  # arguments of verify(), as JSON
        "ALTER TABLE collection ADD COLUMN folder TEXT",  # of attachments
        # of the default bucket: whose it is
        "ALTER TABLE collection ADD COLUMN bucket TEXT",
        # Two syncs may read the same list once more, each for itself.
        "DROP TABLE met",
        """
        CREATE TABLE met (
            collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
            sync INTEGER NOT NULL,
            id TEXT NOT NULL,
            PRIMARY KEY (collection, sync, id)
        ) STRICT, WITHOUT ROWID
        """,
        # Entries are found by what they say: an index of the records' ids costs more than they do.
        "DROP INDEX entry_record",
        *(f"DROP TRIGGER {name}" for name in ("record_made", "record_gone", "record_changed")),
    ),
)
