"""Find things in images of any size and box them: labels in, a search, what to do with what it found, and measures."""

from astrotl.detection.base import Detector, Found

__all__ = ["Detector", "Found"]
