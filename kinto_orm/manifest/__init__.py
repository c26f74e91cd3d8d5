"""Servers as files: buckets, collections, groups, permissions, records and their files in YAML.

Here belongs what reads, writes, checks and compares such files; what a save sends does not, as
that is decided where all saves are. The format is kinto-wizard's. YAML needs the extra `manifest`,
JSON needs nothing.
"""

from kinto_orm.manifest.applying import ManifestPlan
from kinto_orm.manifest.checking import Fault
from kinto_orm.manifest.manifest import Manifest

__all__ = ["Fault", "Manifest", "ManifestPlan"]
