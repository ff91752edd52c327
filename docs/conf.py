"""How the documentation is built: sphinx-astropy, strict about every link.

Without a network, ASTROTL_DOCS_OFFLINE=1 leaves out the links to other projects; a wrong link to astrotl still fails.
"""

from __future__ import annotations

import importlib.util
import os
from importlib import metadata

from sphinx_astropy.conf.v2 import *  # noqa: F403

import astrotl

project = "astrotl"
author = "The astrotl developers"
copyright = author
release = metadata.version("astrotl")
version = release

_UNUSED = {
    "sphinx.ext.coverage",
    "sphinx.ext.inheritance_diagram",
    "sphinx.ext.mathjax",
    "sphinx.ext.todo",
    "sphinx_astropy.ext.generate_config",
    "sphinx_astropy.ext.changelog_links",
}
if importlib.util.find_spec("sphinx_copybutton") is None:
    _UNUSED.add("sphinx_copybutton")
extensions = [name for name in extensions if name not in _UNUSED]  # noqa: F405

exclude_patterns = ["_build", "changes"]
nitpicky = True
nitpick_ignore = [
    ("py:class", "astrotl._params.Recipe"),
    # Attributes that a subclass gives, and that the base class only announces.
    ("py:obj", "columns"),
    ("py:obj", "dim"),
    ("py:obj", "input"),
    # Inherited; the summary of the module stands outside the class.
    ("py:obj", "recall"),
]
rst_epilog = ""

# Types stand in the docstrings' sections Parameters; in a signature they only make it long.
autodoc_typehints = "none"
# The page of the neural room must not need the extra torch.
autodoc_mock_imports = ["lightning", "openvino", "peft", "safetensors", "timm", "torch", "torchvision"]
automodapi_inheritance_diagram = False
automodapi_toctreedirnm = "api"

html_theme = "pydata_sphinx_theme"
html_title = f"astrotl {release}"
html_static_path = ["_static"]
html_css_files = ["astrotl.css"]
html_last_updated_fmt = None
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 2,
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "logo": {"text": "astrotl"},
}
html_sidebars = {"index": [], "install": [], "quickstart": [], "format": [], "contributing": [], "changelog": []}

plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 110)]

_OTHERS = (
    r"(abc|annoy|astropy|builtins|click|collections|concurrent|functools|h5py|matplotlib|np|npt|numpy|os|pluggy|python"
    r"|torch|typing)(\..*)?"
)
_BUILTINS = (
    r"(Any|Exception|FileExistsError|FileNotFoundError|ImportError|KeyError|TypeError|ValueError|None|bool|dict|float"
    r"|int|list|object|str|tuple)"
)

intersphinx_mapping = {
    name: intersphinx_mapping[name]  # noqa: F405
    for name in ("python", "numpy", "astropy", "h5py", "matplotlib")
} | {"click": ("https://click.palletsprojects.com/en/stable/", None)}
if os.environ.get("ASTROTL_DOCS_OFFLINE") == "1":
    intersphinx_mapping = {}
    nitpick_ignore_regex = [("py:.*", _OTHERS), ("py:.*", _BUILTINS)]


def _lead_home(app, env, node, content):
    """Lead from ``astrotl.FeatureStore`` to the page of ``astrotl.store.FeatureStore``, where it lives."""
    name = node.get("reftarget", "").removeprefix("astrotl.")
    home = astrotl._HOMES.get(name.partition(".")[0])
    if home is None or node.get("refdomain") != "py":
        return None
    target = f"{home}.{name}"
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, content)


def setup(app):
    app.connect("missing-reference", _lead_home)
