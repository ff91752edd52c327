"""The interface of extractors, and those that need NumPy alone."""

from astrotl.extractors.arcs import Arcs
from astrotl.extractors.base import Extractor, InputSpec
from astrotl.extractors.concat import Concat
from astrotl.extractors.pixels import Pixels
from astrotl.extractors.profiles import Profiles

__all__ = ["Arcs", "Concat", "Extractor", "InputSpec", "Pixels", "Profiles"]
