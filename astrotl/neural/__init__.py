"""Pretrained networks as extractors: the only room, with detection, that imports torch."""

from astrotl.neural.backbone import Backbone, Timm
from astrotl.neural.explaining import attention, saliency
from astrotl.neural.presets import EfficientNetLite0, Ulisse

__all__ = ["Backbone", "EfficientNetLite0", "Timm", "Ulisse", "attention", "saliency"]
