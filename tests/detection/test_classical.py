"""The classical detector finds what stands out of the sky, once and where it is."""

import json
import sys

import numpy as np
import pytest
from scipy import ndimage

from astrotl import ImageBatch
from astrotl.detection import Classical, Detector, best_threshold, completeness_curve, on_host, read_boxes
from astrotl.detection._deblending import deblend
from astrotl.detection._significance import noise_of_sums
from astrotl.detection.table import make_boxes
from astrotl.errors import AstrotlWarning, MissingDependencyError
from astrotl.sources import open_fields


def gaussians(x, y, peak, *, size=160, width=1.8):
    rows, columns = np.mgrid[:size, :size]
    lights = (
        p * np.exp(-((columns - a) ** 2 + (rows - b) ** 2) / 2 / width**2) for a, b, p in zip(x, y, peak, strict=True)
    )
    return sum(lights, np.zeros((size, size)))


def look(detector, *bands, value_range=None, names="gri"):
    return detector.look(ImageBatch(np.array(bands)[None], ["a"], tuple(names[: len(bands)]), value_range))[0]


def noise(seed, size=160):
    return np.random.default_rng(seed).normal(size=(size, size))


def table(found):
    return make_boxes(["a"] * len(found), found.x, found.y, found.width, found.height, "object", found.score)


def on_a_grid(end=150):
    x, y = (values.ravel() for values in np.meshgrid(*[np.arange(20, end, 20)] * 2))
    return x, y


def test_stars_are_found_where_they_are_and_little_else():
    x, y = on_a_grid(end=500)
    sky = 100 + np.linspace(0, 20, 512)
    found = table(look(Classical(), gaussians(x, y, np.full(len(x), 12.0), size=512) + sky + noise(1, 512)))
    curve = completeness_curve(found, make_boxes("a", x, y, 8, 8, "object"), radius=2.5, thresholds=[0.5])
    assert curve["completeness"][0] > 0.98
    assert curve["purity"][0] > 0.95


def test_bands_together_find_what_none_finds_alone():
    x, y = on_a_grid()
    true = make_boxes("a", x, y, 8, 8, "object")
    bands = [gaussians(x, y, np.full(len(x), 1.0)) + noise(seed) for seed in range(3)]

    def completeness(*some):
        found = table(look(Classical(), *some))
        return completeness_curve(found, true, radius=3, thresholds=[0])["completeness"][0]

    assert completeness(*bands) > completeness(bands[0]) + 0.2


@pytest.mark.parametrize(("known", "least", "most"), [(5, 4.5, 5.5), (12, 9, 12)])
def test_the_score_is_a_half_where_the_signal_is_five_times_its_noise(known, least, most):
    x, y = (values.ravel() for values in np.meshgrid(*[np.arange(20, 590, 40)] * 2))
    # What weighs each pixel by the star's own light has this signal over its noise, and nothing has more.
    peak = known / np.sqrt(np.pi * 1.5**2)
    image = gaussians(x, y, np.full(len(x), peak), size=600, width=1.5) + noise(2, 600)
    found = look(Classical(), image)
    stars = found.score[[np.argmin(np.hypot(found.x - a, found.y - b)) for a, b in zip(x, y, strict=True)]]
    assert least < np.median(5 * stars / (1 - stars)) < most


@pytest.mark.parametrize(("smooth", "structure"), [(0, None), (1.5, None), (1, 3)])
def test_the_noise_of_a_sum_is_that_of_what_was_smoothed(smooth, structure):
    segments = np.zeros((40, 40), dtype=int)
    segments[5:8, 5:8], segments[15:30, 10:32] = 1, 2
    sums = []
    for seed in range(400):
        image = ndimage.gaussian_filter(noise(seed, 40), smooth, mode="wrap")
        image -= 0 if structure is None else ndimage.gaussian_filter(image, structure, mode="wrap")
        sums.append([*ndimage.sum_labels(image, segments, [1, 2]), image[35, 35]])
    scatter = np.std(sums, axis=0)
    expected = noise_of_sums(segments, smooth, structure)
    np.testing.assert_allclose(scatter[:2] / scatter[2], expected, rtol=0.12)


def test_the_score_rises_with_the_brightness():
    x = [20, 50, 80, 110, 140]
    found = look(Classical(), gaussians(x, [80] * 5, [6, 12, 25, 50, 1000]) + noise(3))
    near = [np.argmin(np.hypot(found.x - one, found.y - 80)) for one in x]
    assert np.all(np.diff(found.score[near]) > 0)
    assert np.all((found.score > 0) & (found.score < 1))


def test_two_that_touch_are_two_unless_they_are_to_stay_together():
    image = gaussians([76, 84], [80, 80], [60, 40], width=2.5) + noise(4)
    parted = look(Classical(box=8), image).x
    assert [np.sum(np.abs(parted - x) < 2) for x in (76, 84)] == [1, 1]
    together = look(Classical(deblend=None), image)
    near = np.abs(together.x - 80) < 8
    assert near.sum() == 1
    assert together.width[near] > together.height[near]


def test_a_bright_star_is_not_torn_apart():
    star = gaussians([80], [80], [20000], width=6)
    counted = np.random.default_rng(5).poisson(star + 100).astype(float)
    found = look(Classical(), counted)
    assert np.sum(np.hypot(found.x - 80, found.y - 80) < 25) == 1


