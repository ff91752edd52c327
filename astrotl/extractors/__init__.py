"""The interface of extractors, and those that need NumPy alone."""

from astrotl.extractors.base import Extractor, InputSpec
from astrotl.extractors.concat import Concat
from astrotl.extractors.profiles import Profiles

__all__ = ["Concat", "Extractor", "InputSpec", "Profiles"]
