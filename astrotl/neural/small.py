"""Small networks for small stamps, which know nothing yet: to be trained from the start, on one's own labels."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

from astrotl.neural.backbone import Backbone

__all__ = ["SMALL", "StampNetwork", "small_network"]


class StampNetwork(Backbone):
    """A small convolutional network for stamps, such as the science, template and difference image of a transient.

    Its weights are drawn by lot: it has to be trained before it is of use, and needs some hundred labels for that.

    Parameters
    ----------
    design : {"turning", "published"}, optional
        ``"published"`` is that of a study of transients: three convolutions of 32, 64 and 128 channels, each
        pooled, and a dense layer [1]_. ``"turning"`` has two convolutions in each place, looks at the middle of
        the stamp and at all of it, and averages what it sees in the eight ways in which the stamp can lie.
    bands : int, optional
        The number of bands.
    size : int, optional
        The width and height of the stamps in pixels.
    seed : int, optional
        The seed of the weights.

    References
    ----------
    .. [1] Negm 2021
    """

    def __init__(
        self,
        *,
        design: str = "turning",
        bands: int = 3,
        size: int = 63,
        seed: int = 0,
        engine: str = "auto",
        precision: str = "float32",
        batch: int | None = None,
    ) -> None:
        self.design = design
        self.bands = bands
        self.size = size
        self.seed = seed
        super().__init__(engine=engine, precision=precision, batch=batch)

    def _create(self) -> tuple[nn.Module, str]:
        if f"stamps_{self.design}" not in SMALL:
            known = ", ".join(name.removeprefix("stamps_") for name in SMALL)
            raise ValueError(f"design: must be one of {known}, got {self.design!r}")
        assert self.size is not None
        if self.size < 16:
            raise ValueError(f"size: must be 16 or more, got {self.size}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return small_network(f"stamps_{self.design}", self.bands, self.size), "average"


def small_network(name: str, bands: int, size: int) -> nn.Module:
    """Build a small network by its name, with weights drawn by lot."""
    return SMALL[name](bands, size)


class _Small(nn.Module):
    """What timm's networks say of themselves, as far as it is asked for."""

    def __init__(self, name: str, bands: int, size: int) -> None:
        super().__init__()
        self.pretrained_cfg: dict[str, Any] = {
            "architecture": name,
            "input_size": (bands, size, size),
            "mean": (0.5,) * bands,
            "std": (0.25,) * bands,
        }

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Number the layers."""
        return {"blocks": r"^layers\.(\d+)"}


class _Published(_Small):
    def __init__(self, bands: int, size: int) -> None:
        super().__init__("stamps_published", bands, size)
        widths = (bands, 32, 64, 128)
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            for a, b in itertools.pairwise(widths)
        ]
        dense = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(128 * (size // 8) ** 2, 128), nn.ReLU())
        self.layers = nn.Sequential(*blocks, dense)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)[:, :, None, None]


class _Turning(_Small):
    def __init__(self, bands: int, size: int) -> None:
        super().__init__("stamps_turning", bands, size)
        widths = (bands, 32, 64, 128)
        self.layers = nn.Sequential(*(_Block(a, b) for a, b in itertools.pairwise(widths)))
        self.dropout = nn.Dropout2d(0.1)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        ways = [
            turned for way in (images, images.flip(3)) for turned in (torch.rot90(way, k, (2, 3)) for k in range(4))
        ]
        seen = torch.stack([self._seen(way) for way in (ways if not self.training else ways[:1])])
        return seen.mean(0)[:, :, None, None]

    def _seen(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.dropout(self.layers(images))
        third = max(1, maps.shape[-1] // 3)
        middle = maps[:, :, third:-third, third:-third] if maps.shape[-1] > 2 * third else maps
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), middle.mean((2, 3)), middle.amax((2, 3))], 1)


class _Block(nn.Module):
    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(bands, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        # Groups rather than batches: stamps differ too much in brightness for a few of them to speak for all.
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        once = nn.functional.silu(self.norms[0](self.first(images)))
        return nn.functional.avg_pool2d(once + nn.functional.silu(self.norms[1](self.second(once))), 2)


#: The networks by the names that stand in files.
SMALL = {"stamps_published": _Published, "stamps_turning": _Turning}
