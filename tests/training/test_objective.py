"""The head that training begins with, and what makes its answers honest."""

import numpy as np
import pytest
import torch

from astrotl.learn import Target
from astrotl.measures import accuracy
from astrotl.training.objective import Objective, best_temperature, fit_head


def target(values, classes=("a", "b", "c")):
    return Target("kind", np.arange(len(values)), values, classes)


@pytest.fixture
def blobs():
    """Three kinds in ten dimensions, the third of them rare."""
    rng = np.random.default_rng(0)
    values = rng.choice(3, 400, p=[0.5, 0.4, 0.1])
    return (rng.normal(size=(3, 10))[values] * 1.5 + rng.normal(size=(400, 10))).astype(np.float32) * 50 + 7, values


def test_the_head_is_as_good_as_a_logistic_regression(blobs):
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, values = blobs
    objective = Objective.of(target(values[:200]))
    head, checked = fit_head(features[:200], values[:200], features[200:300], values[200:300], objective)
    theirs = linear_model.LogisticRegression(class_weight="balanced", max_iter=1000).fit(features[:200], values[:200])
    with torch.inference_mode():
        said = head(torch.from_numpy(features[300:])).argmax(1).numpy()
    assert accuracy(values[300:], said) >= theirs.score(features[300:], values[300:]) - 0.03
    assert checked.shape == (100, 3)


def test_a_folded_head_says_the_same(blobs):
    features, values = blobs
    for known, classes in ((values, ("a", "b", "c")), (features[:, 0], ())):
        objective = Objective.of(target(known, classes))
        head, _ = fit_head(features, known, features[:50], known[:50], objective)
        weight, bias = head.folded(objective)
        with torch.inference_mode():
            outputs = head(torch.from_numpy(features)).numpy()
        scale, offset = (1, 0) if objective.classes else (objective.spread, objective.middle)
        np.testing.assert_allclose(features @ weight.T + bias, outputs * scale + offset, rtol=1e-3, atol=1e-2)


def test_numbers_are_learned_in_their_own_unit():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    values = 1e4 + 300 * features[:, 0] + rng.normal(0, 10, 300)
    objective = Objective.of(target(values[:200], ()))
    head, _ = fit_head(features[:200], values[:200], features[200:], values[200:], objective)
    weight, bias = head.folded(objective)
    assert np.std((features @ weight.T + bias)[200:, 0] - values[200:]) < 12
    assert "scatter" in objective.judge(features @ weight.T + bias, values)


def test_every_class_has_the_same_say():
    objective = Objective.of(target(np.repeat([0, 1, 2], [80, 15, 5])))
    np.testing.assert_allclose(objective.weights * [80, 15, 5], 100 / 3)


def test_a_feature_that_never_changes_does_no_harm():
    features = np.ones((40, 3), dtype=np.float32)
    values = np.tile([0, 1], 20)
    features[:, 0] = values
    objective = Objective.of(target(values, ("a", "b")))
    head, _ = fit_head(features, values, features, values, objective)
    with torch.inference_mode():
        assert accuracy(values, head(torch.from_numpy(features)).argmax(1).numpy()) == 1


def test_the_temperature_makes_probabilities_honest():
    rng = np.random.default_rng(2)
    outputs = rng.normal(0, 2, (4000, 3))
    chance = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    values = np.array([rng.choice(3, p=each) for each in chance])
    assert best_temperature(outputs, values) == pytest.approx(1, abs=0.1)
    assert best_temperature(3 * outputs, values) == pytest.approx(3, abs=0.3)
