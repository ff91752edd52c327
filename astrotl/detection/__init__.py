"""Find things in images of any size and box them: labels in, a search, what to do with what it found, and measures."""

from astrotl.detection.base import Detector, Found
from astrotl.detection.matching import Matches, match
from astrotl.detection.scoring import best_threshold, completeness_by, completeness_curve, detection_scores

__all__ = [
    "Detector",
    "Found",
    "Matches",
    "best_threshold",
    "completeness_by",
    "completeness_curve",
    "detection_scores",
    "match",
]
