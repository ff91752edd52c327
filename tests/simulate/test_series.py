"""Series of one galaxy on many dates: repeatable, alike but for what the truth says."""

import numpy as np
import pytest

from astrotl import simulate


def test_a_seed_gives_the_same_series_and_another_seed_others():
    first, truth = simulate.epochs(2, 6, seed=2)
    again, same = simulate.epochs(2, 6, seed=2)
    np.testing.assert_array_equal(first.data, again.data)
    assert truth["damage"].tolist() == same["damage"].tolist()
    assert not np.array_equal(first.data, simulate.epochs(2, 6, seed=3)[0].data)


def test_an_object_does_not_depend_on_how_many_there_are():
    few, many = simulate.epochs(1, 5, seed=4)[0], simulate.epochs(3, 5, seed=4)[0]
    np.testing.assert_array_equal(few.data, many.data[:5])


def test_good_dates_differ_by_little_and_each_damage_shows():
    batch, truth = simulate.epochs(30, 10, seed=5, damaged=0.5, noise=0.01)
    images = dict(zip(truth["id"].tolist(), np.nan_to_num(batch.data[:, 0]), strict=True))
    change = {kind: [] for kind in np.unique(truth["damage"]).tolist()}
    for name in np.unique(truth["object"]):
        rows = truth[truth["object"] == name]
        good = np.median([images[row["id"]] for row in rows if row["damage"] == "none"], axis=0)
        for row in rows:
            change[row["damage"]].append(np.abs(images[row["id"]] - good).sum() / np.abs(good).sum())
    assert set(change) == {"none", "trail", "ghost", "seeing", "shifted", "columns"}
    usual = np.median(change["none"])
    assert usual < 0.15
    for kind in ("trail", "ghost", "seeing", "shifted"):
        assert np.median(change[kind]) > 2 * usual
    assert np.isnan(batch.data[truth["damage"] == "columns"]).any(axis=(1, 2, 3)).all()
    assert np.isfinite(batch.data[truth["damage"] != "columns"]).all()


def test_a_bad_night_is_bad_for_all():
    _, truth = simulate.epochs(5, 12, seed=6, bad_nights=2, damaged=0)
    bad = np.unique(truth["epoch"][truth["damage"] == "seeing"])
    assert len(bad) == 2
    assert (truth["damage"][np.isin(truth["epoch"], bad)] == "seeing").all()
    assert truth["seeing"][np.isin(truth["epoch"], bad)].min() > 1.5 * truth["seeing"][truth["damage"] == "none"].max()


def test_what_it_knows_of_an_epoch():
    batch, truth = simulate.epochs(2, 3, seed=1, bands=("g", "i"), size=32)
    assert batch.data.shape == (6, 2, 32, 32)
    assert batch.ids.tolist() == truth["id"].tolist()
    assert truth["id"][4] == f"{truth['object'][4]}/{truth['epoch'][4]}"
    deeper = simulate.epochs(2, 3, seed=1, bands=("g", "i"), size=32, noise=0.5)[1]
    assert np.allclose(deeper["snr"], 2 * truth["snr"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objects": 0}, "objects: expected one or more"),
        ({"dates": 0}, "dates: expected one or more"),
        ({"damaged": 1.5}, "damaged: expected a share from 0 to 1"),
        ({"bad_nights": 4}, "bad_nights: expected 0 to 3"),
        ({"size": 4}, "size: expected 16 to 512"),
        ({"bands": ("q",)}, "bands: 'q' is not known"),
    ],
)
def test_what_cannot_be_is_said(settings, said):
    with pytest.raises(ValueError, match=said):
        simulate.epochs(**{"objects": 2, "dates": 3, **settings})
