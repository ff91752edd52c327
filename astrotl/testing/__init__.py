"""Checks for those who build on astrotl: whether what they wrote keeps the promises of its interface.

Each takes an extractor, a task, a source, a step or a detector, and raises an `AssertionError` that says which promise
is broken and what to do. They need no test framework, and run under any.
"""

from __future__ import annotations

from astrotl.testing.detectors import check_detector
from astrotl.testing.extractors import check_extractor
from astrotl.testing.sources import check_source
from astrotl.testing.steps import check_step
from astrotl.testing.tasks import check_task

__all__ = ["check_detector", "check_extractor", "check_source", "check_step", "check_task"]
