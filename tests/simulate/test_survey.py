"""A survey on disk, as a user finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from astrotl import simulate
from astrotl.simulate.camera import SKY

BANDS = ("g", "r", "i")
OBJECTS = 100


@pytest.fixture(scope="module")
def sky(tmp_path_factory) -> tuple[Path, Table]:
    folder = tmp_path_factory.mktemp("survey")
    return folder, simulate.survey(folder, objects=OBJECTS, seed=1)


def read(folder: Path, field: int, band: str) -> tuple[np.ndarray, fits.Header]:
    with fits.open(folder / f"field{field}-{band}.fits") as opened:
        return opened[0].data.astype(float), opened[0].header


def cutouts(folder: Path, truth: Table, band: str, half: int = 12):
    """Give each object's surroundings in every field that has them whole, and where in them it should be."""
    for field in (0, 1):
        image, header = read(folder, field, band)
        image -= SKY[band]
        pixels = WCS(header).wcs_world2pix(np.c_[truth["ra"], truth["dec"]], 0)
        for row, (x, y) in enumerate(pixels):
            left, low = round(x) - half, round(y) - half
            inside = left >= 0 and low >= 0 and left + 2 * half < image.shape[1] and low + 2 * half < image.shape[0]
            if inside:
                yield row, image[low : low + 2 * half + 1, left : left + 2 * half + 1], (y - low, x - left)


def test_the_same_seed_writes_the_same_bytes(sky, tmp_path):
    folder, _ = sky
    simulate.survey(tmp_path, objects=OBJECTS, seed=1)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["catalogue.ecsv", *(f"field{field}-{band}.fits" for field in (0, 1) for band in ("g", "i", "r"))]
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_another_seed_is_another_sky(sky, tmp_path):
    folder, truth = sky
    other = simulate.survey(tmp_path, objects=OBJECTS, seed=2)
    assert not np.any(other["ra"] == truth["ra"])
    assert not np.array_equal(read(folder, 0, "g")[0], read(tmp_path, 0, "g")[0])


def test_the_catalogue_on_disk_is_the_returned_one(sky):
    folder, truth = sky
    read_back = Table.read(folder / "catalogue.ecsv")
    assert read_back.colnames == truth.colnames
    assert read_back["id"].tolist() == truth["id"].tolist()
    assert read_back["ra"].tolist() == truth["ra"].tolist()
    assert read_back["damage"].tolist() == truth["damage"].tolist()
    assert str(read_back["ra"].unit) == "deg"
    assert str(read_back["mag_g"].unit) == "mag"
    assert read_back["log_mass"].info.description
    assert read_back.meta["seed"] == 1


def test_every_kind_has_its_share(sky):
    kinds = sky[1]["kind"].tolist()
    assert {kind: kinds.count(kind) for kind in simulate.KINDS} == {
        kind: round(share * OBJECTS) for kind, share in simulate.KINDS.items()
    }


@pytest.mark.parametrize("band", BANDS)
def test_the_light_is_where_the_catalogue_says(sky, band):
    folder, truth = sky
    seen = set()
    for row, image, (y, x) in cutouts(folder, truth, band, half=6):
        if truth["kind"][row] not in ("elliptical", "agn") or truth["mag_r"][row] > 18.5:
            continue
        weights = np.maximum(image, 0)
        rows, columns = np.indices(image.shape)
        assert (weights * rows).sum() / weights.sum() == pytest.approx(y, abs=0.5)
        assert (weights * columns).sum() / weights.sum() == pytest.approx(x, abs=0.5)
        seen.add(row)
    assert len(seen) > 5


def test_the_lens_itself_is_at_the_position_not_its_arcs(sky):
    folder, truth = sky
    for row, image, (y, x) in cutouts(folder, truth, "i", half=3):
        if truth["kind"][row] == "lens":
            core = np.unravel_index(image.argmax(), image.shape)
            assert np.hypot(core[0] - y, core[1] - x) < 1.5


@pytest.mark.parametrize("band", BANDS)
def test_the_counts_match_the_magnitudes(sky, band):
    folder, truth = sky
    differences = []
    for row, image, _ in cutouts(folder, truth, band, half=28):
        # A damaged neighbour may reach in, and so may a star.
        if truth["kind"][row] in ("spiral", "elliptical") and truth["mag_r"][row] < 18.5 and np.isfinite(image).all():
            differences.append(27 - 2.5 * np.log10(image.sum()) - truth[f"mag_{band}"][row])
    assert len(differences) > 10
    assert np.median(differences) == pytest.approx(0, abs=0.06)


def test_the_bands_are_shifted_by_pixels_and_a_fraction(sky):
    folder, _ = sky
    reference = [read(folder, field, band)[1] for field in (0, 1) for band in BANDS]
    for green, red, infrared in (reference[:3], reference[3:]):
        for other in (red, infrared):
            shift = np.array([green["CRPIX1"] - other["CRPIX1"], green["CRPIX2"] - other["CRPIX2"]])
            assert 0.1 < np.abs(shift).max() <= 7
            assert np.abs(shift - np.rint(shift)).max() > 0.01


def test_every_object_lies_whole_in_a_field(sky):
    folder, truth = sky
    for band in BANDS:
        rows = [row for row, _, _ in cutouts(folder, truth, band, half=47)]
        assert set(rows) == set(range(OBJECTS))
    # The fields overlap: some objects are there twice.
    assert len([row for row, _, _ in cutouts(folder, truth, "g")]) > OBJECTS


def test_the_sky_is_left_in(sky):
    folder, _ = sky
    for band, level in (("g", 60), ("r", 100), ("i", 140)):
        image, header = read(folder, 1, band)
        assert np.nanmedian(image) == pytest.approx(level, abs=1)
        assert header["FILTER"] == band
        assert header["MAGZERO"] == 27.0


def test_damage_is_only_where_the_catalogue_says(sky):
    folder, truth = sky
    for row, image, _ in cutouts(folder, truth, "r", half=20):
        damage = truth["damage"][row]
        if damage in ("columns", "block"):
            assert np.isnan(image).any()
        if damage in ("none", "trail"):
            assert np.isfinite(image).all()
        if damage == "bleed":
            assert image.max() > 4000


def test_kinds_can_be_chosen(tmp_path):
    truth = simulate.survey(tmp_path, objects=9, fields=1, bands=("r",), kinds={"lens": 1, "agn": 2})
    assert sorted(truth["kind"].tolist()) == ["agn"] * 6 + ["lens"] * 3


def test_an_earlier_survey_is_not_overwritten_unasked(tmp_path):
    simulate.survey(tmp_path, objects=2, fields=1, bands=("r",))
    with pytest.raises(FileExistsError, match=r"catalogue\.ecsv exists"):
        simulate.survey(tmp_path, objects=2, fields=1, bands=("r",))
    simulate.survey(tmp_path, objects=3, fields=1, bands=("r",), overwrite=True)
    assert len(Table.read(tmp_path / "catalogue.ecsv")) == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objects": 0}, "objects: expected one or more"),
        ({"objects": 4, "fields": 3}, "fields: expected 1 to 2 for 4 objects"),
        ({"bands": ("g", "K")}, "bands: 'K' is not known"),
        ({"kinds": {"star": 1}}, "kinds: 'star' is not known"),
        ({"seed": "one"}, "seed: expected an integer"),
        ({"centre": (10.0, 90.0)}, "centre: expected a declination"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_written(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        simulate.survey(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()
