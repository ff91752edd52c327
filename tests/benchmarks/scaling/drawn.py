"""Images that nobody holds, drawn when they are read: as many as are wanted, on as many machines as there are."""

import functools

import numpy as np

from astrotl import Extractor, InputSpec, simulate
from astrotl.images import ImageBatch
from astrotl.sources import ImageSource

#: So many galaxies are simulated by each process, and turned and dimmed for all others.
_GALAXIES = 64


class Stamps(ImageSource):
    """Galaxies of 64 x 64 pixels in three bands; each stamp is its own by its turn, its brightness and its noise."""

    channels = ("g", "r", "i")
    size = 64

    def __init__(self, count, first=0):
        self._count, self._first = count, first

    @property
    def ids(self):
        return np.char.mod("%010d", np.arange(self._first, self._first + self._count))

    def __len__(self):
        return self._count

    def _take(self, rows):
        start, stop, step = rows.indices(self._count)
        if step != 1:
            raise ValueError("rows: a step of 1")
        return type(self)(stop - start, self._first + start)

    def read(self):
        images = np.stack([self._drawn(number) for number in range(self._first, self._first + self._count)])
        return ImageBatch(images, self.ids, self.channels)

    def _drawn(self, number):
        galaxy = np.rot90(_galaxies(self.size)[number % _GALAXIES], number // _GALAXIES % 4, axes=(1, 2))
        noise = np.random.default_rng(number).standard_normal(galaxy.shape, dtype=np.float32)
        return galaxy * np.float32(0.5 + number * 0.618 % 1) + 0.02 * noise

    def signature(self):
        return {"kind": "drawn", "channels": list(self.channels), "size": self.size}


class Vectors(Stamps):
    """Vectors of 64 numbers, as images of 8 x 8 pixels in one band: clouds of look-alikes in few main directions."""

    channels = ("features",)
    size = 8

    def read(self):
        clouds, spread = _clouds()
        random = np.random.default_rng(self._first)
        vectors = clouds[random.integers(len(clouds), size=self._count)]
        vectors += spread * random.standard_normal((self._count, 64), dtype=np.float32)
        return ImageBatch(vectors.reshape(self._count, 1, 8, 8), self.ids, self.channels)


class AsTheyAre(Extractor):
    """Takes the pixels for features."""

    dim = 64
    input = InputSpec(channels=1, size=8)
    threadsafe = True

    def default_steps(self):
        return ()

    def _extract(self, images):
        return images.reshape(len(images), -1)


@functools.cache
def _galaxies(size):
    return simulate.stamps(_GALAXIES, size=size, seed=1)[0].data


@functools.cache
def _clouds():
    random = np.random.default_rng(1)
    spread = (1 / np.sqrt(np.arange(1, 65))).astype(np.float32)
    return 2 * spread * random.standard_normal((1000, 64), dtype=np.float32), spread
