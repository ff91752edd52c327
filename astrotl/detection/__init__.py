"""Find things in images of any size and box them: labels in, a search, what to do with what it found, and measures."""

from astrotl.detection.base import Detector, Found
from astrotl.detection.boxes import read_boxes
from astrotl.detection.matching import Matches, match
from astrotl.detection.scoring import best_threshold, completeness_by, completeness_curve, detection_scores
from astrotl.detection.sky import add_sky

__all__ = [
    "Detector",
    "Found",
    "Matches",
    "add_sky",
    "best_threshold",
    "completeness_by",
    "completeness_curve",
    "detection_scores",
    "match",
    "read_boxes",
]
