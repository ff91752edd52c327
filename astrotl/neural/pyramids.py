"""Maps of features at several scales, small things on the fine ones, out of any network of timm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torchvision.ops import FeaturePyramidNetwork

__all__ = ["Pyramid", "strides_of"]


def strides_of(network: Any) -> list[int]:
    """Say how many pixels apart the features of each map of a pyramid can lie; the finest comes first."""
    reductions = [each["reduction"] for each in _maps_of(network)]
    if len(set(reductions)) > 1:
        return sorted({stride for stride in reductions if stride >= 4})
    patch = reductions[-1]
    return [*(patch // part for part in (4, 2) if patch % part == 0), patch, 2 * patch]


class Pyramid(nn.Module):
    """A network of timm whose maps are brought to one width.

    A network in stages gives a map of each, to which the coarser ones are added [1]_. A plain vision transformer has
    one scale only; its last map is drawn out and pooled to the others [2]_.

    Parameters
    ----------
    network : `~torch.nn.Module`
        The network of timm.
    strides : sequence of int
        The maps wanted, of those that `strides_of` lists.
    width : int
        How many features each place of a map has.

    References
    ----------
    .. [1] Lin et al. 2017, CVPR, 936, arXiv:1612.03144
    .. [2] Li et al. 2022, ECCV, 280, arXiv:2203.16527
    """

    def __init__(self, network: Any, strides: Sequence[int], width: int) -> None:
        super().__init__()
        self.network = network
        self.out_channels = width
        maps = _maps_of(network)
        reductions = [each["reduction"] for each in maps]
        self.plain = len(set(reductions)) == 1
        if self.plain:
            self.taken = [len(maps) - 1]
            self.scales: Any = nn.ModuleList(_rescaled(maps[-1]["num_chs"], reductions[-1] / s, width) for s in strides)
        else:
            # The coarser ones know what the fine ones show; the last of those with the same scale has seen most.
            known = [stride for stride in strides_of(network) if stride >= min(strides)]
            self.taken = [len(reductions) - 1 - reductions[::-1].index(stride) for stride in known]
            self.given = [str(number) for number, stride in enumerate(known) if stride in strides]
            channels = [maps[number]["num_chs"] for number in self.taken]
            self.scales = FeaturePyramidNetwork(channels, width, norm_layer=_group_norm)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Give the maps by their number, the finest first."""
        maps = self.network.forward_intermediates(
            images, indices=self.taken, intermediates_only=True, output_fmt="NCHW", norm=self.plain
        )
        if self.plain:
            return {str(number): scale(maps[0]) for number, scale in enumerate(self.scales)}
        named: dict[str, torch.Tensor] = self.scales({str(number): one for number, one in enumerate(maps)})
        return {name: named[name] for name in self.given}


def _maps_of(network: Any) -> list[dict[str, Any]]:
    info = getattr(network, "feature_info", None)
    if info is None or not hasattr(network, "forward_intermediates"):
        raise ValueError(
            f"extractor: timm gives no maps of {network.pretrained_cfg.get('architecture')}; take another network, "
            "such as efficientnet-lite0, resnet50 or a vision transformer"
        )
    return list(getattr(info, "info", info))


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(math.gcd(max(1, channels // 16), channels), channels)


def _rescaled(channels: int, factor: float, width: int) -> nn.Module:
    """Bring a map to another scale, from a quarter as fine to four times as fine, and to a width."""
    layers: list[nn.Module] = []
    while factor > 1:
        layers += [nn.ConvTranspose2d(channels, max(channels // 2, width), 2, 2)]
        channels = max(channels // 2, width)
        layers += [_group_norm(channels), nn.GELU()]
        factor /= 2
    if factor < 1:
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Conv2d(channels, width, 1), _group_norm(width), nn.Conv2d(width, width, 3, padding=1)]
    return nn.Sequential(*layers, _group_norm(width))
