"""Steps between images and features: clean, scale and stretch, crop and resize, choose and combine bands.

Each is a frozen dataclass that is called with an `~astrotl.images.ImageBatch` and returns another one.
"""

from __future__ import annotations

from astrotl.preprocess.bands import Choose, Combine
from astrotl.preprocess.clean import ClipNoise, ClipOutliers, FillNoData, SubtractBackground
from astrotl.preprocess.geometry import CropCatalogue, CropCentre, CropSource, Resize
from astrotl.preprocess.naming import Step, make_step, step_from_signature, step_names, step_signature
from astrotl.preprocess.scaling import Linear, Normalise, Percentile, ZScale
from astrotl.preprocess.stretch import Asinh, Log, Lupton, Stretch

__all__ = [
    "Asinh",
    "Choose",
    "ClipNoise",
    "ClipOutliers",
    "Combine",
    "CropCatalogue",
    "CropCentre",
    "CropSource",
    "FillNoData",
    "Linear",
    "Log",
    "Lupton",
    "Normalise",
    "Percentile",
    "Resize",
    "Step",
    "Stretch",
    "SubtractBackground",
    "ZScale",
    "make_step",
    "step_from_signature",
    "step_names",
    "step_signature",
]
