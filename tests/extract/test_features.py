"""The verb: every row done once, a rerun does the rest, and a bad image costs its own row alone."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits

from astrotl import Extractor, FeatureStore, ImageBatch, InputSpec, Profiles, extract_features, simulate
from astrotl.errors import (
    AstrotlWarning,
    ContractError,
    ImageError,
    MissingDependencyError,
    StoreError,
    StoreMismatchError,
)
from astrotl.extract import extractor_of, features_like, make_extractor
from astrotl.preprocess import CropCentre, Stretch
from astrotl.sources import ArraySource, FileSource, open_source


@pytest.fixture(scope="module")
def images():
    return simulate.stamps(50, size=32, seed=3)[0].data


class Sums(Extractor):
    """One number an image, which shows what reached the extractor."""

    dim = 2
    input = InputSpec(channels=3)

    def _extract(self, images):
        return images.reshape(len(images), -1)[:, :2]


def test_every_row_is_done(images, tmp_path):
    store = extract_features(ArraySource(images), "profiles", tmp_path / "f.h5", block=16)
    assert len(store.missing()) == 0
    assert store.shape == (50, 28)
    steps = [*Profiles().default_steps()]
    batch = ImageBatch(images, np.arange(50), ("g", "r", "i"))
    np.testing.assert_allclose(store.features(), Profiles().extract(steps[0](batch)), rtol=1e-5)


def test_own_steps_replace_those_of_the_extractor(images, tmp_path):
    store = extract_features(ArraySource(images), Profiles(), tmp_path / "f.h5", steps=[CropCentre(16), Stretch()])
    assert [step["step"] for step in store.provenance["steps"]] == ["crop-centre", "stretch", "combine"]


def test_size_and_channels_are_seen_to(images, tmp_path):
    store = extract_features(ArraySource(images[:, :1]), Profiles(), tmp_path / "f.h5")
    assert np.isfinite(store.features()).all()


def test_a_rerun_does_only_what_is_missing(images, tmp_path):
    class Counted(ArraySource):
        read_rows = 0

        def read(self):
            Counted.read_rows += len(self)
            return super().read()

        def _take(self, rows):
            part = super()._take(rows)
            part.__class__ = Counted
            return part

    whole = extract_features(ArraySource(images), "profiles", tmp_path / "whole.h5", block=8)
    store = FeatureStore.open_or_create(tmp_path / "f.h5", whole.ids, 28, whole.provenance, block=8)
    store.write(np.arange(8, 40), whole.features(slice(8, 40)))
    again = extract_features(Counted(images), "profiles", tmp_path / "f.h5", block=8)
    assert Counted.read_rows == 18
    np.testing.assert_array_equal(again.features(), whole.features())
    extract_features(Counted(images), "profiles", tmp_path / "f.h5")
    assert Counted.read_rows == 18


def test_progress_counts_images_from_where_it_starts(images, tmp_path):
    seen = []

    class Bar:
        def __init__(self, **settings):
            seen.append(settings)

        def update(self, count):
            seen.append(count)

        def close(self):
            seen.append("closed")

    extract_features(ArraySource(images), "profiles", tmp_path / "f.h5", block=32, workers=1, progress=Bar)
    assert seen == [{"total": 50, "initial": 0, "unit": "img"}, 32, 18, "closed"]


def test_other_settings_are_refused_and_overwrite_starts_anew(images, tmp_path):
    first = extract_features(ArraySource(images), "profiles", tmp_path / "f.h5")
    with pytest.raises(StoreMismatchError, match=r"extractor\.parameters\.rings = 6, not 4.*--overwrite"):
        extract_features(ArraySource(images), Profiles(rings=4), tmp_path / "f.h5")
    second = extract_features(ArraySource(images), Profiles(rings=4), tmp_path / "f.h5", overwrite=True)
    assert second.uuid != first.uuid


def test_overwrite_spares_what_is_not_a_store(images, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError):
        extract_features(ArraySource(images), "profiles", tmp_path / "thesis.tex", overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_damaged_store_is_overwritten(images, tmp_path):
    store = extract_features(ArraySource(images), "profiles", tmp_path / "f.h5")
    os.truncate(store.path, 3000)
    with pytest.raises(StoreError, match=r"f\.h5: is damaged .*; extract it again with --overwrite$"):
        extract_features(ArraySource(images), "profiles", tmp_path / "f.h5")
    again = extract_features(ArraySource(images), "profiles", tmp_path / "f.h5", overwrite=True)
    assert len(again.done()) == 50
    with pytest.raises(StoreError, match="is another store than when it was opened"):
        store.features()


def _write_stamps(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        fits.writeto(folder / f"{number:04}.fits", image)


def test_one_bad_stamp_among_a_thousand_costs_its_row_alone(tmp_path):
    rng = np.random.default_rng(1)
    _write_stamps(tmp_path / "stamps", rng.normal(size=(1000, 3, 8, 8)).astype("f4"))
    bad = tmp_path / "stamps" / "0123.fits"
    bad.write_bytes(bad.read_bytes()[:3000])
    with pytest.warns(AstrotlWarning, match=r"1 of 1,000 objects have no features.*0123\.fits: is truncated"):
        store = extract_features(open_source(tmp_path / "stamps"), "profiles", tmp_path / "f.h5")
    assert store.failed()["id"].tolist() == ["0123"]
    assert len(store.done()) == 999
    assert np.isfinite(store.features(store.done())).all()


def test_a_mended_file_is_done_by_the_next_call(images, tmp_path):
    _write_stamps(tmp_path / "stamps", images)
    bad = tmp_path / "stamps" / "0007.fits"
    content = bad.read_bytes()
    bad.write_text("oops")
    with pytest.warns(AstrotlWarning, match="1 of 50"):
        extract_features(open_source(tmp_path / "stamps"), "profiles", tmp_path / "f.h5")
    bad.write_bytes(content)
    store = extract_features(open_source(tmp_path / "stamps"), "profiles", tmp_path / "f.h5")
    assert len(store.missing()) == 0
    assert len(store.failed()) == 0


def test_images_without_data_are_said(images, tmp_path):
    images = images.copy()
    images[3] = np.nan
    with pytest.warns(AstrotlWarning, match="every pixel is NaN"):
        store = extract_features(ArraySource(images), "profiles", tmp_path / "f.h5")
    assert store.failed()["row"].tolist() == [3]


def test_no_readable_image_at_all_is_an_error(images, tmp_path):
    with pytest.raises(ImageError, match=r"none of the 50 images could be read; the first, 0: has no data"):
        extract_features(ArraySource(np.full_like(images, np.nan)), "profiles", tmp_path / "f.h5")


def test_an_error_says_which_rows_were_being_done(images, tmp_path):
    class Broken(Sums):
        def _extract(self, images):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck") as caught:
        extract_features(ArraySource(images), Broken(), tmp_path / "f.h5", block=16, workers=1)
    assert caught.value.__notes__ == [f"while extracting rows 0:16 (ids 0 to 15) of {tmp_path / 'f.h5'} by Broken"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.zeros((10, 3)), r"promised features of shape \(10, 2\), but gave \(10, 3\)"),
        (np.full((10, 2), np.nan), "promised finite features"),
        (np.full((10, 2), 1e300), "promised finite features"),
        (np.full((10, 2), "a"), "promised numbers"),
    ],
)
def test_an_extractor_that_breaks_its_promise_is_named(images, tmp_path, answer, said):
    class Liar(Sums):
        def _extract(self, images):
            return answer

    with pytest.raises(ContractError, match=f"Liar {said}"):
        extract_features(ArraySource(images[:10]), Liar(), tmp_path / "f.h5")


def test_unstretched_images_are_refused_with_advice(images, tmp_path):
    class Picky(Sums):
        input = InputSpec(channels=3, value_range=(0, 1))

    with pytest.raises(ValueError, match=r"Picky expects values from 0 to 1, got .*; add a stretch"):
        extract_features(ArraySource(images), Picky(), tmp_path / "f.h5", steps=[])


def test_new_images_follow_the_store(images, tmp_path):
    source = ArraySource(images, channels=("g", "r", "i"))
    store = extract_features(source, Profiles(rings=5), tmp_path / "f.h5", steps=[CropCentre(24)])
    assert extractor_of(store).rings == 5
    np.testing.assert_allclose(features_like(store, source[10:13]), store.features(slice(10, 13)), rtol=1e-5)
    with pytest.raises(ValueError, match=r"has 1 bands \(image\), but .* was made from 3 \(g, r, i\)"):
        features_like(store, ArraySource(images[:, 0]))


@dataclass(frozen=True)
class Mirror:
    """A step of one's own."""

    def __call__(self, batch):
        return batch.with_data(batch.data[..., ::-1])


