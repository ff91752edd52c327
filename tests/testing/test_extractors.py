"""What ships keeps the promises of an extractor; whatever breaks one is told which, and what to do."""

import functools
import re
import time

import numpy as np
import pytest

from astrotl import Concat, Extractor, ImageBatch, InputSpec, Profiles, simulate
from astrotl.errors import WeightsError
from astrotl.plugins import load_extractor
from astrotl.preprocess import CropCentre
from astrotl.testing import check_extractor

EXTRACTORS = {
    "arcs": {},
    "concat": {"parts": ["profiles", "pixels@0.5:r+g+i"], "weights": [1, 2]},
    "pixels": {"size": 8},
    "profiles": {},
}


@pytest.mark.parametrize("name", EXTRACTORS)
def test_what_ships_keeps_every_promise(name):
    check_extractor(load_extractor(name)(**EXTRACTORS[name]))


@pytest.mark.parametrize(
    "extractor", [Profiles(bands=1), Concat([Profiles(rings=3), "arcs"]), Concat(("profiles:g+r+i",))], ids=repr
)
def test_other_parameters_keep_them_too(extractor):
    check_extractor(extractor)


def test_ones_own_images_are_taken():
    batch, _ = simulate.stamps(6, bands=("u", "g", "r", "i", "z"), size=40, seed=3)
    check_extractor(Concat(["profiles:u+g+r", "profiles:z+i+r"]), batch)


class Mean(Extractor):
    """Takes the mean of an image.

    Parameters
    ----------
    power : int, optional
        Of what power.
    """

    dim = 1
    input = InputSpec()

    def __init__(self, power=1):
        self.power = power

    def _extract(self, images):
        return (images**self.power).mean(axis=(1, 2, 3))[:, None]


class Twice(Mean):
    """Takes it twice, in a class of two parents."""

    dim = 2

    @functools.cached_property
    def matrix(self):
        return np.ones((1, 2))

    def _extract(self, images):
        return super()._extract(images) @ self.matrix


@pytest.mark.parametrize("extractor", [Mean(), Mean(power=2), Twice()], ids=repr)
def test_ones_own_extractor_passes(extractor):
    check_extractor(extractor)


class Undocumented(Mean):
    pass


class Unmentioned(Extractor):
    """Says nothing of its parameters."""

    def __init__(self, power=1):
        self.power = power


class Renaming(Mean):
    """Keeps a parameter under another name."""

    def __init__(self, power=1):
        self._power = power


class Taking(Mean):
    """Takes whatever comes."""

    def __init__(self, **settings):
        self.settings = settings


class Changing(Mean):
    """Changes a parameter."""

    def __init__(self, power=1):
        self.power = power + 1


class Loading(Mean):
    """Makes its weights too early."""

    def __init__(self, power=1):
        self.power = power
        self.weights = np.ones(3)


class Overriding(Mean):
    """Overrides what checks."""

    def extract(self, batch):
        return batch.data[:, 0, 0, :1]


class Unpicklable(Mean):
    """Has a parameter that cannot travel."""

    def __init__(self, power=lambda x: x):
        self.power = power


class Heavy(Mean):
    """Carries its weights."""

    def __init__(self, power=tuple(range(50_000))):
        self.power = power


class Dimless(Mean):
    """Has no features."""

    dim = 0


class Inputless(Mean):
    """Has a size for an input."""

    input = 32


class Hesitant(Mean):
    """Wants no image at once."""

    at_once = 0


class Unwritten(Mean):
    """Has a signature that is no JSON."""

    def signature(self):
        return {**super().signature(), "bands": {"g", "r"}}


class Tupled(Mean):
    """Has a signature that JSON changes."""

    def signature(self):
        return {**super().signature(), "bands": ("g", "r")}


class Curt(Mean):
    """Has a signature of its own."""

    def signature(self):
        return {"class": "Curt"}


class Forgetful(Mean):
    """Cannot be made again: a list and a tuple are two things to it."""

    def signature(self):
        return {**super().signature(), "kind": type(self.power).__name__}


class Untold(Mean):
    """Says another power than it has."""

    def signature(self):
        return {**super().signature(), "parameters": {}, "power": self.power}


class Unstretched(Mean):
    """Wants bytes, and does not make them."""

    input = InputSpec(value_range=(0, 255))


class Stumbling(Mean):
    """Has steps that fail."""

    def default_steps(self):
        return (CropCentre(size=100), lambda batch: batch.data.nothing)


class Flat(Mean):
    """Divides by the spread of an image."""

    def _extract(self, images):
        with np.errstate(all="ignore"):
            return (images.mean(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3)))[:, None]


class Holed(Mean):
    """Says that it knows what NaN is."""

    input = InputSpec(missing=True)


class Long(Mean):
    """Gives more than it says."""

    def _extract(self, images):
        return images[:, 0, 0, :2]


class InPlace(Mean):
    """Subtracts the sky where it must not."""

    def _extract(self, images):
        images -= np.median(images, axis=(2, 3), keepdims=True)
        return super()._extract(images)


