"""Every source that ships keeps its promises; whatever breaks one is told which."""

import re
import threading
import time

import h5py
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from astrotl import ImageBatch, simulate
from astrotl.detection import BoxSource
from astrotl.detection.table import make_boxes
from astrotl.sources import (
    ArrayField,
    ArraySource,
    EpochSource,
    FileSource,
    ImageSource,
    SkySource,
    StackSource,
    open_source,
)
from astrotl.testing import check_source

RNG = np.random.default_rng(8)


def arrays():
    return ArraySource(RNG.normal(size=(30, 3, 12, 16)).astype("f4"), channels=["g", "r", "i"])


def pictures():
    return ArraySource(RNG.integers(0, 255, (4, 12, 12, 3)).astype("u1"), ids=list("abcd"))


def stack():
    with h5py.File("stack.h5", "w") as file:
        file["images"] = RNG.normal(size=(20, 3, 12, 12))
        file["ids"] = [f"G{row}" for row in range(20)]
    return StackSource("stack.h5")


def packed():
    np.savez_compressed("stack.npz", images=RNG.normal(size=(5, 3, 12, 12)))
    return StackSource("stack.npz")


def stamps():
    for row in range(5):
        fits.writeto(f"s{row}.fits", RNG.normal(size=(3, 12, 16)))
    with open("s3.fits", "w") as file:
        file.write("SIMPLE  = no")
    return open_source("s*.fits")


def stamps_by_band():
    for band in "gr":
        for row in range(3):
            fits.writeto(f"m{row}-{band}.fits", RNG.normal(size=(12, 12)))
    return FileSource({band: [f"m{row}-{band}.fits" for row in range(3)] for band in "gr"}, ids=["a", "b", "c"])


def sky():
    truth = simulate.survey("sky", objects=40, seed=2)
    ra, dec = [*truth["ra"][:14], 10.0], [*truth["dec"][:14], 0.0]
    mosaics = {band: [f"sky/field{field}-{band}.fits" for field in (0, 1)] for band in "gr"}
    return SkySource(mosaics, SkyCoord(ra, dec, unit="deg"), size=24)


def epochs():
    batch, _ = simulate.epochs(4, 5, seed=1, size=24)
    return EpochSource(ArraySource(batch.data, ids=batch.ids))


def boxes():
    fields = [ArrayField(RNG.normal(size=(60, 80)), name, channels=("r",)) for name in ("m31", "m33")]
    return BoxSource(fields, make_boxes(["m31", "m33", "m31"], [10, 20, 500], 40, 6, 6, "clump"), size=9)


@pytest.mark.parametrize(
    "make",
    [arrays, pictures, stack, packed, stamps, stamps_by_band, sky, epochs, boxes],
    ids=lambda make: make.__name__,
)
def test_what_ships_keeps_every_promise(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_source(make())


class Own(ImageSource):
    """Images made of row numbers."""

    def __init__(self, count=300, size=40):
        self.rows = np.arange(count)
        self.ids = np.array([f"G{row}" for row in self.rows])
        self.channels = ("g", "r")
        self.size = size

    def _take(self, rows):
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__, ids=self.ids[rows], rows=self.rows[rows])
        return part

    def read(self):
        return ImageBatch(self.data(), self.ids, self.channels)

    def data(self):
        return self.rows[:, None, None, None] + np.zeros((1, 2, self.size, self.size))

    def signature(self):
        return {"kind": "own", "channels": list(self.channels), "size": self.size}


def test_ones_own_source_passes():
    check_source(Own())
    check_source(Own(2))


class Numbered(Own):
    def __init__(self):
        super().__init__()
        self.ids = self.rows


