import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.errors import ImageError
from astrotl.sources import ArraySource, StackSource

SHAPES = {(6, 9, 8): None, (6, 3, 9, 8): 1, (6, 9, 8, 3): 3, (6, 4, 4, 4): 1, (6, 1, 9, 8): 1, (6, 9, 8, 1): 3}


def planes_first(images, axis):
    return images[:, None] if axis is None else np.moveaxis(images, axis, 1)


@pytest.fixture(params=["npy", "npz", "packed.npz", "h5", "hdf5"])
def stack(request, tmp_path):
    """Write images, and ids where the file can hold them, in each kind of stack."""

    def write(images, ids=None):
        path = tmp_path / f"stack.{request.param}"
        if request.param == "npy":
            np.save(path, images)
        elif request.param.endswith("npz"):
            save = np.savez_compressed if "packed" in request.param else np.savez
            save(path, images=images, **({} if ids is None else {"ids": ids}))
        else:
            with h5py.File(path, "w") as file:
                file["images"] = images
                if ids is not None:
                    file["ids"] = ids if ids.dtype.kind == "i" else ids.astype("S")
        return path

    return write


@pytest.mark.parametrize(("shape", "axis"), SHAPES.items())
def test_every_order_of_axes_gives_planes_before_pixels(noise, stack, shape, axis):
    images = noise(*shape)
    expected = planes_first(images, axis)
    for source in (ArraySource(images), StackSource(stack(images))):
        batch = source.read()
        assert np.array_equal(batch.data, expected)
        assert batch.ids.tolist() == ["0", "1", "2", "3", "4", "5"]
        assert batch.channels == (("image",) if expected.shape[1] == 1 else tuple("0123"[: expected.shape[1]]))
        assert source.signature()["size"] == list(expected.shape[2:])


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", "u1", ">i2", "<u8", "?"])
def test_every_kind_of_number_comes_as_native_float32(stack, dtype):
    images = (np.arange(3 * 5 * 5).reshape(3, 5, 5) % 2).astype(dtype)
    if dtype == "?":
        images = images.astype(bool)
    for source in (ArraySource(images), StackSource(stack(images))):
        data = source.read().data
        assert data.dtype == np.dtype("=f4")
        assert np.array_equal(data[:, 0], images.astype(np.float32))
        assert source.read().value_range == ((0, 255) if dtype == "u1" else None)


def test_names_of_channels_and_their_number(noise, stack):
    images = noise(2, 3, 6, 6)
    assert ArraySource(images, channels=["g", "r", "i"]).channels == ("g", "r", "i")
    assert StackSource(stack(images), channels=["g", "r", "i"]).read().channels == ("g", "r", "i")
    with pytest.raises(ValueError, match=r"^channels: expected 3 names, got g, r"):
        ArraySource(images, channels=["g", "r"])


@pytest.mark.parametrize("shape", [(5,), (5, 5), (2, 2, 2, 5, 5)])
def test_what_is_no_stack_is_refused(stack, shape):
    with pytest.raises(ValueError, match=r"^images: expected \(n, y, x\) or \(n, channel, y, x\)"):
        ArraySource(np.zeros(shape))
    with pytest.raises(ImageError, match=r"stack\.\w+(\.npz)?: holds no array of three or four axes"):
        StackSource(stack(np.zeros(shape)))


def test_what_is_no_number_is_refused(stack):
    for source in (ArraySource, lambda images: StackSource(stack(images))):
        with pytest.raises(TypeError, match=r"^images: expected real numbers, got complex"):
            source(np.zeros((2, 4, 4), complex))


@pytest.mark.parametrize("ids", [np.array(["m31", "ngc 1068"]), np.array([587722981745295616, 587722981745295617])])
def test_ids_in_the_file_are_kept_exactly(stack, noise, ids):
    path = stack(noise(2, 4, 4), ids)
    expected = ["0", "1"] if path.suffix == ".npy" else [str(name) for name in ids]
    assert StackSource(path).ids.tolist() == expected
    assert StackSource(path, ids=["a", "b"]).ids.tolist() == ["a", "b"]


def test_ids_are_checked(noise, stack):
    images = noise(3, 4, 4)
    for source in (lambda ids: ArraySource(images, ids=ids), lambda ids: StackSource(stack(images), ids=ids)):
        with pytest.raises(ValueError, match=r"^ids: expected 3 of them, got 2"):
            source(["a", "b"])
        with pytest.raises(ValueError, match=r"^ids: .* more than once: a$"):
            source(["a", "b", "a"])


def test_ids_beside_the_images_in_a_group_of_an_hdf5_file(tmp_path, noise):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/images"] = noise(2, 4, 4)
        file["train/objid"] = ["x", "y"]
    assert StackSource(tmp_path / "a.h5").ids.tolist() == ["x", "y"]