def test_clumps_are_found_in_a_galaxy_once_its_smooth_light_is_taken_off():
    galaxy = gaussians([80], [80], [150], width=25)
    x, y = [60, 80, 100, 84], [80, 60, 90, 104]
    image = galaxy + gaussians(x, y, [15] * 4) + noise(6)
    found = look(Classical(structure=6, box=10), image)
    assert all(np.hypot(found.x - a, found.y - b).min() < 1.6 for a, b in zip(x, y, strict=True))
    assert np.all(found.width == 10)


def test_no_data_is_never_a_source_and_boxes_keep_their_place():
    image = gaussians([100], [90], [30]) + 50 + noise(7)
    image[:40], image[:, :60], image[85:95, 110:] = np.nan, np.nan, np.nan
    found = look(Classical(), image)
    best = np.argmax(found.score)
    assert np.hypot(found.x[best] - 100, found.y[best] - 90) < 1.5
    assert np.all(found.x > 59)
    assert len(look(Classical(), np.full((160, 160), np.nan))) == 0


def test_one_band_without_data_leaves_the_others():
    star = gaussians([100], [90], [30])
    found = look(Classical(), star + noise(8), np.full_like(star, np.nan))
    assert np.hypot(found.x - 100, found.y - 90).min() < 1.5


@pytest.mark.parametrize("detector", [Classical(), Classical(structure=8)])
def test_an_image_of_one_value_or_a_cut_off_sky_shows_no_noise(detector):
    assert len(look(detector, np.full((160, 160), 7.0))) == 0
    picture = np.clip(gaussians([80], [80], [200]) - 3, 0, 255).round()
    found = look(detector, picture, value_range=(0, 255))
    assert np.sum(np.hypot(found.x - 80, found.y - 80) < 3) == 1
    assert len(found) == 1 or detector.structure


def test_only_the_bands_asked_for_are_searched():
    star = gaussians([80], [80], [50])
    found = look(Classical(bands=("g",)), star + noise(1), noise(2))
    assert np.hypot(found.x - 80, found.y - 80).min() < 2
    found = look(Classical(bands=("r",)), star + noise(1), noise(2))
    assert np.min(np.hypot(found.x - 80, found.y - 80), initial=99) > 3
    with pytest.raises(ValueError, match="bands: there is no 'u'"):
        look(Classical(bands=("u",)), star)


def test_it_is_a_detector_whose_signature_is_json():
    detector = Classical(label="clump", bands=("g",))
    assert isinstance(detector, Detector)
    assert detector.classes == ("clump",)
    assert json.loads(json.dumps(detector.signature()))["parameters"]["bands"] == ["g"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sigma": 0}, {"sigma": "high"}, {"sigma": np.inf}, {"sigma": None}, {"sigma": True}, {"pixels": 0},
        {"pixels": 5.5}, {"smooth": -1}, {"smooth": np.nan}, {"smooth": None}, {"structure": 0}, {"deblend": "no"},
        {"box": -3}, {"box": np.nan}, {"overlap": 2000}, {"overlap": 1.5}, {"overlap": -1}, {"background": 0},
        {"background": 64.0}, {"tile": 0}, {"tile": "1024"}, {"tile": np.inf}, {"bands": ()}, {"bands": (1,)},
        {"bands": 3}, {"label": ""}, {"label": None},
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        Classical(**wrong)


def test_without_photutils_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "photutils.segmentation", None)
    with pytest.raises(MissingDependencyError, match="the classical detector needs the package photutils"):
        look(Classical(structure=5), noise(1))


def test_deblending_leaves_no_pixel_out_and_joins_low_peaks():
    image = gaussians([40, 60, 61, 110], [80, 80, 90, 80], [10, 10, 1, 5], width=6)
    segments = (image > 0.5).astype(int)
    parted = deblend(image, segments, prominence=1.0)
    np.testing.assert_array_equal(parted > 0, segments > 0)
    assert sorted(np.unique(parted)) == [0, 1, 2, 3]
    assert len(np.unique(deblend(image, segments, prominence=20.0)[segments > 0])) == 2
    assert deblend(np.ones((5, 5)), np.ones((5, 5), int), 0.0).max() == 1


def test_real_clumps(shared_data):
    fields = open_fields(shared_data / "clumps")[:24]
    with pytest.warns(AstrotlWarning, match="of images that are not given"):
        true = read_boxes(shared_data / "clumps.json", fields)
    detector = Classical(bands=("blue",), structure=12, smooth=3, deblend=0.3, box=10, label="clump")
    found = []
    for field in fields:
        height, width = field.shape
        batch = ImageBatch(field.read(0, 0, width, height)[None], [field.id], field.channels, field.value_range)
        found += [(field.id, one) for one in detector.look(batch)]
    boxes = make_boxes(
        np.repeat([name for name, _ in found], [len(one) for _, one in found]),
        *(np.concatenate([getattr(one, key) for _, one in found]) for key in ("x", "y", "width", "height")),
        "clump",
        np.concatenate([one.score for _, one in found]),
    )
    boxes = on_host(boxes, fields)
    best = best_threshold(boxes, true, radius=5)
    curve = completeness_curve(boxes, true, radius=5, thresholds=[best])
    assert curve["completeness"][0] > 0.35
    assert curve["purity"][0] > 0.35
