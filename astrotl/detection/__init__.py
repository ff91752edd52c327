"""Find things in images of any size and box them: labels in, a search, what to do with what it found, and measures."""

from astrotl.detection.base import Detector, Found
from astrotl.detection.boxes import read_boxes
from astrotl.detection.classical import Classical
from astrotl.detection.cutouts import BoxSource
from astrotl.detection.matching import Matches, match
from astrotl.detection.photometry import measure_flux
from astrotl.detection.refine import merge, on_host, suppress
from astrotl.detection.scoring import best_threshold, completeness_by, completeness_curve, detection_scores
from astrotl.detection.searching import detect
from astrotl.detection.sky import add_sky
from astrotl.detection.writing import write_coco, write_regions

__all__ = [
    "BoxSource",
    "Classical",
    "Detector",
    "Found",
    "Matches",
    "add_sky",
    "best_threshold",
    "completeness_by",
    "completeness_curve",
    "detect",
    "detection_scores",
    "match",
    "measure_flux",
    "merge",
    "on_host",
    "read_boxes",
    "suppress",
    "write_coco",
    "write_regions",
]