class Random(Mean):
    """Draws by lot."""

    def _extract(self, images):
        return super()._extract(images) * np.random.default_rng().uniform(0.9, 1, (len(images), 1))


class Drawn(Mean):
    """Draws its weights by lot, once."""

    @functools.cached_property
    def weight(self):
        return np.random.default_rng().uniform()

    def _extract(self, images):
        return super()._extract(images) * self.weight


class Whitening(Mean):
    """Scales by the whole batch."""

    def _extract(self, images):
        return super()._extract(images) / (1 + np.abs(images).max())


class Counting(Mean):
    """Looks at the first image differently."""

    def _extract(self, images):
        features = super()._extract(images)
        features[1:2] *= 2
        return features


class Hurried(Mean):
    """Says that threads may share it, though they meet in self."""

    threadsafe = True

    def _extract(self, images):
        self.__dict__["seen"] = images
        time.sleep(1e-3)
        return super()._extract(self.__dict__["seen"])


class Learning(Mean):
    """Changes a parameter as it goes."""

    def _extract(self, images):
        features = super()._extract(images * 0 + 1)
        self.power = 2
        return features


class Crowded(Mean):
    """Has steps that need an image."""

    def default_steps(self):
        return (lambda batch: batch.with_data(batch.data - batch.data[:1].min() * (batch.ids[0] == "x")),)


class Shuffled(Mean):
    """Depends on the order of a set, which is another in each process."""

    def signature(self):
        return {**super().signature(), "bands": list({f"band{number}" for number in range(40)})}


class Rounded(Mean):
    """Computes with few digits, and others in a batch."""

    def _extract(self, images):
        return super()._extract(images) * (1 + 0.01 / len(images))


class Unweighted(Mean):
    """Has no weights here."""

    @property
    def dim(self):
        raise WeightsError("no weights")


BROKEN = [
    (Undocumented(), "has no docstring"),
    (Unmentioned(), "says nothing of the parameter 'power'"),
    (Renaming(), "does not keep its parameter 'power'; write self.power = power"),
    (Taking(), r"takes \*\*settings"),
    (Changing(), "changes its parameter 'power' in __init__"),
    (Loading(), "keeps weights in __init__"),
    (Overriding(), "overrides extract"),
    (Unpicklable(), "cannot be pickled"),
    (Heavy(), "bytes to another process"),
    (Dimless(), "has the dim 0"),
    (Inputless(), "has the input 32"),
    (Hesitant(), "has at_once 0"),
    (Unwritten(), "a signature that cannot be written as JSON"),
    (Tupled(), "a signature that JSON changes"),
    (Curt(), "has a signature with the keys class only"),
    (Forgetful(power=[1, 2]), "has another signature once it was made again of its signature"),
    (Untold(power=2), "has another signature once it was made again of its signature"),
    (Unstretched(), r"default_steps\(\) that do not bring images to what its input asks for .*values from 0 to 255"),
    (Stumbling(), r"default_steps\(\) that fail"),
    (Flat(), r"cannot extract \(ContractError: .* finite features, but gave NaN or infinity for 1 images, first flat"),
    (Holed(), r"cannot extract \(ContractError: .* first hole"),
    (Long(), r"cannot extract \(ContractError: .* shape .7, 1., but gave .7, 2."),
    (InPlace(), "changes the images that it is given"),
    (Random(), "gives other features for the same images again"),
    (Drawn(), "gives other features when it was sent to another process"),
    (Whitening(), "gives an image other features when it is alone in its batch"),
    (Counting(), "gives an image other features when it is alone in its batch"),
    (Hurried(), "gives other features when several threads ask at once"),
    (Learning(), "has other parameters or another signature after it extracted"),
    (Crowded(), "cannot take a batch without images"),
    (Shuffled(), "says another thing in another process when it is asked for its signature"),
]


@pytest.mark.parametrize(("extractor", "words"), BROKEN, ids=[type(one).__name__ for one, _ in BROKEN])
def test_a_broken_promise_is_named(broken, extractor, words):
    assert re.search(words, broken(check_extractor, extractor))


def test_a_class_inside_a_function_cannot_travel(broken):
    class Local(Mean):
        """Stands where nobody finds it."""

    assert "cannot be pickled" in broken(check_extractor, Local())


def test_half_precision_needs_tolerance(broken):
    assert "alone" in broken(check_extractor, Rounded())
    check_extractor(Rounded(), tolerance=0.1)


def test_what_is_no_extractor_is_refused():
    with pytest.raises(TypeError, match=r"^extractor: expected an object, got the class Mean; write Mean\(...\)"):
        check_extractor(Mean)
    with pytest.raises(TypeError, match=r"^extractor: expected an object of the kind Extractor, got 'profiles'"):
        check_extractor("profiles")
    with pytest.raises(ValueError, match=r"^images: there are none"):
        check_extractor(Mean(), ImageBatch(np.empty((0, 3, 8, 8)), [], ("g", "r", "i")))


def test_what_is_missing_on_this_machine_is_no_breach():
    with pytest.raises(WeightsError, match="no weights"):
        check_extractor(Unweighted())
