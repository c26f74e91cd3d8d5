"""Sphinx configuration."""

import re

from kinto_orm import __version__

project = "kinto_orm"
release = version = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
intersphinx_mapping = {}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
add_module_names = False  # the module in which a class is defined may change
html_theme = "alabaster"
html_theme_options = {"page_width": "1200px", "body_max_width": "960px", "fixed_sidebar": True}
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_show_copyright = False
exclude_patterns = ["_build", "benchmarks"]  # tables that other pages include
nitpicky = False

#: What users make themselves. All else is handed out, and how it is made is not public.
MADE_BY_USERS = {
    "Account",
    "BasicPatch",
    "BearerTokenAuth",
    "BrowserOAuth",
    "Bucket",
    "Collection",
    "Connection",
    "Group",
    "JSONPatch",
    "LocalServer",
    "Manifest",
    "MergePatch",
    "Mirror",
    "Record",
}
#: Private names in annotations, and what a reader knows them as.
KNOWN_AS = {"Document": "Resource", "_Server": "LocalServer", "Block": "Batch"}


def known(text):
    return text and re.sub(r"\b\w+\b", lambda name: KNOWN_AS.get(name[0], name[0]), text)


def public_signature(app, what, name, obj, options, signature, returns):
    if not signature:
        return None
    if what in ("class", "exception") and name.rpartition(".")[2] not in MADE_BY_USERS:
        return "", None
    return known(signature), known(returns)


def without_fillers(app, what, name, obj, options, lines):
    """Python describes the fields of named tuples by their numbers."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()


def setup(app):
    app.connect("autodoc-process-signature", public_signature)
    app.connect("autodoc-process-docstring", without_fillers)
