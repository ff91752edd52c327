"""Whether an extractor keeps its promises."""

from __future__ import annotations

import json
import pickle

import numpy as np

from astrotl._params import parameters, plain
from astrotl.extract.recipes import remade
from astrotl.extractors import Extractor, InputSpec
from astrotl.images import ImageBatch
from astrotl.prepare import take_through
from astrotl.testing._made import made_images, with_odd_ones
from astrotl.testing._promises import Promises, alike, pickled, side_by_side

__all__ = ["check_extractor"]

_RECIPE_BYTES = 100_000


def check_extractor(extractor: Extractor, images: ImageBatch | None = None, *, tolerance: float = 1e-4) -> None:
    """Check that an extractor keeps its promises.

    It must be made of its parameters alone, travel to another process as a recipe, and say in JSON what decides the
    features, there as here. The features must be finite and of the length that it says, be the same again, in any
    thread, and not depend on what else is in the batch; the images must stay as they were.

    Parameters
    ----------
    extractor : `~astrotl.extractors.Extractor`
        The extractor.
    images : `~astrotl.images.ImageBatch`, optional
        Images as a source reads them, of which four are taken; they are made up if not given. A hole, a flat image and
        a band without data are tried, too.
    tolerance : float, optional
        By how much two answers may differ, as a share of the largest value of a feature. A network that computes with
        few digits needs more.

    Raises
    ------
    AssertionError
        If a promise is broken.

    Examples
    --------
    >>> from astrotl import Profiles
    >>> from astrotl.testing import check_extractor
    >>> check_extractor(Profiles(rings=4))
    """
    promises = Promises.of(extractor, "extractor", Extractor)
    promises.made_again(extractor)
    promises.documented(type(extractor))
    promises.hold(
        type(extractor).extract is Extractor.extract, "overrides extract, which checks both sides", "write _extract"
    )
    copy = pickle.loads(pickled(promises, extractor, _RECIPE_BYTES))
    with promises.trying("cannot say dim, input and at_once", "they must need no images"):
        dim, spec, at_once = extractor.dim, extractor.input, extractor.at_once
    promises.hold(
        isinstance(dim, (int, np.integer)) and dim > 0, f"has the dim {dim!r}", "say how many features there are"
    )
    promises.hold(isinstance(spec, InputSpec), f"has the input {spec!r}", "make it an InputSpec")
    promises.hold(
        isinstance(at_once, (int, np.integer)) and at_once > 0, f"has at_once {at_once!r}", "say how many images"
    )
    _check_signature(promises, extractor)
    before = plain(parameters(extractor)), extractor.signature()
    images = with_odd_ones(made_images(spec.channels or 3, spec.size or 32) if images is None else images)
    _check_features(promises, extractor, copy, _ready(promises, extractor, images), tolerance)
    _check_nothing(promises, extractor, images)
    promises.hold(
        (plain(parameters(extractor)), extractor.signature()) == before,
        "has other parameters or another signature after it extracted",
        "never write to a parameter",
    )
    promises.same_elsewhere(extractor.signature, "its signature")


def _check_signature(promises: Promises, extractor: Extractor) -> None:
    with promises.trying("cannot say its signature", "it must need no images"):
        signature = extractor.signature()
    promises.json(signature, "a signature")
    promises.hold(
        {"class", "version", "parameters"} <= signature.keys(),
        f"has a signature with the keys {', '.join(signature)} only",
        "begin with {**super().signature(), ...}, by which astrotl makes it again",
    )
    remedy = "let every parameter be made of what JSON holds; lists come back as tuples"
    with promises.trying("cannot be made again of its signature", remedy):
        again = remade(json.loads(json.dumps(signature)), also=type(extractor)).signature()
    promises.hold(again == signature, "has another signature once it was made again of its signature", remedy)


def _ready(promises: Promises, extractor: Extractor, images: ImageBatch) -> ImageBatch:
    """Take images through the steps that go before the extractor."""
    spec = extractor.input
    with promises.trying("has default_steps() that fail", "they are taken before input.steps(), on any images"):
        ready = take_through(images, (*extractor.default_steps(), *spec.steps()))
    with promises.trying(
        "has default_steps() that do not bring images to what its input asks for",
        "return steps from default_steps() that do, such as Stretch() for values from 0 to 1",
    ):
        spec.check(ready, promises.who)
    return ready


def _check_nothing(promises: Promises, extractor: Extractor, images: ImageBatch) -> None:
    """Where no image of a block can be read, there is a batch of none."""
    with promises.trying(
        "cannot take a batch without images", "let its default_steps() and dim serve any number of them"
    ):
        extractor.extract(take_through(images.select(slice(0)), (*extractor.default_steps(), *extractor.input.steps())))


def _check_features(
    promises: Promises, extractor: Extractor, copy: Extractor, ready: ImageBatch, tolerance: float
) -> None:
    before = ready.data.copy()
    with promises.trying(
        "cannot extract", "for any images that its input allows, _extract must give finite numbers of shape (n, dim)"
    ):
        features = extractor.extract(ready)
        again = extractor.extract(ready)
        copied = copy.extract(ready)
        single = [ready.select([row]) for row in range(len(ready))]
        alone = np.concatenate([extractor.extract(one) for one in single])
        threaded = np.concatenate(side_by_side(extractor.extract, single * 4)).reshape(4, *features.shape)

    promises.hold(
        np.array_equal(before, ready.data, equal_nan=True), "changes the images that it is given", "work on a copy"
    )

    def same(others: np.ndarray) -> bool:
        return alike(features, others, tolerance, axes=[0])

    promises.hold(same(again), "gives other features for the same images again", "draw random numbers from a seed")
    promises.hold(
        same(copied),
        "gives other features when it was sent to another process",
        "let them depend on nothing but its parameters, and draw random numbers from a seed",
    )
    promises.hold(
        same(alone),
        "gives an image other features when it is alone in its batch",
        "compute nothing over the batch, such as its mean, and nothing from an image's place in it",
    )
    promises.hold(
        all(same(some) for some in threaded),
        "gives other features when several threads ask at once",
        "keep nothing in self while it extracts, or leave threadsafe = False",
    )
