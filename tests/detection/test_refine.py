"""One box of each source is kept, and those on the host galaxy."""

import sys

import numpy as np
import pytest

from astrotl.detection import merge, on_host, suppress
from astrotl.detection.table import corners, make_boxes, overlaps
from astrotl.errors import AstrotlWarning, MissingDependencyError
from astrotl.sources import ArrayField


def crowd(seed=1, number=200):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 120, (2, number))
    label = rng.choice(["clump", "odd"], number)
    return make_boxes(rng.choice(["a", "b"], number), x, y, 10, 12, label, rng.permutation(number) / number)


def test_no_two_of_what_stays_overlap_and_each_that_went_overlaps_a_better_one():
    found = crowd()
    stay = suppress(found, 0.2)
    assert 0 < len(stay) < len(found)
    for image in "ab":
        of_it, of_all = (boxes[np.array(boxes["image"]) == image] for boxes in (stay, found))
        shared = overlaps(corners(of_it), corners(of_it))
        assert np.all(shared[~np.eye(len(of_it), dtype=bool)] < 0.2)
        gone = of_all[~np.isin(of_all["score"], of_it["score"])]
        better = np.array(of_it["score"])[None] > np.array(gone["score"])[:, None]
        assert ((overlaps(corners(gone), corners(of_it)) >= 0.2) & better).any(axis=1).all()


def test_boxes_of_other_classes_stay_if_asked():
    found = make_boxes("a", 10, 10, 8, 8, ["clump", "odd"], score=[0.9, 0.8])
    assert suppress(found)["class"].tolist() == ["clump"]
    assert suppress(found, classes=True)["class"].tolist() == ["clump", "odd"]


def test_what_was_suppressed_suppresses_nothing():
    found = make_boxes("a", [10, 14, 18], 10, 8, 8, "clump", score=[0.9, 0.8, 0.7])
    assert suppress(found, 0.3)["x"].tolist() == [10, 18]
    assert merge(found, 5)["x"].tolist() == [10, 18]


def test_columns_and_equal_scores_are_kept_as_they_are():
    found = make_boxes(["a", "b", "a"], 10, 10, 8, 8, "clump", score=0.5)
    found["ra"] = [1.0, 2.0, 3.0]
    assert merge(found, 2)["ra"].tolist() == [1.0, 2.0]


def test_nothing_found_is_nothing_left():
    found = crowd()[:0]
    assert len(suppress(found)) == len(merge(found, 3)) == len(on_host(found, [])) == 0


def host_and_neighbour(seed=0, *, level=60):
    y, x = np.mgrid[:140, :140]
    host = level * np.exp(-np.hypot((x - 70) / 1.5, y - 66) / 8)
    neighbour = 200 * np.exp(-((x - 15) ** 2 + (y - 120) ** 2) / 20)
    rng = np.random.default_rng(seed)
    return np.stack([host + neighbour + rng.normal(scale=scale, size=x.shape) for scale in (1, 3)])


def test_only_what_lies_on_the_galaxy_in_the_centre_is_kept():
    found = make_boxes("a", [70, 85, 15, 130, -20], [66, 70, 120, 10, 70], 8, 8, "clump", score=0.9)
    assert on_host(found, [ArrayField(host_and_neighbour(), "a")])["x"].tolist() == [70, 85]


def test_no_data_is_no_galaxy():
    data = host_and_neighbour()
    data[:, :, 84:] = np.nan
    found = make_boxes("a", [70, 86], 66, 8, 8, "clump", score=0.9)
    assert on_host(found, [ArrayField(data, "a")])["x"].tolist() == [70]


def test_images_without_a_galaxy_are_said_and_their_boxes_kept():
    found = make_boxes(["empty", "dark", "lost"], 10, 10, 8, 8, "clump", score=0.9)
    fields = [
        ArrayField(np.random.default_rng(2).normal(size=(90, 90)), "empty"),
        ArrayField(np.full((90, 90), np.nan), "dark"),
    ]
    with pytest.warns(AstrotlWarning, match="2 images show nothing in their centre, and 1 are not among the fields"):
        assert len(on_host(found, fields)) == 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: suppress(crowd(), 0), "overlap: must be more than 0"),
        (lambda: merge(crowd(), -1), "radius: must be more than 0 pixels"),
        (lambda: on_host(crowd()["x", "y"], []), "found: has no column 'image'"),
    ],
)
def test_what_is_wrong_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_without_photutils_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "photutils.segmentation", None)
    with pytest.raises(MissingDependencyError, match="finding the host galaxy needs the package photutils"):
        on_host(crowd(), [])
