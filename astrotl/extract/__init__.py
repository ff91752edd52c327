"""The verb: images through steps and an extractor into a store."""

from __future__ import annotations

from astrotl.extract.features import extract_features
from astrotl.extract.recipes import extractor_of, features_like, make_extractor
from astrotl.extract.repairing import repair_features

__all__ = ["extract_features", "extractor_of", "features_like", "make_extractor", "repair_features"]
