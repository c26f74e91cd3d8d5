"""Sphinx configuration."""

from kinto_orm import __version__

project = "kinto_orm"
release = version = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
intersphinx_mapping = {}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
html_theme = "alabaster"
exclude_patterns = ["_build", "benchmarks"]  # tables that other pages include
nitpicky = False
