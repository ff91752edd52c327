"""One object, many dates: the ids, the stacks, the slices, and how the files are found."""

import os
import pickle

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.sources import ArraySource, EpochSource, open_source
from astrotl.sources.epochs import split_epoch


def source_of(images, stack="median"):
    """Make a source of images given by their ids, each a number or an array."""
    data = [np.broadcast_to(np.asarray(image, dtype=float), (3, 4)) for image in images.values()]
    return EpochSource(ArraySource(np.array(data), ids=list(images)), stack=stack)


def values(source):
    return {str(name): float(image[0, 0, 0]) for name, image in zip(source.ids, source.read().data, strict=True)}


def test_the_rows_of_an_object_stand_together_and_its_stack_comes_last():
    source = source_of({"b/2": 2, "a/1": 10, "b/1": 1, "a/2": 30, "b/3": 9})
    assert source.ids.tolist() == ["b/2", "b/1", "b/3", "b/stack", "a/1", "a/2", "a/stack"]
    assert values(source) == {"b/2": 2, "b/1": 1, "b/3": 9, "b/stack": 2, "a/1": 10, "a/2": 30, "a/stack": 20}


def test_an_objects_name_may_hold_a_stroke_and_an_epochs_may_not():
    objects, epochs = split_epoch(["field/3/d1"])
    assert (objects[0], epochs[0]) == ("field/3", "d1")
    for name in ("m31", "m31/", "/d1"):
        with pytest.raises(ValueError, match=f"ids: expected OBJECT/EPOCH, got '{name}'"):
            split_epoch(["m31/d1", name])


def test_a_given_stack_is_taken_as_it_is():
    assert values(source_of({"a/1": 1, "a/stack": 7, "a/2": 2, "b/1": 5}))["a/stack"] == 7
    named = source_of({"a/1": 1, "a/full": 7, "b/1": 5, "b/2": 6, "b/3": 60}, stack="full")
    assert named.ids.tolist() == ["a/1", "a/stack", "b/1", "b/2", "b/3", "b/stack"]
    assert values(named)["a/stack"] == 7
    assert values(named)["b/stack"] == 6


@pytest.mark.parametrize(
    ("images", "stack", "said"),
    [
        ({"a/1": 1}, "medain", "stack: must be median or mean, or the epoch that is the stack, but none is called"),
        ({"a/stack": 1, "a/full": 2}, "full", "ids: a has more than one stack"),
        ({"a": 1}, "median", "ids: expected OBJECT/EPOCH, got 'a'"),
    ],
)
def test_what_cannot_be_stacked_is_said(images, stack, said):
    with pytest.raises(ValueError, match=said):
        source_of(images, stack)


def test_the_mean_leaves_out_what_the_median_would_not_believe():
    rng = np.random.default_rng(1)
    images = {f"a/{number}": 10 + rng.normal(size=(3, 4)) for number in range(15)}
    images["a/trail"] = np.full((3, 4), 1e4)
    stack = source_of(images, "mean")[-1:].read().data[0, 0]
    good = np.mean([images[f"a/{number}"] for number in range(15)], axis=0)
    assert np.abs(stack - good).max() < 0.6
    alike = source_of({"a/1": 5, "a/2": 5, "a/3": 5.5}, "mean")
    assert values(alike)["a/stack"] == pytest.approx(5.1667, abs=1e-3)


def test_missing_pixels_are_made_of_the_other_dates():
    hole = np.ones((3, 4))
    hole[0, 0] = np.nan
    everywhere = hole.copy()
    stack = source_of({"a/1": hole, "a/2": 3, "a/3": 5, "b/1": everywhere, "b/2": everywhere})
    data = dict(zip(stack.ids.tolist(), stack.read().data, strict=True))
    assert data["a/stack"][0, 0, 0] == 4
    assert data["a/stack"][0, 1, 1] == 3
    assert np.isnan(data["b/stack"][0, 0, 0])
    assert np.isfinite(data["b/stack"]).sum() == 11


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=20, unique=True), st.data())
def test_any_slice_reads_the_same_as_the_whole(names, data):
    source = source_of({f"{name}/{date}": 10 * ord(name) + date for name, date in names})
    whole = values(source)
    rows = data.draw(st.lists(st.integers(0, len(source) - 1), max_size=8, unique=True))
    part = source[np.array(rows, dtype=int)]
    assert part.ids.tolist() == source.ids[rows].tolist()
    assert values(part) == {name: whole[name] for name in part.ids.tolist()}
    start = data.draw(st.integers(0, len(source)))
    assert values(source[start:][::2]) == {name: whole[name] for name in source.ids[start:][::2].tolist()}
    assert values(pickle.loads(pickle.dumps(part))) == values(part)


