"""Where images come from: arrays, files, and cutouts at positions on the sky."""

from astrotl.sources.arrays import ArraySource, StackSource
from astrotl.sources.base import ImageSource
from astrotl.sources.files import FileSource
from astrotl.sources.opening import open_source, parse_inputs
from astrotl.sources.sky import SkySource

__all__ = ["ArraySource", "FileSource", "ImageSource", "SkySource", "StackSource", "open_source", "parse_inputs"]
