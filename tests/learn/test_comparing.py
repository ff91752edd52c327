"""A comparison tests all combinations on the same objects, keeps what is done, and leaves out what cannot be had."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from sklearn.linear_model import LogisticRegression

from astrotl import Concat, Extractor, InputSpec, Profiles, open_source, simulate
from astrotl.errors import AstrotlWarning, PluginError, StoreMismatchError, WeightsError
from astrotl.learn import compare, part, probe, read_target, scores, summary
from astrotl.preprocess import Asinh, CropCentre, Percentile
from astrotl.sources import ArraySource
from astrotl.store import FeatureStore
from astrotl.tables import read_table, write_table

MEASURES = ["accuracy", "precision", "recall", "f1", "auc", "average_precision", "calibration_error", "brier"]


@pytest.fixture(scope="module")
def galaxies():
    batch, truth = simulate.stamps(90, kinds=("spiral", "elliptical", "lens"), size=32, seed=5)
    return ArraySource(batch.data, ids=batch.ids, channels=batch.channels), truth


class Unavailable(Extractor):
    input = InputSpec()

    @property
    def dim(self):
        raise WeightsError("its weights are not here; fetch them")


class Mean(Extractor):
    """The mean of each band, and a memory of how often it was asked."""

    dim = 3
    input = InputSpec(value_range=(0, 1))
    seen: list = []  # noqa: RUF012

    def _extract(self, images):
        self.seen.append((len(images), float(images.max())))
        return images.mean(axis=(2, 3))


def test_every_combination_is_run_with_every_seed(galaxies, tmp_path):
    extractors = ["profiles", "concat:parts=[profiles,profiles@0.5]"]
    variants = {"whole": (), "close": (CropCentre(fraction=0.5),)}
    options = {"variants": variants, "heads": ["linear", "knn"], "fractions": [0.5, 1.0], "seeds": 2}
    runs = compare(*galaxies, "kind", tmp_path / "all", extractors=extractors, **options)
    assert len(runs) == 2 * 2 * 2 * 2 * 2
    assert runs.colnames == [
        *("extractor", "variant", "head", "fraction", "seed", "learned", "tested"), *MEASURES, "seconds",
        *("test", "store", "labels"),
    ]  # fmt: skip
    assert set(runs["tested"]) == {24}
    assert runs["learned"][runs["fraction"] == 1].tolist() == [66] * 16
    assert runs["learned"][runs["fraction"] == 0.5].tolist() == [33] * 16
    assert np.isfinite([runs[name] for name in MEASURES]).all()
    kept = sorted(os.listdir(tmp_path / "all"))
    assert [name.endswith(".h5") for name in kept] == [True] * 4 + [False]
    assert {"profiles-whole.h5", "profiles-close.h5", "runs.ecsv"} <= set(kept)
    assert FeatureStore(tmp_path / "all" / "profiles-close.h5").provenance["steps"][0]["step"] == "crop-centre"


def test_a_run_is_a_probe(galaxies, tmp_path):
    source, truth = galaxies
    runs = compare(source, truth, "kind", tmp_path, extractors=["profiles"], fractions=[0.5], seeds=2)
    found = scores(
        probe(FeatureStore(tmp_path / "profiles-default.h5"), truth, "kind", fraction=0.5, seed=1), samples=0
    )
    for row in found[found["class"] == ""]:
        assert runs[row["measure"].replace(" ", "_")][1] == pytest.approx(row["value"], rel=1e-6), row["measure"]


def test_nothing_is_done_twice(galaxies, tmp_path):
    options = {"extractors": {"mean": Mean()}, "fractions": [1.0], "seeds": 2}
    Mean.seen.clear()
    first = compare(*galaxies, "kind", tmp_path, **options)
    extracted = len(Mean.seen)
    again = compare(*galaxies, "kind", tmp_path, **options)
    assert len(Mean.seen) == extracted
    assert again["seconds"].tolist() == first["seconds"].tolist()
    more = compare(*galaxies, "kind", tmp_path, **options | {"seeds": 3, "heads": ["knn", "linear"]})
    assert len(more) == 6
    assert set(first["seconds"]) <= set(more["seconds"])
    assert len(compare(*galaxies, "kind", tmp_path, **options)) == 2
    assert len(read_table(tmp_path / "runs.ecsv")) == 6


def test_runs_with_other_labels_are_never_mixed(galaxies, tmp_path):
    source, truth = galaxies
    options = {"extractors": ["profiles"], "fractions": [1.0], "seeds": 2}
    first = compare(source, truth, "kind", tmp_path, **options)
    changed = truth.copy()
    changed["kind"][:2] = changed["kind"][:2][::-1]
    other = compare(source, changed, "kind", tmp_path, **options)
    assert set(first["seconds"]).isdisjoint(other["seconds"])
    assert len(read_table(tmp_path / "runs.ecsv")) == 2
    shares = compare(source, changed, "kind", tmp_path, **options, test=0.5)
    assert set(shares["tested"]) == {45}
    assert compare(source, changed, "kind", tmp_path, **options)["seconds"].tolist() == other["seconds"].tolist()
    numbers = compare(source, truth, "mag_r", tmp_path, **options)
    assert {"scatter", "bias", "explained"} <= set(numbers.colnames)
    assert "f1" not in read_table(tmp_path / "runs.ecsv").colnames
    # Nothing is lost: with the first labels, their runs are there again.
    assert compare(source, truth, "kind", tmp_path, **options)["seconds"].tolist() == first["seconds"].tolist()


def test_heads_that_differ_far_behind_are_two(galaxies, tmp_path):
    from sklearn.ensemble import VotingClassifier

    heads = [
        VotingClassifier([(f"m{n}", LogisticRegression(C=1 + n + (n == 29) * last)) for n in range(30)], voting="soft")
        for last in (0, 1)
    ]
    options = {"extractors": ["profiles"], "fractions": [1.0, 1], "seeds": 1}
    assert len(compare(*galaxies, "kind", tmp_path, heads=heads, **options)) == 2
    with pytest.raises(ValueError, match="heads: one stands twice"):
        compare(*galaxies, "kind", tmp_path, heads=["linear", "linear"], **options)


def test_the_test_objects_are_those_of_the_split(galaxies, tmp_path):
    """An extractor that gives away the row shows which rows a head of one's own was tested on."""
    source, truth = galaxies
    asked = []

    class Spy(LogisticRegression):
        def predict_proba(self, features):
            asked.append(len(features))
            return super().predict_proba(features)

    compare(
        source,
        truth,
        "kind",
        tmp_path,
        extractors=["profiles"],
        heads=[Spy(max_iter=5000)],
        fractions=[0.5, 1.0],
        seeds=1,
    )
    assert asked == [len(part(read_target(truth, source, "kind"), 0.25, 0)[1])] * 2