def test_own_steps_and_extractors_serve_but_are_not_imported_on_a_files_word(images, tmp_path):
    source = ArraySource(images)
    store = extract_features(source, Sums(), tmp_path / "f.h5", steps=[Mirror()])
    with pytest.raises(ValueError, match="is not a step of astrotl"):
        features_like(store, source)
    store = extract_features(source, Sums(), tmp_path / "g.h5", steps=[])
    with pytest.raises(StoreMismatchError, match="is brought by no installed plugin"):
        features_like(store, source)


def test_a_step_without_a_signature_is_refused(images, tmp_path):
    with pytest.raises(ValueError, match="steps:"):
        extract_features(ArraySource(images), "profiles", tmp_path / "f.h5", steps=[lambda batch: batch])
    assert not (tmp_path / "f.h5").exists()


def test_an_extractor_travels_as_a_recipe_and_is_made_once(images):
    pickled = pickle.dumps(Profiles(bands=3))
    assert len(pickled) < 300
    assert pickle.loads(pickled) is pickle.loads(pickled)


def test_parameters_of_an_extractor_are_checked_by_name():
    with pytest.raises(ValueError, match=r"ring: profiles has no such parameter \(did you mean 'rings'\?\)"):
        make_extractor("profiles", {"ring": 4})


def test_ids_of_a_block_are_read_only_once(images, tmp_path):
    """Rows far apart are read and written in their own places."""
    store = extract_features(ArraySource(images), "profiles", tmp_path / "f.h5", block=1)
    rows = [30, 2, 49]
    np.testing.assert_array_equal(store.features(rows), store.features()[rows])


