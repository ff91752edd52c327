"""Where images come from: arrays, files, cutouts at positions on the sky, one object on many dates."""

from astrotl.sources.arrays import ArraySource, StackSource
from astrotl.sources.base import ImageSource
from astrotl.sources.epochs import EpochSource
from astrotl.sources.fields import ArrayField, Field, open_fields
from astrotl.sources.files import FileSource
from astrotl.sources.hats import HatsSource
from astrotl.sources.opening import open_source, parse_inputs
from astrotl.sources.sky import SkySource

__all__ = [
    "ArrayField",
    "ArraySource",
    "EpochSource",
    "Field",
    "FileSource",
    "HatsSource",
    "ImageSource",
    "SkySource",
    "StackSource",
    "open_fields",
    "open_source",
    "parse_inputs",
]