def test_images_are_stretched_once_whatever_the_variant(galaxies, tmp_path):
    Mean.seen.clear()
    compare(
        *galaxies, "kind", tmp_path, extractors={"mean": Mean()}, fractions=[1.0], seeds=1,
        variants={"default": (), "close": [CropCentre(fraction=0.5)], "asinh": [Percentile(1, 99), Asinh(0.05)]},
    )  # fmt: skip
    steps = {
        name: [step["step"] for step in FeatureStore(tmp_path / f"mean-{name}.h5").provenance["steps"]]
        for name in ("default", "close", "asinh")
    }
    assert steps["close"] == ["crop-centre", *steps["default"]]
    assert steps["asinh"][:3] == ["percentile", "asinh", "stretch"]
    assert all(brightest <= 1 for _, brightest in Mean.seen)
    # What is stretched already is left alone by the extractor's own stretch.
    source = galaxies[0]
    stretched = Asinh(0.05)(Percentile(1, 99)(source.read()))
    np.testing.assert_allclose(
        FeatureStore(tmp_path / "mean-asinh.h5").features(), stretched.data.mean(axis=(2, 3)), rtol=1e-4
    )


def test_an_extractor_without_its_weights_is_left_out(galaxies, tmp_path):
    made = {"here": Profiles(), "gone": Unavailable()}
    with pytest.warns(
        AstrotlWarning, match=r"1 of the 2 extractors are left out \(gone: its weights are not here; fetch them\)"
    ):
        runs = compare(*galaxies, "kind", tmp_path, extractors=made, fractions=[1.0], seeds=1)
    assert runs["extractor"].tolist() == ["here"]
    with pytest.raises(WeightsError, match="its weights are not here"):
        compare(*galaxies, "kind", tmp_path / "none", extractors={"gone": Unavailable()})
    assert not (tmp_path / "none").exists()


