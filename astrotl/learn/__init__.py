"""Learning on top of features: heads, fair splits, and what they reach."""

from astrotl.learn.mapping import project
from astrotl.learn.splits import fraction_of, part
from astrotl.learn.targets import Target, read_target

__all__ = ["Target", "fraction_of", "part", "project", "read_target"]
