import numpy as np
import pytest

from astrotl.images import ImageBatch
from astrotl.preprocess import Choose, Combine


def bands(values, value_range=(0, 10)):
    data = np.reshape(np.asarray(values, dtype=float), (1, -1, 1, 1)) * np.ones((1, 1, 2, 3))
    return ImageBatch(data, ["a"], tuple("ugrizy"[: len(values)]), value_range=value_range)


def first_pixel(batch):
    return batch.data[0, :, 0, 0].round(5).tolist()


def test_bands_are_chosen_and_put_in_order_by_name():
    chosen = Choose(["r", "u"])(bands([1, 2, 3]))
    assert first_pixel(chosen) == [3, 1]
    assert chosen.channels == ("r", "u")
    assert chosen.value_range == (0, 10)
    assert Choose("g")(bands([1, 2])).channels == ("g",)


def test_all_bands_in_their_order_are_not_copied():
    batch = bands([1, 2])
    assert Choose(("u", "g"))(batch) is batch


def test_an_unknown_band_is_answered_with_those_that_are_there():
    batch = ImageBatch(np.zeros((1, 2, 2, 2)), ["a"], ("ps1_g", "ps1_r"))
    with pytest.raises(
        ValueError, match=r"^bands: there is no 'ps1r' \(did you mean 'ps1_r'\?\); there are ps1_g, ps1_r"
    ):
        Choose(("ps1r",))(batch)


@pytest.mark.parametrize(
    ("values", "expected", "names"),
    [
        ([4], [4, 4, 4], ("u.1", "u.2", "u.3")),
        ([1, 3], [1, 2, 3], ("u", "u+g", "g")),
        ([1, 2, 6, 2, 1], [4 / 3, 4, 4 / 3], ("u+g", "g+r+i", "i+z")),
    ],
)
def test_spread_gives_three_channels_to_any_number_of_bands(values, expected, names):
    combined = Combine()(bands(values))
    assert first_pixel(combined) == pytest.approx(expected, abs=1e-4)
    assert combined.channels == names
    assert combined.value_range == (0, 10)


def test_as_many_channels_as_bands_are_not_touched():
    batch = bands([1, 2, 3])
    assert Combine()(batch) is batch


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("channels", range(1, 7))
def test_spread_uses_every_band_and_keeps_a_grey_object_grey(count, channels):
    for band in range(count):
        assert sum(first_pixel(Combine(channels=channels)(bands(np.eye(count)[band])))) > 0
    assert first_pixel(Combine(channels=channels)(bands([5] * count))) == [5] * channels
    rising = first_pixel(Combine(channels=channels)(bands(np.arange(count))))
    assert rising == sorted(rising)


def test_mean_writes_the_mean_to_each_channel():
    combined = Combine("mean", channels=2)(bands([1, 2, 3, 4, 5]))
    assert first_pixel(combined) == [3, 3]
    assert combined.channels == ("u+...+z.1", "u+...+z.2")


def test_a_band_without_data_leaves_its_share_to_the_others():
    combined = Combine()(bands([1, np.nan]))
    np.testing.assert_array_equal(first_pixel(combined), [1, 1, np.nan])
    assert first_pixel(Combine(matrix=[[2, 1]])(bands([1, np.nan]))) == [3]


def test_a_difference_of_bands_needs_both():
    step = Combine(matrix=((1, -1, 0),))
    combined = step(bands([5, 2, np.nan]))
    assert first_pixel(combined) == [3]
    assert combined.channels == ("u-g",)
    assert combined.value_range is None
    assert np.isnan(first_pixel(step(bands([5, np.nan, 1])))).all()


def test_a_matrix_for_other_bands_is_refused():
    with pytest.raises(ValueError, match=r"^matrix: expected rows of 2 numbers, for \('u', 'g'\), got 3"):
        Combine(matrix=((1, 0, 0),))(bands([1, 2]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choose(()), "bands: expected the names of one or more bands"),
        (lambda: Choose(3), "bands: expected the names of one or more bands"),
        (lambda: Combine("sum"), "recipe: expected one of spread, mean"),
        (lambda: Combine(channels=0), "channels: expected a whole number, at least 1"),
        (lambda: Combine(matrix=((1, 2), (1,))), "matrix: expected rows of numbers, all of one length"),
        (lambda: Combine(matrix=(1, 2)), "matrix: expected rows of numbers"),
        (lambda: Combine(matrix=((0, 0),)), "matrix: expected rows of numbers, all of one length and none all 0"),
    ],
)
def test_a_wrong_parameter_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
