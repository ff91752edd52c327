"""Doctests write their files into an empty folder; a broken plugin is an error."""

import doctest
import importlib.util
import os

import pytest

os.environ["ASTROTL_STRICT_PLUGINS"] = "1"

collect_ignore = ["astrotl/__main__.py"]
if importlib.util.find_spec("torch") is None:
    collect_ignore += ["astrotl/neural", "astrotl/training"]


@pytest.fixture(autouse=True)
def _in_empty_folder(request, tmp_path, monkeypatch):
    if isinstance(getattr(request.node, "dtest", None), doctest.DocTest):
        monkeypatch.chdir(tmp_path)
