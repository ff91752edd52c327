"""Pretrained networks as extractors: with the rooms above it, the only one that imports torch."""

from astrotl.neural.backbone import Backbone, Timm
from astrotl.neural.detectors import FasterRCNN
from astrotl.neural.explaining import attention, saliency
from astrotl.neural.families import (
    MAE,
    MSN,
    AMRadio,
    DINOv2,
    EfficientNetB0,
    Family,
    MobileNetV2,
    Published,
    ResNet18,
    ResNet50,
    SigLIP,
    Transformer,
    Zoobot,
)
from astrotl.neural.finetuned import Finetuned
from astrotl.neural.presets import EfficientNetLite0, EfficientNetLite1, EfficientNetLite2, Ulisse
from astrotl.neural.small import StampNetwork

__all__ = [
    "AMRadio",
    "Backbone",
    "DINOv2",
    "EfficientNetB0",
    "EfficientNetLite0",
    "EfficientNetLite1",
    "EfficientNetLite2",
    "Family",
    "FasterRCNN",
    "Finetuned",
    "MAE",
    "MobileNetV2",
    "MSN",
    "Published",
    "ResNet18",
    "ResNet50",
    "SigLIP",
    "StampNetwork",
    "Timm",
    "Transformer",
    "Ulisse",
    "Zoobot",
    "attention",
    "saliency",
]
