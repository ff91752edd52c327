"""A page in the browser where people look at their objects, judge them, and see the ranking improve."""

from __future__ import annotations

from astrotl.explore.judging import merge_labels, read_labels
from astrotl.explore.serving import explore, make_app

__all__ = ["explore", "make_app", "merge_labels", "read_labels"]
