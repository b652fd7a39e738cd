"""Sphinx configuration. Nothing is fetched: the documentation builds without a network."""

from __future__ import annotations

from importlib.metadata import version as installed

project = "theater_sql"
author = "the theater_sql authors"
copyright = f"2026, {author}"
version = release = installed("theater-sql")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
suppress_warnings = ["ref.python"]  # a public name is documented at the top and at its home

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_mock_imports = ["ray"]
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = True

html_theme = "furo"
html_title = f"theater_sql {release}"
