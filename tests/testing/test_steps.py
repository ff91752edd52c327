"""Whatever breaks a promise of a step is told which; that all steps that ship keep them is tested with the steps."""

import dataclasses
import re
import time
from dataclasses import dataclass

import numpy as np
import pytest

from astrotl import ImageBatch
from astrotl.preprocess import Choose, Resize, Stretch
from astrotl.testing import check_step


@dataclass(frozen=True)
class Brighter:
    """Multiply by a number.

    Parameters
    ----------
    factor : float, optional
        The number.
    """

    factor: float = 2.0

    def __call__(self, batch):
        return batch.with_data(batch.data * np.float32(self.factor))


def test_ones_own_step_passes():
    check_step(Brighter())
    check_step(Brighter(factor=0.1))


def test_ones_own_images_are_taken(broken):
    two = ImageBatch(np.random.default_rng(0).normal(size=(2, 2, 9, 12)), ["a", "b"], ("F115W", "F200W"))
    check_step(Choose(("F200W",)), two)
    check_step(Resize(6), two.select([0]))
    assert "cannot take images (ValueError: bands: " in broken(check_step, Choose(("F200W",)))


@dataclass
class Melting:
    """Could be changed."""

    def __call__(self, batch):
        return batch


@dataclass(frozen=True)
class Undocumented(Brighter):
    pass


@dataclass(frozen=True)
class Unmentioned(Brighter):
    """Says nothing of a parameter."""

    offset: float = 0.0


@dataclass(frozen=True)
class Listed(Brighter):
    """Takes a list and keeps it, so that it has no hash."""

    factor: list = dataclasses.field(default_factory=lambda: [2.0])

    def __call__(self, batch):
        return batch.with_data(batch.data * np.float32(self.factor[0]))


@dataclass(frozen=True)
class Rounding(Brighter):
    """Changes what it is given."""

    def __post_init__(self):
        object.__setattr__(self, "factor", self.factor + 1)


@dataclass(frozen=True)
class Secret(Brighter):
    """Keeps more than its parameters."""

    def __post_init__(self):
        object.__setattr__(self, "table", np.ones(3))


@dataclass(frozen=True, eq=False)
class Lonely:
    """Is like none other."""

    def __call__(self, batch):
        return batch


@dataclass(frozen=True)
class Fickle(Brighter):
    """Is another one once pickled."""

    def __reduce__(self):
        return Fickle, (self.factor + 1,)


@dataclass(frozen=True)
class Losing(Brighter):
    """Makes a batch of its own, without what could not be read."""

    def __call__(self, batch):
        return ImageBatch(batch.data, batch.ids, batch.channels)


@dataclass(frozen=True)
class Spoilt(Brighter):
    """Knows no NaN."""

    def __call__(self, batch):
        return batch.with_data(batch.data - batch.data.mean(axis=(2, 3), keepdims=True))


@dataclass(frozen=True)
class InPlace(Brighter):
    """Works on what it is given."""

    def __call__(self, batch):
        np.multiply(batch.data, self.factor, out=batch.data)
        return batch


@dataclass(frozen=True)
class Bare(Brighter):
    """Gives an array."""

    def __call__(self, batch):
        return batch.data


@dataclass(frozen=True)
class Dropping(Brighter):
    """Leaves out images without data."""

    def __call__(self, batch):
        return batch.select(np.flatnonzero(np.isfinite(batch.data).any(axis=(1, 2, 3))))


@dataclass(frozen=True)
class Noisy(Brighter):
    """Adds noise, another each time."""

    def __call__(self, batch):
        return batch.with_data(batch.data + np.random.default_rng().normal(size=batch.data.shape))


@dataclass(frozen=True)
class Proud(Brighter):
    """Promises a range."""

    def __call__(self, batch):
        return batch.with_data(batch.data, value_range=(0, 1))


@dataclass(frozen=True)
class Endless(Brighter):
    """Divides by nothing."""

    def __call__(self, batch):
        with np.errstate(all="ignore"):
            return batch.with_data(batch.data / np.where(batch.data > 100, 0, 1))


@dataclass(frozen=True)
class Inventing(Brighter):
    """Fills the corner."""

    def __call__(self, batch):
        data = batch.data.copy()
        data[..., -1, -1] = 0
        return batch.with_data(data)


@dataclass(frozen=True)
class Together(Brighter):
    """Takes one sky from all."""

    def __call__(self, batch):
        known = batch.data[np.isfinite(batch.data)]
        return batch.with_data(batch.data - (np.median(known) if len(known) else 0))


@dataclass(frozen=True)
class Meeting(Brighter):
    """Keeps what it works on."""

    def __call__(self, batch):
        KEPT["seen"] = batch
        time.sleep(1e-3)
        seen = KEPT["seen"]
        return batch.with_data(seen.data.copy()) if len(seen) == len(batch) else batch


KEPT = {}


@dataclass(frozen=True)
class Needy(Brighter):
    """Needs an image."""

    def __call__(self, batch):
        return batch.with_data(batch.data.copy()) if batch.ids[0] else batch


@dataclass(frozen=True)
class Shrinking(Brighter):
    """Has another size for none."""

    def __call__(self, batch):
        return batch if len(batch) else batch.with_data(batch.data[..., :1])


BROKEN = [
    (Melting(), "cannot be written down"),
    (Undocumented(), "has no docstring"),
    (Unmentioned(), "has a docstring that says nothing of the parameter 'offset'"),
    (Listed(), "is another one once it was made again of its signature"),
    (Rounding(), "changes its parameter 'factor' in __init__"),
    (Secret(), "keeps table in __init__"),
    (Lonely(), "is another one once it was made again"),
    (Fickle(), "is another one once pickled"),
    (Losing(), "loses which images could not be read"),
    (Spoilt(), "leaves no data in a band that lacks one pixel"),
    (InPlace(), "changes the images that it is given"),
    (Bare(), "gives ndarray"),
    (Dropping(), "gives other objects than it was given"),
    (Noisy(), "gives other images again"),
    (Proud(), "says that values lie from 0 to 1, but gives others"),
    (Endless(), "makes infinite pixels of finite ones"),
    (Inventing(), "makes up some pixels of an image without data"),
    (Together(), "makes another image of an image that is alone in its batch"),
    (Meeting(), "gives other images when several threads ask at once"),
    (Needy(), r"cannot take images \(IndexError"),
    (Shrinking(), "gives an empty batch other bands or another size"),
]


@pytest.mark.parametrize(("step", "words"), BROKEN, ids=[type(one).__name__ for one, _ in BROKEN])
def test_a_broken_promise_is_named(broken, step, words):
    assert re.search(words, broken(check_step, step))


def test_a_class_is_refused():
    with pytest.raises(TypeError, match=r"^step: expected an object, got the class Stretch; write Stretch\(...\)"):
        check_step(Stretch)
    with pytest.raises(TypeError, match=r"^step: expected an object of the kind Callable, got 'asinh'"):
        check_step("asinh")
