"""Learning on top of features: heads, fair splits, and what they reach."""

from astrotl.learn.comparing import compare, summary
from astrotl.learn.heads import HEADS, make_head
from astrotl.learn.mapping import project
from astrotl.learn.probing import probe
from astrotl.learn.scoring import scores
from astrotl.learn.splits import fraction_of, part
from astrotl.learn.targets import Target, read_target

__all__ = [
    "HEADS",
    "Target",
    "compare",
    "fraction_of",
    "make_head",
    "part",
    "probe",
    "project",
    "read_target",
    "scores",
    "summary",
]