def test_a_slice_carries_only_what_its_rows_need():
    images = ArraySource(np.zeros((400, 8, 8)), ids=[f"o{number // 4}/{number % 4}" for number in range(400)])
    source = EpochSource(images)
    whole, part = (len(pickle.dumps(some)) for some in (source, source[:5]))
    assert part < whole / 20


def test_the_stack_of_very_many_dates_is_that_of_some_of_them():
    many = ArraySource(np.arange(1000.0)[:, None, None] * np.ones((2, 2)), ids=[f"a/{n}" for n in range(1000)])
    source = EpochSource(many)
    asked = []
    inner = type(many)._take

    class Counting(ArraySource):
        def _take(self, rows):
            asked.append(len(np.arange(len(self))[rows]))
            return inner(self, rows)

    many.__class__ = Counting
    assert source[-1:].read().data[0, 0, 0, 0] == pytest.approx(499.5, abs=3)
    assert max(asked) <= 256


def test_the_table_tells_object_and_epoch(tmp_path, stamp, noise):
    for name in ("a/d1", "a/d2", "b/d1"):
        stamp(f"e/{name}.fits", noise(6, 6))
    table = open_source(f"{tmp_path}/e/*/*.fits", stack="median").table()
    assert table["object"].tolist() == ["a", "a", "a", "b", "b"]
    assert table["epoch"].tolist() == ["d1", "d2", "stack", "d1", "stack"]
    assert [os.path.basename(path) for path in table["file"]] == ["d1.fits", "d2.fits", "", "d1.fits", ""]


def test_a_signature_tells_stacks_apart():
    images = {"a/1": 1, "a/2": 2}
    median, mean = source_of(images).signature(), source_of(images, "mean").signature()
    assert median != mean
    assert median["size"] == [3, 4]
    assert median["channels"] == ["image"]


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [
        ("{object}/{epoch}.fits", "*/*.fits"),
        ("{object}/{epoch}.fits", "{object}/{epoch}.fits"),
        ("{epoch}/{object}.fits", "{epoch}/{object}.fits"),
        ("{epoch}/{object}-{epoch}-r.fits", "{epoch}/{object}-{epoch}-r.fits"),
        ("{object}_{epoch}_x1.fits.gz", "{object}_{epoch}_*.fits.gz"),
        ("{object}/deep/{epoch}-q.fits", "{object}/deep/{epoch}-?.fits"),
        ("{object}/{epoch}.fits", ""),
    ],
)
def test_a_pattern_says_what_is_object_and_what_is_date(tmp_path, stamp, noise, layout, pattern):
    images = {}
    for name in ("m31", "m33"):
        for date in ("2001", "2002"):
            images[f"{name}/{date}"] = noise(5, 5)
            stamp("e/" + layout.format(object=name, epoch=date), images[f"{name}/{date}"])
    given = os.path.join(tmp_path, "e", pattern)
    source = open_source(given, stack="median")
    assert source.ids.tolist() == ["m31/2001", "m31/2002", "m31/stack", "m33/2001", "m33/2002", "m33/stack"]
    read = dict(zip(source.ids.tolist(), source.read().data[:, 0], strict=True))
    assert all(np.array_equal(read[name], image) for name, image in images.items())
    again = open_source(**open_source([given], stack="median").origin)
    assert again.ids.tolist() == source.ids.tolist()
    assert np.array_equal(again.read().data, source.read().data)