def test_objects_that_cannot_be_read_are_left_out_of_all(galaxies, tmp_path):
    _, truth = galaxies
    folder = tmp_path / "stamps"
    folder.mkdir()
    batch, _ = simulate.stamps(90, kinds=("spiral", "elliptical", "lens"), size=32, seed=5)
    for name, image in zip(batch.ids, batch.data, strict=True):
        fits.writeto(folder / f"{name}.fits", image)
    (folder / f"{batch.ids[4]}.fits").write_bytes(b"not an image")
    made = {"one": Profiles(), "two": Profiles(rings=3)}
    source = open_source(folder)
    with pytest.warns(AstrotlWarning) as said:
        runs = compare(source, truth, "kind", tmp_path / "out", extractors=made, fractions=[1.0], seeds=1)
    assert "1 of the 90 labelled objects have no features and are left out" in [str(one.message) for one in said]
    assert set(runs["learned"] + runs["tested"]) == {89}


def test_numbers_are_compared_by_their_scatter(galaxies, tmp_path):
    runs = compare(
        *galaxies,
        "mag_r",
        tmp_path,
        extractors=["profiles"],
        heads=["linear", "knn", "forest"],
        fractions=[0.5, 1.0],
        seeds=2,
    )
    found = summary(runs)
    assert found["fraction"].tolist() == [1.0] * 3 + [0.5] * 3
    assert (np.diff(found["scatter"][:3]) >= 0).all()
    assert found["best"].tolist() == [True, False, False] * 2


def test_the_summary_is_the_mean_over_the_seeds(galaxies, tmp_path):
    runs = compare(*galaxies, "kind", tmp_path, extractors=["profiles"], heads=["linear", "bayes"], fractions=[1.0])
    found = summary(runs)
    assert len(found) == 2
    for row in found:
        own = runs[runs["head"] == row["head"]]
        assert row["runs"] == 3
        assert row["f1"] == pytest.approx(own["f1"].mean())
        assert (row["f1_low"], row["f1_high"]) == (own["f1"].min(), own["f1"].max())
    assert found["f1"][0] >= found["f1"][1]
    write_table(found, tmp_path / "summary.ecsv")
    assert read_table(tmp_path / "summary.ecsv")["best"].tolist() == [True, False]
    with pytest.raises(ValueError, match="runs: expected the table that compare gave"):
        summary(Table({"a": [1]}))


