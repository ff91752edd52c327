"""Networks taught one's own classes or numbers, which are extractors again afterwards."""

from astrotl.training.augment import SkyAugment
from astrotl.training.detection import train_detector
from astrotl.training.tuning import finetune

__all__ = ["SkyAugment", "finetune", "train_detector"]
