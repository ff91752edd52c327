"""Figures: the only room that draws. Each function returns a matplotlib Figure and touches no global state."""

from astrotl.plots.anomaly import anomalies
from astrotl.plots.epochs import epoch_timelines
from astrotl.plots.gallery import gallery, rgb
from astrotl.plots.properties import properties
from astrotl.plots.retrieval import retrieved

__all__ = ["anomalies", "epoch_timelines", "gallery", "properties", "retrieved", "rgb"]