@pytest.mark.parametrize(("leading", "best"), [("f1", "b"), ("scatter", "a")])
def test_what_has_no_measure_comes_last(leading, best):
    runs = Table({"extractor": ["n", "a", "b"], "variant": ["v"] * 3, "head": ["h"] * 3, "fraction": [1.0] * 3})
    runs["learned"], runs["tested"], runs[leading], runs["seconds"] = 9, 3, [np.nan, 0.2, 0.7], 1.0
    found = summary(runs)
    assert found["extractor"][0] == best
    assert found["extractor"][2] == "n"


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"seeds": 0}, ValueError, "seeds: must be 1 or more, got 0"),
        ({"heads": ["linear", "deep"]}, ValueError, "head: there is no 'deep'"),
        ({"heads": []}, ValueError, "heads: there is none"),
        ({"heads": "linear"}, ValueError, "heads: expected a list of names or estimators, got 'linear'"),
        ({"extractors": []}, ValueError, "extractors: there is none"),
        ({"extractors": "profiles"}, ValueError, "extractors: expected a list of names, got 'profiles'"),
        ({"extractors": ["profile"]}, PluginError, "profile.*did you mean 'profiles'"),
        ({"extractors": ["profiles:rigs=3"]}, ValueError, "rigs: profiles has no such parameter"),
        ({"variants": {}}, ValueError, "variants: there is none"),
        ({"fractions": [0.5, 2]}, ValueError, "fraction: must be above 0 and at most 1, got 2"),
        ({"test": 1}, ValueError, "test: must lie between 0 and 1, got 1"),
        ({"classes": ["spiral", "ring"]}, ValueError, "classes: no object is 'ring'"),
    ],
)
def test_mistakes_are_found_before_any_work(galaxies, tmp_path, asked, error, said):
    with pytest.raises(error, match=said):
        compare(*galaxies, "kind", tmp_path / "none", **{"extractors": ["profiles"]} | asked)
    assert not (tmp_path / "none").exists()


def test_a_folder_of_other_images_is_refused(galaxies, tmp_path):
    source, truth = galaxies
    options = {"extractors": ["profiles"], "fractions": [1.0], "seeds": 1}
    compare(source, truth, "kind", tmp_path, **options)
    with pytest.raises(StoreMismatchError, match="or compare in another folder than"):
        compare(source[:60], truth[:60], "kind", tmp_path, **options)
    Table({"a": [1]}).write(tmp_path / "runs.ecsv", overwrite=True)
    with pytest.raises(ValueError, match="is no table of runs; compare in another folder"):
        compare(source, truth, "kind", tmp_path, **options)


KILLED = """
import sys
from astrotl import simulate
from astrotl.learn import compare
from astrotl.sources import ArraySource
batch, truth = simulate.stamps(90, kinds=("spiral", "elliptical", "lens"), size=32, seed=5)
source = ArraySource(batch.data, ids=batch.ids, channels=batch.channels)
options = {"extractors": ["profiles"], "heads": ["forest"], "fractions": [0.5, 1.0], "seeds": 4}
runs = compare(source, truth, "kind", sys.argv[1], **options)
print(len(runs))
"""


def test_after_a_kill_it_does_what_is_missing(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out")]
    process = subprocess.Popen(command)
    path = tmp_path / "out" / "runs.ecsv"
    end = time.monotonic() + 60
    while not path.exists() or len(read_table(path)) < 3:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = read_table(path)
    assert 3 <= len(before) < 8
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8"]
    after = read_table(path)
    assert len(after) == 8
    assert after["seconds"][: len(before)].tolist() == before["seconds"].tolist()
    assert sorted(os.listdir(tmp_path / "out")) == ["profiles-default.h5", "runs.ecsv"]


def test_progress_counts_images_and_runs(galaxies, tmp_path):
    bars = []

    class Bar:
        def __init__(self, total, initial, unit):
            self.total, self.count, self.unit, self.closed = total, initial, unit, False
            bars.append(self)

        def update(self, by):
            self.count += by

        def close(self):
            self.closed = True

    for _ in range(2):
        compare(*galaxies, "kind", tmp_path, extractors=["profiles"], fractions=[1.0], seeds=2, progress=Bar)
    assert [(bar.unit, bar.total, bar.count, bar.closed) for bar in bars] == [
        ("img", 90, 90, True), ("run", 2, 2, True)
    ] * 2  # fmt: skip


def test_two_views_are_an_extractor_too(galaxies, tmp_path):
    made = {"both": Concat(["profiles", "profiles@0.5"])}
    assert len(compare(*galaxies, "kind", tmp_path, extractors=made, fractions=[1.0], seeds=1)) == 1