def test_the_stack_is_found_or_named(tmp_path, noise):
    galaxies, stars = noise(2, 4, 4), noise(3, 4, 4)
    np.savez(tmp_path / "a.npz", galaxies=galaxies, redshift=np.zeros(2))
    assert np.array_equal(StackSource(tmp_path / "a.npz").read().data[:, 0], galaxies)
    np.savez(tmp_path / "b.npz", galaxies=galaxies, stars=stars)
    assert np.array_equal(StackSource(tmp_path / "b.npz", dataset="stars").read().data[:, 0], stars)
    with pytest.raises(ValueError, match=r"^dataset: .* has several stacks of images, galaxies, stars; name one"):
        StackSource(tmp_path / "b.npz")
    with pytest.raises(ValueError, match=r"^dataset: .* has no stack of images 'gas'; it has galaxies, stars"):
        StackSource(tmp_path / "b.npz", dataset="gas")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5"])
@pytest.mark.parametrize("content", [b"", b"not a stack of images", None])
def test_a_file_that_is_no_stack_is_named_on_one_line(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError) as caught:
        StackSource(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name) + ": ")
    assert len(str(caught.value).splitlines()) == 1
    assert ("there is no such file" in str(caught.value)) == (content is None)


def test_a_pickled_object_in_a_file_is_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[[{"a": 1}]]], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError, match=r"a\.npy: cannot be read as a stack of images \(.*Python objects"):
        StackSource(tmp_path / "a.npy")


picks = st.one_of(
    st.slices(7),
    st.lists(st.integers(-7, 6), max_size=7, unique_by=lambda row: row % 7).map(lambda rows: np.array(rows, dtype=int)),
    st.lists(st.booleans(), min_size=7, max_size=7).map(np.array),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stacks")
    images = np.random.default_rng(3).normal(size=(7, 2, 4, 5)).astype(np.float32)
    np.save(folder / "a.npy", images)
    np.savez(folder / "a.npz", images=images)
    with h5py.File(folder / "a.h5", "w") as file:
        file["images"] = images
    return images, [ArraySource(images), *(StackSource(folder / f"a.{ending}") for ending in ("npy", "npz", "h5"))]


@settings(max_examples=60, deadline=None)
@given(st.lists(picks, min_size=1, max_size=1), st.data())
def test_a_slice_of_a_slice_reads_those_rows_of_the_whole(files, first, data):
    images, sources = files
    rows = np.arange(7)[first[0]]
    second = data.draw(st.slices(len(rows)))
    for source in sources:
        batch = source[first[0]][second].read()
        assert np.array_equal(batch.data, images[rows[second]])
        assert batch.ids.tolist() == rows[second].astype(str).tolist()


def test_what_is_no_row_is_refused(files):
    _, sources = files
    for source in sources:
        with pytest.raises(TypeError, match=r"^rows: .* for one object write source\[i:i \+ 1\]"):
            source[0]
        with pytest.raises(TypeError, match=r"^rows: expected row numbers or a mask, got float64"):
            source[[0.5]]
        with pytest.raises(TypeError, match="rows_of"):
            source[["a"]]
        with pytest.raises(IndexError, match=r"^rows: a mask needs one value an object, 7 of them, got 3"):
            source[[True, False, True]]
        with pytest.raises(IndexError):
            source[[7]]
        assert len(source[[]].read()) == 0
        assert source.rows_of(["5", "2"]).tolist() == [5, 2]
        with pytest.raises(KeyError):
            source.rows_of(["8"])


def test_nothing_that_is_read_lies_open_to_a_step_that_works_in_place(files):
    images, sources = files
    for source in sources:
        source.read().data[:] = 0
        assert np.array_equal(source.read().data, images)


def test_a_slice_of_a_big_file_pickles_to_little_and_reads_equal_elsewhere(tmp_path, stack):
    images = np.arange(20_000 * 16, dtype=np.float32).reshape(20_000, 4, 4)
    part = StackSource(stack(images))[10_000:10_100]
    (tmp_path / "part.pickle").write_bytes(pickle.dumps(part))
    assert (tmp_path / "part.pickle").stat().st_size < 5_000
    script = "import pickle, sys, numpy as np; np.save(sys.argv[2], pickle.load(open(sys.argv[1], 'rb')).read().data)"
    arguments = [sys.executable, "-c", script, str(tmp_path / "part.pickle"), str(tmp_path / "read.npy")]
    subprocess.run(arguments, check=True)
    assert np.array_equal(np.load(tmp_path / "read.npy")[:, 0], images[10_000:10_100])


def test_a_rewritten_npz_is_read_anew(tmp_path):
    for value in (1, 2):
        np.savez(tmp_path / "a.npz", images=np.full((2, 4, 4), value))
        assert (StackSource(tmp_path / "a.npz").read().data == value).all()
