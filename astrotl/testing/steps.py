"""Whether a step between images and features keeps its promises."""

from __future__ import annotations

import dataclasses
import functools
import json
import pickle
from collections.abc import Callable

import numpy as np

from astrotl._params import tuples
from astrotl.images import ImageBatch
from astrotl.preprocess import Step, step_signature
from astrotl.testing._made import made_images, with_odd_ones
from astrotl.testing._promises import Promises, alike, pickled, side_by_side

__all__ = ["check_step"]

_STEP_BYTES = 100_000
_TOLERANCE = 1e-4


def check_step(step: Step, images: ImageBatch | None = None) -> None:
    """Check that a step keeps its promises.

    It must be a frozen dataclass that can be written down and made again. It must give the same objects images that do
    not depend on what else is in the batch, leave those it was given as they were, take NaN for "no data" and nothing
    else, and keep to the range of values that it names.

    Parameters
    ----------
    step : callable
        The step.
    images : `~astrotl.images.ImageBatch`, optional
        Images to take through it, of which four are taken; by default they are made up, with the bands g, r and i. A
        hole, a flat image, a band without data and pictures with values from 0 to 255 are tried, too.

    Raises
    ------
    AssertionError
        If a promise is broken.

    Examples
    --------
    >>> from astrotl.preprocess import Asinh
    >>> from astrotl.testing import check_step
    >>> check_step(Asinh(softening=0.2))
    """
    promises = Promises.of(step, "step", Callable)
    _check_recipe(promises, step)
    given = made_images() if images is None else images
    images = with_odd_ones(given)
    # A step may look objects up by their ids, so that the odd ones are objects that it knows.
    images = dataclasses.replace(images, ids=np.resize(given.ids, len(images)))
    for batch in (images, _pictures(images), images.with_data(np.full_like(images.data, np.nan))):
        check_images(step, batch)
    _check_failed(promises, step, images)
    _check_hole(promises, step, images)
    promises.same_elsewhere(functools.partial(step_signature, step), "its signature")


def check_images(step: Step, batch: ImageBatch) -> ImageBatch:
    """Check what a step makes of one batch, whatever is in it, and give that."""
    promises = Promises(type(step).__name__)
    before = batch.data.copy()
    with promises.trying("cannot take images", "it must take any batch, one without images, and NaN, which is no data"):
        after = step(batch)
        again = step(batch)
        none = step(batch.select(slice(0)))
        single = [batch.select([row]) for row in range(len(batch))]
        alone = [step(one) for one in single]
        threaded = side_by_side(step, single)
    promises.hold(
        np.array_equal(before, batch.data, equal_nan=True), "changes the images that it is given", "work on a copy"
    )
    promises.hold(isinstance(after, ImageBatch), f"gives {type(after).__name__}", "return batch.with_data(...)")
    promises.hold(
        np.array_equal(after.ids, batch.ids), "gives other objects than it was given", "keep every image, in its order"
    )
    promises.hold(
        alike(after.data, again.data, _TOLERANCE), "gives other images again", "draw random numbers from a seed"
    )
    _check_values(promises, batch, after)
    for row in range(len(batch)):
        promises.hold(
            alike(after.data[[row]], alone[row].data, _TOLERANCE),
            "makes another image of an image that is alone in its batch",
            "compute nothing over the batch; each image, or each of its bands, has its own sky and noise",
        )
        promises.hold(
            alike(threaded[row].data, alone[row].data, _TOLERANCE),
            "gives other images when several threads ask at once",
            "keep nothing in self",
        )
    promises.hold(
        (none.data.shape, none.channels) == ((0, *after.data.shape[1:]), after.channels),
        "gives an empty batch other bands or another size than a full one",
        "let the shape follow from that of the batch",
    )
    return after


def _check_recipe(promises: Promises, step: Step) -> None:
    with promises.trying("cannot be written down", "write it as a class with @dataclass(frozen=True)"):
        signature = step_signature(step)
    promises.documented(type(step))
    promises.made_again(step)
    promises.json(signature, "a signature")
    remedy = "compare by its parameters alone, as @dataclass(frozen=True) does"
    with promises.trying("cannot be made again of its signature", "let __post_init__ take the lists of JSON as tuples"):
        given = json.loads(json.dumps(signature))["parameters"]
        cls: type = type(step)
        again = cls(**{key: tuples(value) for key, value in given.items()})
    promises.hold(again == step, "is another one once it was made again of its signature", remedy)
    promises.hold(pickle.loads(pickled(promises, step, _STEP_BYTES)) == step, "is another one once pickled", remedy)
    with promises.trying("has no hash", "turn the lists that it is given into tuples in __post_init__"):
        same = hash(again) == hash(step)
    promises.hold(same, "has another hash once it was made again of its signature", remedy)


def _check_values(promises: Promises, batch: ImageBatch, after: ImageBatch) -> None:
    finite = np.isfinite(after.data)
    if after.value_range is not None:
        low, high = after.value_range
        held = after.data[finite]
        promises.hold(
            not ((held < low - 1e-5) | (held > high + 1e-5)).any(),
            f"says that values lie from {low:g} to {high:g}, but gives others",
            "clip them, or leave value_range out of with_data",
        )
    if not np.isinf(batch.data).any():
        promises.hold(
            not np.isinf(after.data).any(), "makes infinite pixels of finite ones", "give NaN where there is no value"
        )
    for row in np.flatnonzero(~np.isfinite(batch.data).any(axis=(1, 2, 3))):
        promises.hold(
            finite[row].all() or not finite[row].any(),
            "makes up some pixels of an image without data",
            "leave it NaN; only a step that fills may put numbers there, and then everywhere",
        )


def _check_failed(promises: Promises, step: Step, images: ImageBatch) -> None:
    failed = {"an image": "its file is cut off"}
    promises.hold(
        step(dataclasses.replace(images, failed=failed)).failed == failed,
        "loses which images could not be read",
        "return batch.with_data(...), which keeps it",
    )


def _check_hole(promises: Promises, step: Step, images: ImageBatch) -> None:
    """A hole in an image must not swallow the image."""
    whole = images.with_data(np.nan_to_num(images.data, nan=float(np.nanmedian(images.data))))
    data = whole.data.copy()
    data[..., 0, 0] = np.nan
    known, holed = (np.isfinite(step(batch).data).any(axis=(2, 3)) for batch in (whole, whole.with_data(data)))
    promises.hold(
        holed[known].all(),
        "leaves no data in a band that lacks one pixel",
        "leave NaN out of sums; numpy.nanmedian and its like do",
    )


def _pictures(images: ImageBatch) -> ImageBatch:
    """Give the images the values of pictures."""
    low, high = np.nanmin(images.data), np.nanmax(images.data)
    scaled = (images.data - low) * np.float32(255 / max(float(high - low), 1e-30))
    return images.with_data(np.clip(scaled, 0, 255), value_range=(0, 255))