_SCRIPT = """
import sys
import numpy as np
from astrotl import extract_features
from astrotl.sources import StackSource
import time

class Slow(StackSource):
    def read(self):
        time.sleep(0.01)
        return super().read()

source = StackSource(sys.argv[1])
source.__class__ = Slow
Slow._take = lambda self, rows: _slow(StackSource._take(self, rows))
def _slow(part):
    part.__class__ = Slow
    return part
extract_features(source, "profiles", sys.argv[2], block=4)
"""


def _count_done(path):
    return len(FeatureStore(path).done()) if path.exists() else 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_any_moment_the_same_call_does_the_rest(images, tmp_path):
    np.save(tmp_path / "stack.npy", np.tile(images, (4, 1, 1, 1)))
    whole = extract_features(open_source(tmp_path / "stack.npy"), "profiles", tmp_path / "whole.h5", block=4)
    path = tmp_path / "killed.h5"
    command = [sys.executable, "-c", _SCRIPT, tmp_path / "stack.npy", path]
    counts = [0]
    for target in np.sort(np.random.default_rng(5).integers(1, 120, size=8)):
        with subprocess.Popen(command) as child:
            until = time.monotonic() + 60
            while _count_done(path) < target and time.monotonic() < until:
                time.sleep(0.001)
            child.kill()
        assert child.returncode == -signal.SIGKILL
        store = FeatureStore(path)
        done = store.done()
        counts.append(len(done))
        np.testing.assert_array_equal(store.features(done), whole.features(done))
    assert counts == sorted(counts)
    assert 1 <= counts[1] <= counts[-1] < 200
    store = extract_features(open_source(tmp_path / "stack.npy"), "profiles", path)
    assert store.features().tobytes() == whole.features().tobytes()


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """Nineteen thousand more images, of 175 MB, may cost a little for their ids and nothing for their pixels."""
    pytest.importorskip("resource")
    peaks = []
    for count in (1_000, 20_000):
        path = tmp_path / f"{count}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype="f4", shape=(count, 1, 48, 48)).flush()
        script = (
            "import sys, resource; from astrotl import extract_features, Profiles, open_source;"
            "extract_features(open_source(sys.argv[1]), Profiles(bands=1), sys.argv[2], steps=[]);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, path, f"{path}.h5"],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ,
        )
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 40


def test_a_missing_package_is_said_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("astrotl.neural")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependencyError, match=r'needs the package (torch|timm).*pip install "astrotl\[torch\]"'):
        make_extractor("efficientnet-lite0")


def test_files_without_ids_of_their_own_are_named_by_their_stems(images, tmp_path):
    _write_stamps(tmp_path / "stamps", images[:3])
    store = extract_features(FileSource(sorted((tmp_path / "stamps").iterdir())), "profiles", tmp_path / "f.h5")
    assert store.ids.tolist() == ["0000", "0001", "0002"]


def test_a_new_version_of_an_extractor_does_not_go_on_with_an_old_store(images, tmp_path):
    class Newer(Sums):
        version = 2

    Newer.__qualname__ = Sums.__qualname__
    extract_features(ArraySource(images), Sums(), tmp_path / "f.h5")
    with pytest.raises(StoreMismatchError, match=r"extractor\.version = 1, not 2"):
        extract_features(ArraySource(images), Newer(), tmp_path / "f.h5")