class Twins(Own):
    def __init__(self):
        super().__init__()
        self.ids = self.ids[self.rows // 2]


class Longer(Own):
    def __len__(self):
        return len(self.ids) + 1


class Unbanded(Own):
    def __init__(self):
        super().__init__()
        self.channels = ["g", "r"]


class OneBand(Own):
    def __init__(self):
        super().__init__()
        self.channels = ("g", "g")


class Tableless(Own):
    def table(self):
        return Table({"name": self.ids})


class Unplaced(Own):
    def table(self):
        return Table({"id": self.ids, "ra": 1.0 * self.rows, "dec": 0.0 * self.rows})


class Disordered(Own):
    def order(self):
        return self.rows[::2]


class Unread(Own):
    def read(self):
        return self.data()


class Reordered(Own):
    def read(self):
        return super().read().select(slice(None, None, -1))


class Blaming(Own):
    def read(self):
        return ImageBatch(self.data(), self.ids, self.channels, failed={"M31": "is not here"})


class Filling(Own):
    def read(self):
        return ImageBatch(self.data(), self.ids, self.channels, failed=dict.fromkeys(self.ids.tolist()[:1], "is empty"))


class Bounded(Own):
    def read(self):
        return ImageBatch(self.data(), self.ids, self.channels, (0, 1))


class Noisy(Own):
    def data(self):
        return super().data() + np.random.default_rng().normal()


class Sliced(Own):
    def _take(self, rows):
        if not isinstance(rows, slice):
            raise TypeError("only slices")
        return super()._take(rows)


class Careless(Own):
    def _take(self, rows):
        part = super()._take(rows)
        if not isinstance(rows, slice) and len(self) < 300:
            part.rows = np.sort(part.rows)
        return part


class Forgetful(Own):
    def _take(self, rows):
        part = super()._take(rows)
        part.rows = np.resize(np.arange(300)[rows], len(part.ids))
        return part


class Keeping(Own):
    def _take(self, rows):
        part = super()._take(rows)
        if not isinstance(rows, slice) and len(self) < 300:
            part.ids = np.sort(part.ids)
        return part


class Whole(Own):
    def table(self):
        return Table({"id": self.ids if len(self) > 100 else np.roll(self.ids, 1)})


class Opened(Own):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class Carrying(Own):
    def __init__(self):
        super().__init__()
        self.all = np.zeros((300, 2, 40, 40))


class Losing(Own):
    offset = 0

    def __getstate__(self):
        return {**self.__dict__, "offset": 1}

    def data(self):
        return super().data() + self.offset


class Meeting(Own):
    def data(self):
        SEEN["rows"] = self.rows
        time.sleep(1e-3)
        rows = SEEN["rows"]
        return (rows if len(rows) == len(self) else self.rows)[:, None, None, None] + np.zeros((1, 2, 40, 40))


SEEN = {}


class Unwritten(Own):
    def signature(self):
        return {**super().signature(), "rows": self.rows[:3]}


class Unnamed(Own):
    def signature(self):
        return {"kind": "own", "size": 40}


class Sizeless(Own):
    def signature(self):
        return {"kind": "own", "channels": ["g", "r"], "size": 41}


class Shuffled(Own):
    def signature(self):
        return {**super().signature(), "files": list({f"file{number}" for number in range(40)})}


BROKEN = [
    (Numbered, "has ids that are no array of strings"),
    (Twins, "has an id that stands twice"),
    (Longer, "has another length than ids"),
    (Unbanded, r"has the channels \['g', 'r'\]"),
    (OneBand, "has a channel that stands twice"),
    (Tableless, r"has a table\(\) that does not list its objects"),
    (Unplaced, r"has a table\(\) whose (ra|dec) has no unit"),
    (Disordered, r"has an order\(\) that does not hold every row once"),
    (Unread, "reads ndarray"),
    (Reordered, "reads other ids or channels than it has"),
    (Blaming, "says of objects that it has not"),
    (Filling, "has pixels of images that cannot be read"),
    (Bounded, "says that values lie from 0 to 1, but reads others"),
    (Noisy, "reads other images again"),
    (Sliced, "cannot be sliced or read .TypeError: only slices"),
    (Careless, "reads other images when they are chosen by a list of rows"),
    (Forgetful, "reads other images when they are chosen by a slice"),
    (Keeping, "has other objects when they are chosen by a list of rows"),
    (Whole, r"has another table\(\) of a slice"),
    (Opened, "cannot be pickled"),
    (Carrying, "bytes to another process"),
    (Losing, "reads other images once it was pickled"),
    (Meeting, "reads other images when several threads read"),
    (Unwritten, "a signature that cannot be written as JSON"),
    (Unnamed, "has a signature without its channels"),
    (Sizeless, "has a signature with the size 41, but images of 40 x 40 pixels"),
    (Shuffled, "says another thing in another process"),
]


@pytest.mark.parametrize(("cls", "words"), BROKEN, ids=[cls.__name__ for cls, _ in BROKEN])
def test_a_broken_promise_is_named(broken, cls, words):
    assert re.search(words, broken(check_source, cls()))


def test_one_object_is_not_enough():
    with pytest.raises(ValueError, match=r"^source: two objects or more are needed"):
        check_source(Own(1))
