"""Figures: the only room that draws. Each function returns a matplotlib Figure and touches no global state."""

from astrotl.plots.gallery import gallery, rgb

__all__ = ["gallery", "rgb"]
