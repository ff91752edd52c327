"""Faster R-CNN on any network of timm, built from a description that fits into JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torchvision.models.detection import FasterRCNN as _FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from astrotl.neural.anchors import Anchors
from astrotl.neural.pyramids import Pyramid

__all__ = ["Design", "assemble"]

_CELLS = 7
_HIDDEN = 512
_PROPOSALS = 300
_LEARNED_FROM = 64
#: Below this score a box is not given at all.
_LEAST_SCORE = 0.01
_MOST_BOXES = 300


@dataclass(frozen=True)
class Design:
    """How a detector is built around its network.

    Parameters
    ----------
    classes : tuple of str
        The classes that it tells apart.
    tile : int
        The width and height in pixels of the images that it takes.
    size : int
        The width and height to which these are brought for the network.
    overlap : int
        By how many pixels tiles of a large image overlap.
    width : int
        How many features each place of a map has.
    anchors : Anchors
        The boxes that it begins with, in pixels of the network.
    suppress : float
        Of two boxes of a class that overlap by more than this the less sure one is left out.
    """

    classes: tuple[str, ...]
    tile: int
    size: int
    overlap: int
    width: int
    anchors: Anchors
    suppress: float

    def described(self) -> dict[str, Any]:
        """Say it in JSON."""
        return asdict(self)

    @classmethod
    def of(cls, described: dict[str, Any]) -> Design:
        """Read what `described` said, and JSON may have turned into lists."""
        given = {**described, "classes": tuple(described["classes"])}
        anchors = given.pop("anchors")
        sizes = tuple(tuple(pair) for pair in anchors["sizes"])
        return cls(anchors=Anchors(tuple(anchors["strides"]), sizes, tuple(anchors["ratios"])), **given)


def assemble(network: torch.nn.Module, mean: Sequence[float], std: Sequence[float], design: Design) -> Any:
    """Build the detector: images from 0 to 1 in, boxes out, or losses where there are targets."""
    anchors = design.anchors
    names = [str(number) for number in range(len(anchors.strides))]
    heads = TwoMLPHead(design.width * _CELLS**2, _HIDDEN)
    cut_out = MultiScaleRoIAlign(names, _CELLS, 2)
    # It would take the places of a map to lie a power of two apart, which those of a patch of 14 pixels do not.
    cut_out.scales = [1 / stride for stride in anchors.strides]
    levels = [int(math.log2(stride)) for stride in anchors.strides]
    cut_out.map_levels = LevelMapper(min(levels), max(levels))
    detector = _FasterRCNN(
        Pyramid(network, anchors.strides, design.width),
        rpn_anchor_generator=AnchorGenerator(anchors.sizes, (anchors.ratios,) * len(names)),
        rpn_pre_nms_top_n_train=1000,
        rpn_pre_nms_top_n_test=1000,
        rpn_post_nms_top_n_train=_PROPOSALS,
        rpn_post_nms_top_n_test=_PROPOSALS,
        box_roi_pool=cut_out,
        box_head=heads,
        box_predictor=FastRCNNPredictor(_HIDDEN, len(design.classes) + 1),
        box_batch_size_per_image=_LEARNED_FROM,
        box_score_thresh=_LEAST_SCORE,
        box_nms_thresh=design.suppress,
        box_detections_per_img=_MOST_BOXES,
    )
    detector.transform = GeneralizedRCNNTransform(
        design.size, design.size, list(mean), list(std), size_divisible=1, fixed_size=(design.size, design.size)
    )
    return detector