def test_bands_of_a_date_come_together(tmp_path, stamp, noise):
    for name in ("a/1-g", "a/1-r", "a/2-g"):
        stamp(f"{name}.fits", noise(5, 5))
    inputs = {band: f"{tmp_path}/{{object}}/{{epoch}}-{band}.fits" for band in "gr"}
    batch = open_source(inputs, stack="mean").read()
    assert batch.ids.tolist() == ["a/1", "a/2", "a/stack"]
    assert batch.channels == ("g", "r")
    assert batch.failed == {"a/2": "there is no file for band r"}
    assert np.array_equal(batch.data[2], batch.data[0])


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{object}/1.fits", "names only one of object and epoch"),
        ("*/*/*.fits", "which star of .* is the object"),
    ],
)
def test_a_pattern_that_does_not_say_it_is_refused(tmp_path, stamp, noise, pattern, said):
    stamp("a/1.fits", noise(5, 5))
    stamp("a/b/1.fits", noise(5, 5))
    with pytest.raises(ValueError, match=said):
        open_source(f"{tmp_path}/{pattern}", stack="median")


def test_a_table_lists_the_images(tmp_path, stamp, noise):
    images = [noise(5, 5) for _ in range(3)]
    for number, image in enumerate(images):
        stamp(f"data/{number}.fits", image)
    table = Table(
        {"Object": ["x", "x", "y"], "date": [57001, 57002, 57001], "file": [f"data/{n}.fits" for n in range(3)]}
    )
    table.write(tmp_path / "list.csv")
    source = open_source(tmp_path / "list.csv", stack="median")
    assert source.ids.tolist() == ["x/57001", "x/57002", "x/stack", "y/57001", "y/stack"]
    assert np.array_equal(source.read().data[1, 0], images[1])
    table.rename_column("file", "r")
    table.write(tmp_path / "bands.ecsv")
    assert open_source(tmp_path / "bands.ecsv", bands=["r"], stack="median").channels == ("r",)
    with pytest.raises(ValueError, match=r"bands\.ecsv: needs the columns object, epoch \(or date\) and file"):
        open_source(tmp_path / "bands.ecsv", stack="median")


def test_stacks_of_arrays_in_a_file(tmp_path, noise):
    np.savez(tmp_path / "all.npz", images=noise(3, 6, 6), ids=["a/1", "a/2", "b/1"])
    assert open_source(tmp_path / "all.npz", stack="median").ids.tolist() == ["a/1", "a/2", "a/stack", "b/1", "b/stack"]
    with pytest.raises(ValueError, match="size: the images of a stack have one already"):
        open_source(tmp_path / "all.npz", stack="median", size=4)


def test_epochs_take_the_size_of_the_stack(tmp_path, stamp, noise):
    stack = noise(7, 9)
    stamp("a/1.fits", noise(11, 9))
    stamp("a/2.fits", noise(5, 9))
    stamp("a/deep.fits", stack)
    batch = open_source(f"{tmp_path}/*/*.fits", stack="deep").read()
    assert batch.data.shape == (3, 1, 7, 9)
    assert not batch.failed
    assert np.array_equal(batch.data[2, 0], stack)
    assert np.isnan(batch.data[1, 0, 0]).all()
    made = open_source([f"{tmp_path}/a/1.fits", f"{tmp_path}/a/2.fits"], stack="median").read()
    assert made.data.shape == (3, 1, 11, 9)


def test_a_bad_file_costs_its_own_row_and_not_the_stack(tmp_path, stamp, noise):
    image = noise(6, 6)
    stamp("a/1.fits", image)
    stamp("a/3.fits", image)
    stamp("b/1.fits", image)
    for name in ("a/2.fits", "b/1.fits"):
        (tmp_path / name).write_text("not an image")
    source = open_source(f"{tmp_path}/*/*.fits", stack="median")
    batch = source.read()
    assert set(batch.failed) == {"a/2", "b/1", "b/stack"}
    assert batch.failed["b/stack"].startswith("none of its 1 epochs can be read; the first, ")
    assert np.array_equal(batch.data[3, 0], image)
    alone = source[3:4].read()
    assert np.array_equal(alone.data[0, 0], image)


def test_mosaics_are_refused_with_the_remedy(tmp_path, stamp, noise):
    with pytest.raises(ValueError, match="stack: goes with stamps of each date"):
        open_source(stamp("a/1.fits", noise(6, 6)), stack="median", catalog="c.csv")
