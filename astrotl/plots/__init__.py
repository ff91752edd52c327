"""Figures: the only room that draws. Each function returns a matplotlib Figure and touches no global state."""

from astrotl.plots.anomaly import anomalies
from astrotl.plots.comparing import compared
from astrotl.plots.detection import boxed, completeness_purity
from astrotl.plots.epochs import epoch_timelines
from astrotl.plots.explained import explained
from astrotl.plots.gallery import gallery
from astrotl.plots.learning import classified, estimated
from astrotl.plots.maps import feature_map
from astrotl.plots.properties import properties
from astrotl.plots.retrieval import retrieved

__all__ = [
    "anomalies",
    "boxed",
    "classified",
    "compared",
    "completeness_purity",
    "epoch_timelines",
    "estimated",
    "explained",
    "feature_map",
    "gallery",
    "properties",
    "retrieved",
]
