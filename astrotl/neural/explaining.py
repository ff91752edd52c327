"""Where a network looks: the attention of a transformer, and the pixels that decide the features of any network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from astrotl.extractors import Extractor
from astrotl.images import ImageBatch
from astrotl.neural.backbone import Backbone

__all__ = ["attention", "saliency"]

#: So many images are taken at once; the attention of a large one fills a hundred megabytes.
_AT_ONCE = 4
#: A gradient is taken on so many copies with this much noise, for that of a single image is mostly noise itself.
_COPIES, _NOISE = 8, 0.1
#: A map is smoothed over so much of its width, to be read by eye.
_SMOOTH = 0.008


def attention(extractor: Extractor, batch: ImageBatch) -> np.ndarray:
    """Tell how much attention each part of an image gets in the last block of a transformer.

    It is the attention of the class token, or, in a network without one, the mean over all patches.

    Parameters
    ----------
    extractor : `~astrotl.neural.Backbone`
        A vision transformer, such as `~astrotl.neural.Timm` with ``model="vit_small_patch14_dinov2.lvd142m"``.
    batch : `~astrotl.ImageBatch`
        The images as the extractor gets them, after all steps.

    Returns
    -------
    `~numpy.ndarray`
        ``(n, head, y, x)``: a map of each image and head, as large as the images, each with the sum 1. It knows no more
        than one value a patch.
    """
    pooled = _network(extractor, batch)
    # Maps of all the ways in which an image can lie would lie on top of each other.
    pooled.turns = False
    watched = _last_attention(pooled.network)
    seen: list[torch.Tensor] = []
    if watched is not None:
        # Fused attention never holds the weights that are asked for.
        watched.fused_attn = False
        watched.attn_drop.register_forward_hook(lambda _module, _given, weights: seen.append(weights))
    size = batch.data.shape[2:]
    maps = []
    for start in range(0, len(batch), _AT_ONCE):
        seen.clear()
        with torch.inference_mode():
            pooled(torch.from_numpy(batch.data[start : start + _AT_ONCE]))
        weights = _of_patches(seen, pooled)
        if weights is None:
            break
        maps.append(torch.nn.functional.interpolate(weights, size, mode="nearest").numpy())
    if len(batch) and not maps:
        raise ValueError(
            f"extractor: {_called(extractor)} has no attention to all parts of an image in its last block; saliency "
            "works for any network"
        )
    return _with_sum_one(np.concatenate(maps) if maps else np.empty((0, 1, *size), dtype=np.float32))


def saliency(
    extractor: Extractor, batch: ImageBatch, *, of: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> np.ndarray:
    """Tell how much each pixel decides the features of a network, or anything that is computed from them.

    It is the gradient with respect to the pixels, averaged over copies of the image with a little noise [1]_, and
    smoothed a little.

    Parameters
    ----------
    extractor : `~astrotl.neural.Backbone`
        Any network.
    batch : `~astrotl.ImageBatch`
        The images as the extractor gets them, after all steps.
    of : callable, optional
        Turns features, ``(n, dim)``, into the one number of each image that is to be explained, such as the score of
        a class: ``lambda features: features @ weights``. By default the length of the features.

    Returns
    -------
    `~numpy.ndarray`
        ``(n, y, x)``: a map of each image, with the sum 1, or 0 everywhere if no pixel matters.

    References
    ----------
    .. [1] Smilkov et al. 2017, arXiv:1706.03825
    """
    pooled = _network(extractor, batch).requires_grad_(False)
    # The same noise for every image, so that a map does not depend on what else is in the batch.
    noise = torch.randn(_COPIES, *batch.data.shape[1:], generator=torch.Generator().manual_seed(0))
    maps = np.zeros((len(batch), *batch.data.shape[2:]), dtype=np.float32)
    for row in range(len(batch)):
        total = torch.zeros(batch.data.shape[1:])
        for start in range(0, _COPIES, _AT_ONCE):
            copies = torch.from_numpy(batch.data[row]) + _NOISE * noise[start : start + _AT_ONCE]
            copies.requires_grad_(True)
            features = pooled(copies)
            score = torch.linalg.vector_norm(features, dim=1) if of is None else of(features)
            if score.shape != (len(copies),):
                raise ValueError(f"of: must give one number for each image, got the shape {tuple(score.shape)}")
            total += torch.autograd.grad(score.sum(), copies)[0].sum(dim=0)
        maps[row] = ndimage.gaussian_filter(total.abs().sum(dim=0).numpy(), _SMOOTH * batch.data.shape[-1], truncate=2)
    return _with_sum_one(maps)


def _network(extractor: Extractor, batch: ImageBatch) -> Any:
    """Give a copy of the network, which may be watched and changed while the extractor works on elsewhere."""
    if not isinstance(extractor, Backbone):
        raise ValueError(f"extractor: must be a network, such as timm or efficientnet-lite0, got {_called(extractor)}")
    extractor.input.check(batch, _called(extractor))
    return extractor.module()


def _last_attention(network: torch.nn.Module) -> Any:
    blocks = getattr(network, "blocks", None)
    attention = getattr(blocks[-1], "attn", None) if blocks is not None and len(blocks) else None
    return attention if hasattr(attention, "attn_drop") and hasattr(attention, "fused_attn") else None


def _of_patches(seen: list[torch.Tensor], pooled: Any) -> torch.Tensor | None:
    """Take what the patches get, ``(n, head, y, x)``; None unless each token looks at all of them."""
    if len(seen) != 1 or seen[0].ndim != 4 or seen[0].shape[2] != seen[0].shape[3]:
        return None
    first = pooled.prefix
    side = round((seen[0].shape[3] - first) ** 0.5)
    if side**2 != seen[0].shape[3] - first:
        return None
    has_class = first and getattr(pooled.network, "cls_token", None) is not None
    weights = seen[0][:, :, 0, first:] if has_class else seen[0][:, :, first:, first:].mean(dim=2)
    return weights.unflatten(2, (side, side))


def _with_sum_one(maps: np.ndarray) -> np.ndarray:
    total = maps.sum(axis=(-2, -1), keepdims=True)
    return np.divide(maps, total, out=np.zeros_like(maps), where=total > 0)


def _called(extractor: Extractor) -> str:
    return str(getattr(extractor, "model", type(extractor).__name__))
