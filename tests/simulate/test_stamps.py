"""Stamps in memory: repeatable, independent of each other, with truth."""

from __future__ import annotations

import numpy as np
import pytest

from astrotl import simulate
from astrotl.images import ImageBatch


def test_a_seed_gives_the_same_stamps_and_another_seed_others():
    first, truth = simulate.stamps(6, seed=2)
    again, same = simulate.stamps(6, seed=2)
    other, _ = simulate.stamps(6, seed=3)
    np.testing.assert_array_equal(first.data, again.data)
    assert truth["kind"].tolist() == same["kind"].tolist()
    assert not np.array_equal(first.data, other.data)


def test_an_object_does_not_depend_on_how_many_there_are():
    few, truth_of_few = simulate.stamps(3, seed=4)
    many, truth_of_many = simulate.stamps(9, seed=4)
    np.testing.assert_array_equal(few.data, many.data[:3])
    assert few.ids.tolist() == many.ids[:3].tolist() == ["SIM0001", "SIM0002", "SIM0003"]
    assert truth_of_few["mag_r"].tolist() == truth_of_many["mag_r"][:3].tolist()


def test_stamps_are_a_batch_with_its_truth():
    batch, truth = simulate.stamps(5, bands=("r", "z"), size=48)
    assert isinstance(batch, ImageBatch)
    assert batch.data.shape == (5, 2, 48, 48)
    assert batch.channels == ("r", "z")
    assert truth["id"].tolist() == batch.ids.tolist()
    assert {"mag_r", "mag_z"} <= set(truth.colnames)
    assert all(column.info.description for column in truth.itercols())


def test_kinds_in_turn_one_kind_or_shares():
    assert simulate.stamps(3, kinds="lens", size=16)[1]["kind"].tolist() == ["lens"] * 3
    assert simulate.stamps(3, kinds=["agn", "spiral"], size=16)[1]["kind"].tolist() == ["agn", "spiral", "agn"]
    drawn = simulate.stamps(200, kinds={"agn": 3, "spiral": 1}, size=16, bands=("r",))[1]["kind"].tolist()
    assert 120 < drawn.count("agn") < 180
    assert drawn.count("agn") + drawn.count("spiral") == 200


def test_without_noise_the_stamp_is_the_galaxy():
    batch, truth = simulate.stamps(4, kinds="elliptical", size=96, noise=0)
    seen = 27 - 2.5 * np.log10(batch.data[:, 1].sum(axis=(1, 2)))
    assert seen == pytest.approx(truth["mag_r"].tolist(), abs=0.01)


def test_most_objects_stand_out_clearly():
    clean, _ = simulate.stamps(60, noise=0, kinds=("spiral", "elliptical"))
    noisy, _ = simulate.stamps(60, kinds=("spiral", "elliptical"))
    # The r band has a noise of about 1.7 counts; the best aperture is a matched filter.
    significance = np.sqrt((clean.data[:, 1] ** 2).sum(axis=(1, 2))) / (noisy.data - clean.data)[:, 1].std()
    assert np.median(significance) > 30
    assert significance.min() > 5


def test_damage_is_seen():
    batch, truth = simulate.stamps(60, kinds="damaged", noise=0, seed=1)
    dead = np.isnan(batch.data).any(axis=(1, 2, 3))
    brightest = np.nanmax(batch.data, axis=(2, 3))
    damages = np.array(truth["damage"].tolist())
    assert set(truth["kind"].tolist()) == {"damaged"}
    assert set(damages) == {"trail", "columns", "block", "bleed"}
    assert set(damages[dead]) == {"columns", "block"}
    assert dead[np.isin(damages, ("columns", "block"))].all()
    assert (brightest[damages == "bleed"] > 4000).all()
    assert (brightest[damages != "bleed"] < 4000).all()


def test_a_trail_crosses_one_band():
    batch, truth = simulate.stamps(40, kinds="damaged", noise=0, seed=1)
    for image in batch.data[truth["damage"] == "trail"]:
        # Far from the galaxy there is no other light.
        y, x = np.indices((64, 64)) - 31.5
        far = image[:, np.hypot(y, x) > 24]
        assert (far.max(axis=1) > 5).sum() == 1


def test_undamaged_stamps_have_no_missing_pixels():
    batch, truth = simulate.stamps(20, kinds=("spiral", "elliptical", "agn", "lens"))
    assert np.isfinite(batch.data).all()
    assert set(truth["damage"].tolist()) == {"none"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n: expected one stamp or more"),
        ({"kinds": "merger"}, "kinds: 'merger' is not known; choose from spiral, elliptical, agn, lens, damaged"),
        ({"kinds": []}, "kinds: expected one or more"),
        ({"kinds": {"agn": -1}}, "kinds: the share of 'agn' must be zero or more"),
        ({"kinds": {"agn": 0}}, "kinds: expected at least one share above zero"),
        ({"seed": -1}, "seed: expected an integer"),
        ({"seed": 0.5}, "seed: expected an integer"),
        ({"noise": -1}, "noise: expected zero or more"),
        ({"size": 8}, "size: expected"),
        ({"bands": ("w",)}, "bands: 'w' is not known"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    keywords = {"n": 2, **wrong}
    with pytest.raises(ValueError, match=f"^{message}"):
        simulate.stamps(keywords.pop("n"), **keywords)
