"""The places on the map: measured once, kept beside the store, and never those of another one."""

import shutil
import time

import numpy as np
import pytest

from astrotl import FeatureStore
from astrotl.explore import mapping
from astrotl.explore.mapping import Places, main_directions
from astrotl.learn import project


def test_the_places_are_those_of_astrotl_map(copied):
    places = Places(copied.store).pca()
    table = project(copied.store)
    np.testing.assert_allclose(places, np.column_stack([table["x"], table["y"]]), atol=1e-4)


def test_objects_without_features_have_no_place(tmp_path):
    store = FeatureStore.open_or_create(tmp_path / "part.h5", list("abcdefg"), 4, {})
    assert np.isnan(main_directions(store)).all()
    store.write(range(5), np.random.default_rng(0).normal(size=(5, 4)))
    assert np.isfinite(main_directions(store)).all(axis=1).tolist() == [True] * 5 + [False] * 2


@pytest.mark.parametrize("count", [1, 2])
def test_few_objects_are_enough(tmp_path, count):
    store = FeatureStore.open_or_create(tmp_path / "few.h5", list("ab")[:count], 4, {})
    store.write(range(count), np.random.default_rng(0).normal(size=(count, 4)))
    assert np.isfinite(main_directions(store)).all()


@pytest.mark.parametrize("dim", [1, 2])
def test_few_features_are_enough(tmp_path, dim):
    store = FeatureStore.open_or_create(tmp_path / "few.h5", list("abcde"), dim, {})
    store.write(range(5), np.random.default_rng(0).normal(size=(5, dim)))
    assert np.isfinite(main_directions(store)).all()


def test_they_are_kept_and_not_measured_again(copied, monkeypatch):
    first = Places(copied.store).pca()
    monkeypatch.setattr(mapping, "main_directions", lambda store: pytest.fail("measured again"))
    np.testing.assert_array_equal(Places(FeatureStore(copied.store.path)).pca(), first)


def test_those_of_another_store_or_of_fewer_objects_do_not_count(copied, tmp_path):
    Places(copied.store).pca()
    other = FeatureStore.open_or_create(tmp_path / "other.h5", copied.store.ids, 3, {})
    other.write(range(100), np.random.default_rng(0).normal(size=(100, 3)))
    shutil.copy(mapping.default_path(copied.store), mapping.default_path(other))
    assert np.isfinite(Places(other).pca()).all(axis=1).sum() == 100
    other.write(range(100, 240), np.random.default_rng(1).normal(size=(140, 3)))
    assert np.isfinite(Places(other).pca()).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x04."])
def test_a_damaged_file_is_made_again(copied, content):
    with open(mapping.default_path(copied.store), "wb") as file:
        file.write(content)
    assert np.isfinite(Places(copied.store).pca()).all()
    assert Places(copied.store)._kept


def test_a_folder_that_cannot_be_written_does_no_harm(copied, monkeypatch):
    def fail(*_given, **_more):
        raise PermissionError("read-only")

    monkeypatch.setattr(np, "savez", fail)
    assert np.isfinite(Places(copied.store).pca()).all()


@pytest.fixture
def quick_umap(tmp_path, monkeypatch):
    """A stand-in for umap-learn, which takes half a minute to start; its maps are tested where they are made."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "umap.py").write_text(
        "class UMAP:\n"
        "    def __init__(self, **settings): pass\n"
        "    def fit_transform(self, points): return points[:, :2] * 2\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(folder)


@pytest.mark.usefixtures("quick_umap")
def test_umap_comes_when_it_is_ready_and_is_kept(copied):
    places = Places(copied.store)
    assert places.umap() is None
    until = time.monotonic() + 60
    while (found := places.umap()) is None and time.monotonic() < until:
        time.sleep(0.1)
    np.testing.assert_allclose(found, 2 * places.pca(), atol=1e-3)
    assert set(np.load(mapping.default_path(copied.store)).files) >= {"umap", "uuid"}
    assert Places(copied.store).umap() is not None


def test_umap_that_fails_is_said(copied, tmp_path, monkeypatch):
    (tmp_path / "umap.py").write_text("raise RuntimeError('broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    places = Places(copied.store)
    with pytest.raises(ValueError, match="map: UMAP failed"):  # noqa: PT012
        while places.umap() is None:
            time.sleep(0.1)


@pytest.mark.usefixtures("quick_umap")
def test_umap_can_be_stopped(copied):
    places = Places(copied.store)
    places.umap()
    process = places._working
    places.stop()
    assert process.poll() is not None
