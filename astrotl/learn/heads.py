"""Ready estimators by name, with settings that suit hundreds to ten thousands of labels and a thousand features."""

from __future__ import annotations

from typing import Any

from astrotl._optional import missing_dependency
from astrotl._params import nearest
from astrotl.learn.targets import Target

__all__ = ["HEADS", "make_head"]

#: The names of the heads, and what each one is.
HEADS = {
    "linear": "standardised features, and a logistic or ridge regression",
    "whitened": "the main directions of the features, each as strong, and a logistic or ridge regression",
    "mlp": "the main directions, and a network of one hidden layer",
    "knn": "the ten nearest in the main directions, by the angle; the nearer ones count more",
    "svm": "the main directions, and a support vector machine with a Gaussian kernel",
    "forest": "a random forest",
    "boosting": "the main directions, and boosted trees",
    "bayes": "the main directions, and a Gaussian for each class; for classes only",
}

#: How weakly logistic regression is held back, for vectors of unit length: about the best for features of networks and
#: for profiles, from sixty to seven hundred labels, and too flat an optimum to be worth a search.
_FREEDOM = 3.0
_NEIGHBOURS = 10


def make_head(name: str | Any, target: Target, seed: int = 0) -> Any:
    """Make an estimator of scikit-learn, ready to be fitted to features.

    Scaling and reduction are part of it, so they are fitted to the objects that are learned from and no others. All
    classes count the same, however many members they have; ``mlp`` and ``knn`` alone know no such weights, and favour
    frequent classes.

    Parameters
    ----------
    name : str or estimator
        One of `~astrotl.learn.HEADS`, or an estimator of scikit-learn, of which a copy is made.
    target : `~astrotl.learn.Target`
        What is learned from.
    seed : int, optional
        The same seed makes the same head.

    Returns
    -------
    estimator
        A classifier with ``predict_proba`` for classes, a regressor for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.learn import Target, make_head
    >>> target = Target("kind", np.arange(4), np.array([0, 0, 1, 1]), ("disc", "merger"))
    >>> head = make_head("linear", target)
    >>> head.fit([[1.0, 0], [2, 0], [8, 0], [9, 0]], target.values).predict([[7.0, 0]]).tolist()
    [1]
    """
    try:
        from astrotl.learn import _estimators
    except ModuleNotFoundError as error:
        raise missing_dependency(error, "learning") from error
    from sklearn.pipeline import Pipeline

    if not isinstance(name, str):
        return _own(name, target, seed, _estimators)
    if name not in HEADS:
        raise ValueError(f"head: there is no {name!r}{nearest(name, HEADS)}; there are {', '.join(HEADS)}")
    last = _classifier(name, target, seed, _estimators) if target.classes else _regressor(name, target, seed)
    return Pipeline([*_first_steps(name, bool(target.classes), _estimators), ("head", last)])


def _first_steps(name: str, are_classes: bool, own: Any) -> list[tuple[str, Any]]:
    from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

    if name == "forest":
        return []
    if name == "linear":
        steps = [("scale", StandardScaler())]
    else:
        share = {"whitened": 0.95, "bayes": 0.8}.get(name, 0.9)
        steps = [("directions", own.MainDirections(share))]
    if name in ("knn", "svm"):
        return [*steps, ("angle", Normalizer())]
    if name in ("linear", "whitened") and are_classes:
        return [*steps, ("shorten", FunctionTransformer(own.shortened))]
    return steps


def _classifier(name: str, target: Target, seed: int, own: Any) -> Any:
    from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm

    if name == "mlp":
        return neural_network.MLPClassifier(**_network(seed))
    if name == "knn":
        return neighbors.KNeighborsClassifier(min(_NEIGHBOURS, len(target)), weights="distance")
    if name == "svm":
        return own.Calibrated(svm.SVC(C=1.0, gamma=1.0, class_weight="balanced"), seed)
    if name == "forest":
        return ensemble.RandomForestClassifier(300, class_weight="balanced", random_state=seed, n_jobs=-1)
    if name == "boosting":
        return ensemble.HistGradientBoostingClassifier(class_weight="balanced", **_boosting(seed))
    if name == "bayes":
        # Some width for all: the few members of a class seem nearer to each other than they are.
        count = len(target.classes)
        return naive_bayes.GaussianNB(priors=[1 / count] * count, var_smoothing=0.1)
    return linear_model.LogisticRegression(C=_FREEDOM, class_weight="balanced", max_iter=1000)


def _regressor(name: str, target: Target, seed: int) -> Any:
    import numpy as np
    from sklearn import compose, ensemble, linear_model, neighbors, neural_network, preprocessing, svm

    if name == "bayes":
        raise ValueError("head: bayes tells classes apart; for numbers take linear")
    if name == "knn":
        return neighbors.KNeighborsRegressor(min(_NEIGHBOURS, len(target)), weights="distance")
    if name == "forest":
        return ensemble.RandomForestRegressor(300, random_state=seed, n_jobs=-1, max_features=0.3)
    if name == "boosting":
        return ensemble.HistGradientBoostingRegressor(**_boosting(seed))
    if name in ("linear", "whitened"):
        return linear_model.RidgeCV(np.logspace(0, 5, 21))
    made = svm.SVR(C=1.0, gamma=1.0) if name == "svm" else neural_network.MLPRegressor(**_network(seed))
    # These two expect values around zero with unit spread.
    return compose.TransformedTargetRegressor(made, transformer=preprocessing.StandardScaler())


def _network(seed: int) -> dict[str, Any]:
    # No epoch is an improvement by so much: it ends after a hundred of them, and never complains that it could go on.
    end = {"n_iter_no_change": 100, "tol": 1e9}
    return {"hidden_layer_sizes": (128,), "alpha": 1.0, "random_state": seed, **end}


def _boosting(seed: int) -> dict[str, Any]:
    return {
        "max_iter": 60,
        "max_features": 0.3,
        "min_samples_leaf": 5,
        "l2_regularization": 1.0,
        "early_stopping": False,
        "random_state": seed,
    }


def _own(head: Any, target: Target, seed: int, own: Any) -> Any:
    """Take an estimator of the user's, checked before anything is trained."""
    from sklearn.base import clone, is_classifier, is_regressor

    who = type(head).__name__
    try:
        made = clone(head)
    except TypeError as error:
        raise ValueError(f"head: expected a name or an estimator of scikit-learn, got {who}") from error
    if not (is_classifier if target.classes else is_regressor)(made):
        what = "holds classes" if target.classes else "holds numbers"
        raise ValueError(
            f"head: {who} is no {'classifier' if target.classes else 'regressor'}, but {target.column!r} {what}"
        )
    if not target.classes or hasattr(made, "predict_proba"):
        return made
    if not hasattr(made, "decision_function"):
        raise ValueError(f"head: {who} gives no probabilities; take one with predict_proba or decision_function")
    return own.Calibrated(made, seed)
