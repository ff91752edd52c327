"""Figures: the only room that draws. What has one panel is drawn into axes, what has several into a figure."""

from astrotl.plots._style import style
from astrotl.plots.anomaly import anomalies, score_distribution
from astrotl.plots.comparing import compared
from astrotl.plots.detection import boxed, completeness_purity
from astrotl.plots.epochs import epoch_timelines
from astrotl.plots.explained import explained
from astrotl.plots.gallery import gallery
from astrotl.plots.learning import calibration, class_scores, classified, confusion_matrix, roc_curves
from astrotl.plots.maps import feature_map
from astrotl.plots.properties import estimated, properties
from astrotl.plots.retrieval import ranking_curves, retrieved
from astrotl.plots.training import training_curves

__all__ = [
    "anomalies",
    "boxed",
    "calibration",
    "class_scores",
    "classified",
    "compared",
    "completeness_purity",
    "confusion_matrix",
    "epoch_timelines",
    "estimated",
    "explained",
    "feature_map",
    "gallery",
    "properties",
    "ranking_curves",
    "retrieved",
    "roc_curves",
    "score_distribution",
    "style",
    "training_curves",
]
