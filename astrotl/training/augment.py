"""Changes that the sky does not mind: a galaxy turned, mirrored, shifted or seen through worse air stays what it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

__all__ = ["SkyAugment"]


@dataclass(frozen=True)
class SkyAugment:
    """Shows a network each image a little differently every time; 0 switches a change off.

    Half of the images are mirrored and turned by quarters only, which leaves every pixel as sharp as it was.

    Parameters
    ----------
    mirror : bool, optional
        Whether images are mirrored and turned by quarters.
    turn : float, optional
        The largest other turn, in degrees.
    shift : float, optional
        The largest shift, as a fraction of the image's width.
    zoom : float, optional
        The largest change of scale; 0.1 is by a tenth, up or down.
    brightness : float, optional
        The largest change of brightness, of all bands alike.
    blur : float, optional
        The largest sigma of a Gaussian that stands for worse seeing, in pixels; every second image is blurred.
    noise : float, optional
        The largest sigma of noise that is added, where 1 is white.

    Examples
    --------
    >>> import torch
    >>> from astrotl.training import SkyAugment
    >>> images = torch.rand(8, 3, 32, 32)
    >>> SkyAugment(noise=0)(images, torch.Generator().manual_seed(1)).shape
    torch.Size([8, 3, 32, 32])
    """

    mirror: bool = True
    turn: float = 180.0
    shift: float = 0.05
    zoom: float = 0.1
    brightness: float = 0.1
    blur: float = 0.7
    noise: float = 0.02

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Change images, ``(n, channel, y, x)`` with values from 0 to 1; the generator decides how."""
        draw = _Draw(images, generator)
        images = self._moved(images, draw)
        if self.blur:
            images = _blurred(images, draw.between(0, self.blur) * draw.heads())
        if self.brightness:
            images = images * draw.between(1 - self.brightness, 1 + self.brightness).view(-1, 1, 1, 1)
        if self.noise:
            images = images + draw.normal(images.shape) * draw.between(0, self.noise).view(-1, 1, 1, 1)
        return images.clamp(0, 1)

    def with_boxes(
        self, images: torch.Tensor, boxes: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change images and, with them, boxes in them: mirrored and turned by quarters only.

        ``boxes`` is ``(n, most, 4 or more)``: left, bottom, right and top, counted from the edge of the first pixel.
        """
        if self.mirror:
            draw = _Draw(images, generator)
            turns, mirrored = draw.between(0, 4).long().clamp(max=3).tolist(), draw.heads().tolist()
            pairs = [_turned(*each) for each in zip(images, boxes, turns, mirrored, strict=True)]
            images, boxes = (torch.stack(both) for both in zip(*pairs, strict=True))
        return replace(self, mirror=False, turn=0, shift=0, zoom=0)(images, generator), boxes

    def _moved(self, images: torch.Tensor, draw: _Draw) -> torch.Tensor:
        """Mirror, turn, scale and shift, all in one look at the pixels."""
        if not (self.mirror or self.turn or self.zoom or self.shift):
            return images
        moved = draw.heads()
        angle = moved * draw.between(-1, 1) * math.radians(self.turn)
        sign = torch.ones_like(angle)
        if self.mirror:
            angle = angle + (draw.between(0, 4)).floor().clamp(max=3) * (math.pi / 2)
            sign = 1 - 2 * draw.heads()
        scale = 1 + moved * draw.between(-1, 1) * self.zoom
        # The image is two units wide for those who look at it.
        right, down = (moved * draw.between(-2, 2) * self.shift for _ in range(2))
        cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
        matrix = torch.stack([cosine * sign, -sine, right, sine * sign, cosine, down], dim=1).view(-1, 2, 3)
        grid = torch.nn.functional.affine_grid(matrix, list(images.shape), align_corners=False)
        return torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


class _Draw:
    """Draws one number for each image, or one for each pixel."""

    def __init__(self, images: torch.Tensor, generator: torch.Generator) -> None:
        self._count = len(images)
        self._where = {"generator": generator, "device": images.device, "dtype": images.dtype}

    def between(self, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(self._count, **self._where)

    def heads(self) -> torch.Tensor:
        return (self.between(0, 1) < 0.5).to(self._where["dtype"])

    def normal(self, shape: torch.Size) -> torch.Tensor:
        return torch.randn(shape, **self._where)


def _turned(
    image: torch.Tensor, boxes: torch.Tensor, quarters: int, mirrored: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror an image or not, turn it by quarters, and its boxes with it."""
    side = image.shape[-1]
    left, bottom, right, top = boxes[:, :4].unbind(1)
    if mirrored:
        image = image.flip(2)
        left, right = side - right, side - left
    for _ in range(quarters):
        left, bottom, right, top = bottom, side - right, top, side - left
    edges = torch.stack([left, bottom, right, top], dim=1)
    return torch.rot90(image, quarters, (1, 2)), torch.cat([edges, boxes[:, 4:]], dim=1)


def _blurred(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Convolve each image with a Gaussian of its own; a sigma of 0 changes nothing."""
    reach = max(1, math.ceil(3 * float(sigma.max())))
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(images.shape[1], 0)
    # Each band of each image is a channel of its own, as every image has its own kernel.
    channels = images.reshape(1, -1, *images.shape[2:])
    padded = torch.nn.functional.pad(channels, (reach,) * 4, mode="reflect")
    along = torch.nn.functional.conv2d(padded, kernel[:, None, None, :], groups=len(kernel))
    return torch.nn.functional.conv2d(along, kernel[:, None, :, None], groups=len(kernel)).reshape(images.shape)
