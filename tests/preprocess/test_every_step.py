"""What all steps promise, for the strangest images."""

import json

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from astrotl.images import ImageBatch
from astrotl.preprocess import (
    Asinh,
    Choose,
    ClipNoise,
    ClipOutliers,
    Combine,
    CropCatalogue,
    CropCentre,
    CropSource,
    FillNoData,
    Linear,
    Log,
    Lupton,
    Normalise,
    Percentile,
    Resize,
    Stretch,
    SubtractBackground,
    ZScale,
    step_from_signature,
    step_names,
    step_signature,
)
from astrotl.testing import check_step
from astrotl.testing.steps import check_images

FILL = [FillNoData(), FillNoData("median", size=3)]
POINTWISE = [
    SubtractBackground(sigma=2),
    ClipNoise(),
    ClipOutliers(low=2, high=3),
    Linear(),
    Linear(low=-1, per="band"),
    Linear(high=-5),
    Percentile(),
    Percentile(low=20, high=60, per="band"),
    ZScale(),
    ZScale(per="band"),
    Normalise(mean=-3, std=1e-25),
    Log(),
    Asinh(softening=1e-20),
    Lupton(),
    Lupton(q=2, stretch=1e-10, minimum=-4),
    Stretch(),
    Stretch(softening=0.1, low=0, high=50, least=1),
]
RESHAPING = [
    CropCentre(fraction=0.6),
    CropSource(),
    CropSource(margin=1, size=5, sigma=1),
    CropCatalogue("sizes.ecsv", size=6),
    Resize(7),
    Resize(3, "bilinear"),
    Choose(["b0"]),
    Choose("b0"),
    Combine(),
    Combine("mean", channels=2),
    Combine(matrix=[[1.5]]),
]
ALL = FILL + POINTWISE + RESHAPING


@pytest.fixture(autouse=True, scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    Table({"id": ["o0", "o1", "o2"], "radius": [2.0, np.nan, 1e9]}).write(folder / "sizes.ecsv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@st.composite
def odd_batches(draw, value_range=False):
    dtype = draw(st.sampled_from(["f4", ">f4", "f8", ">f8", "i2", ">i2", "u1", ">i4", "?"]))
    shape = draw(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)))
    elements = fill = None
    if np.dtype(dtype).kind == "f":
        largest = float(np.float32(draw(st.sampled_from([1, 1e-30, 1e4, 3e38]))))
        width = 8 * np.dtype(dtype).itemsize
        elements = fill = st.floats(-largest, largest, width=width) | st.sampled_from([np.nan, np.inf, -np.inf, 0])
    data = draw(hnp.arrays(dtype, shape, elements=elements, fill=fill))
    if shape[0] and data.dtype.kind == "f" and draw(st.booleans()):
        data[draw(st.integers(0, shape[0] - 1))] = np.nan
    known = None
    if value_range and draw(st.booleans()):
        known, data = (-2.0, 3.0), np.clip(data.astype("f4"), -2, 3)
    return ImageBatch(data, [f"o{i}" for i in range(shape[0])], [f"b{i}" for i in range(shape[1])], value_range=known)


def fitted(step, batch):
    """Fit the matrix to the bands."""
    if isinstance(step, Combine) and step.matrix:
        return Combine(matrix=[[1.5 / (1 + band) for band in range(len(batch.channels))]])
    return step


def test_no_step_is_forgotten():
    assert {step_signature(step)["step"] for step in ALL} == set(step_names())


@pytest.mark.parametrize("step", ALL, ids=repr)
@settings(deadline=None, max_examples=60)
@given(odd_batches(value_range=True))
def test_every_promise_is_kept_for_any_image(step, batch):
    step = fitted(step, batch)
    after = check_images(step, batch)
    # Those that only choose pixels leave infinite ones to the others.
    if after is not batch and not isinstance(step, (Choose, CropCentre)):
        assert not np.isinf(after.data).any()


@pytest.mark.parametrize("step", POINTWISE, ids=repr)
@settings(deadline=None, max_examples=40)
@given(odd_batches())
def test_missing_pixels_stay_missing(step, batch):
    after = step(batch).data
    assert np.isnan(after[~np.isfinite(batch.data)]).all()


@pytest.mark.parametrize("step", FILL, ids=repr)
@settings(deadline=None, max_examples=40)
@given(odd_batches())
def test_filling_leaves_nothing_missing_and_known_pixels_alone(step, batch):
    after = step(batch).data
    known = np.abs(batch.data) < 1e30
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(after[known], batch.data[known])


@pytest.mark.parametrize("step", [*POINTWISE, *RESHAPING], ids=repr)
def test_an_image_without_data_stays_without_data(step):
    batch = ImageBatch(np.full((2, 3, 9, 9), np.nan), ["o0", "o1"], ("b0", "b1", "b2"))
    assert np.isnan(fitted(step, batch)(batch).data).all()


@pytest.mark.parametrize("step", ALL, ids=repr)
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 0.1]))
def test_every_promise_is_kept_for_sources_on_a_sky(step, seed, missing):
    rng = np.random.default_rng(seed)
    data = rng.normal(5, 2, (3, 2, 14, 11)) + 50 * (rng.random((3, 2, 14, 11)) > 0.95)
    data[0][rng.random((2, 14, 11)) < missing] = np.nan
    batch = ImageBatch(data, ["o0", "o1", "o2"], ("b0", "b1"))
    check_images(fitted(step, batch), batch)


@pytest.mark.parametrize("step", {type(step): step for step in ALL}.values(), ids=repr)
def test_a_step_of_each_kind_can_be_written_down_and_sent(step):
    images = ImageBatch(np.random.default_rng(1).normal(5, 2, (2, 2, 16, 15)), ["o0", "o1"], ("b0", "b1"))
    check_step(fitted(step, images), images)


@pytest.mark.parametrize("step", ALL, ids=repr)
def test_a_step_is_made_again_of_what_was_written_down(step):
    again = step_from_signature(json.loads(json.dumps(step_signature(step))))
    assert again == step
    assert hash(again) == hash(step)
