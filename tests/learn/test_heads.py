"""Every head learns what can be learned, from few labels and many, and none is swamped by a frequent class."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from astrotl.learn import HEADS, Target, make_head, part, read_target
from astrotl.learn._estimators import Calibrated, MainDirections
from astrotl.measures import explained, macro_f1

from .conftest import made


@pytest.fixture(scope="module")
def kinds(sky):
    store, labels = sky
    return store.features(), read_target(labels, store, "kind")


@pytest.fixture(scope="module")
def masses(sky):
    store, labels = sky
    return store.features(), read_target(labels, store, "mass")


@pytest.mark.parametrize("name", HEADS)
def test_classes_are_learned(kinds, name):
    features, target = kinds
    learn, test = part(target, 0.5)
    head = make_head(name, target.select(learn)).fit(features[learn], target.values[learn])
    chances = head.predict_proba(features[test])
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-4)
    assert macro_f1(target.values[test], chances.argmax(axis=1)) > 0.75


@pytest.mark.parametrize("name", [name for name in HEADS if name != "bayes"])
def test_numbers_are_learned(masses, name):
    features, target = masses
    learn, test = part(target, 0.5)
    head = make_head(name, target.select(learn)).fit(features[learn], target.values[learn])
    assert explained(target.values[test], head.predict(features[test])) > (0.3 if name in ("knn", "svm") else 0.6)


@pytest.mark.parametrize("name", HEADS)
def test_two_of_a_kind_are_enough_and_one_of_another(kinds, name):
    features, target = kinds
    few = np.concatenate(
        [np.flatnonzero(target.values == 0)[:2], *(np.flatnonzero(target.values == n)[:1] for n in (1, 2))]
    )
    head = make_head(name, target.select(few)).fit(features[few], target.values[few])
    assert head.predict_proba(features).shape == (len(features), 3)
    assert np.isfinite(head.predict_proba(features)).all()


@pytest.mark.parametrize("name", HEADS)
def test_a_seed_makes_the_same_head(kinds, name):
    features, target = kinds
    some = np.arange(100)
    one, other = (
        make_head(name, target.select(some), 3).fit(features[some], target.values[some]).predict_proba(features[100:])
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", sorted(set(HEADS) - {"mlp", "knn"}))
def test_a_rare_class_is_not_swamped(name):
    """Of two classes that overlap, one twenty times as frequent, both are found about as completely."""
    rng = np.random.default_rng(1)
    values = np.repeat([0, 1], [1000, 50])
    features = rng.normal(0, 1, (1050, 4)).astype(np.float32)
    features[values == 1, 0] += 2.5
    target = Target("kind", np.arange(1050), values, ("galaxy", "lens"))
    learn, test = part(target, 0.5)
    said = make_head(name, target.select(learn)).fit(features[learn], values[learn]).predict(features[test])
    rare = values[test] == 1
    assert (said[rare] == 1).mean() > (0.3 if name in ("forest", "boosting") else 0.6)


def test_nothing_is_known_of_the_test_objects():
    """Scaling and reduction belong to the head: what it says does not change with what else is in the store."""
    features, labels = made(60)
    target = Target("kind", np.arange(60), np.unique(labels["kind"], return_inverse=True)[1], ("a", "b", "c"))
    for name in HEADS:
        head = make_head(name, target)
        assert isinstance(head, Pipeline)
        head.fit(features, target.values)
        alone = head.predict_proba(features[:1])
        np.testing.assert_allclose(
            head.predict_proba(np.concatenate([features[:1], 1e3 * features]))[:1], alone, atol=1e-5
        )


def test_more_features_than_objects_and_fewer():
    for count, width in ((30, 200), (200, 5), (1, 3)):
        features = made(count, width=max(width, 4))[0][:, :width]
        turned = MainDirections().fit(features).transform(features)
        assert np.isfinite(turned).all()
        if count > 2:
            assert (
                turned.shape[1] == min(count - 1, width - (width > 3), 32) if width < 100 else turned.shape[1] <= count
            )
            np.testing.assert_allclose(np.cov(turned.T), np.eye(turned.shape[1]), atol=0.05)


def test_small_features_are_not_lost_beside_large_ones():
    rng = np.random.default_rng(0)
    features = rng.normal(0, [1000, 1, 0.1], (100, 3))
    assert MainDirections(0.95).fit(features).transform(features).shape == (100, 3)


def test_an_estimator_of_ones_own_is_copied(kinds):
    features, target = kinds
    own = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    head = make_head(own, target)
    head.fit(features, target.values)
    assert head is not own
    assert not hasattr(own[-1], "coef_")
    assert make_head(ExtraTreesClassifier(5), target).n_estimators == 5


@pytest.mark.parametrize("own", [LinearSVC(), RidgeClassifier()])
def test_margins_become_probabilities(kinds, own):
    features, target = kinds
    learn, test = part(target, 0.5)
    head = make_head(own, target.select(learn)).fit(features[learn], target.values[learn])
    chances = head.predict_proba(features[test])
    right = chances.argmax(axis=1) == target.values[test]
    assert abs(chances.max(axis=1).mean() - right.mean()) < 0.1
    np.testing.assert_array_equal(head.predict(features[test]), head.classes_[chances.argmax(axis=1)])
    assert isinstance(clone(head), Calibrated)


class Fits:
    """Not an estimator."""

    def fit(self, features, values):
        return self


@pytest.mark.parametrize(
    ("head", "column", "said"),
    [
        ("lineer", "kind", r"head: there is no 'lineer' \(did you mean 'linear'\?\); there are linear, whitened"),
        ("bayes", "mass", "head: bayes tells classes apart; for numbers take linear"),
        (Ridge(), "kind", "head: Ridge is no classifier, but 'kind' holds classes"),
        (LogisticRegression(), "mass", "head: LogisticRegression is no regressor, but 'mass' holds numbers"),
        (Fits(), "kind", "head: expected a name or an estimator of scikit-learn, got Fits"),
        (7, "kind", "head: expected a name or an estimator of scikit-learn, got int"),
    ],
)
def test_what_is_no_head_is_refused(sky, head, column, said):
    store, labels = sky
    with pytest.raises(ValueError, match=said):
        make_head(head, read_target(labels, store, column))


def test_scikit_learn_is_loaded_with_the_first_head():
    lines = ("import sys, astrotl.learn", "assert 'sklearn' not in sys.modules")
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_without_scikit_learn_it_says_what_to_install():
    lines = (
        "import sys; sys.modules['sklearn'] = None",
        "import numpy as np",
        "from astrotl.learn import Target, make_head",
        "make_head('linear', Target('kind', np.arange(2), np.arange(2), ('a', 'b')))",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert "MissingDependencyError: learning needs the package scikit-learn" in done.stderr
    assert 'pip install "astrotl[learn]"' in done.stderr
