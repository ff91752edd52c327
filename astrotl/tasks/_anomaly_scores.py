"""How strange each object is, by its distance to others, as a number of standard deviations."""

from __future__ import annotations

import numpy as np

from astrotl.index import Index
from astrotl.store import FeatureStore
from astrotl.tasks._anomaly_others import Reader, nearest_others, reader_of, sample_of
from astrotl.tasks._views import views_of

#: The usual ones are this part of all, found in so many rounds: then strange ones that resemble each other cannot
#: vouch for each other.
_USUAL, _ROUNDS = 0.7, 3
#: At first, more strange ones than this that resemble each other still pass for usual.
_CROWD = 20
#: The main directions in which each view is whitened, and those kept as they are for labels to steer by.
_WHITENED, _STEERED = 8, 32
_REFERENCES, _SAMPLE, _FLOOR = 5000, 20_000, 1e-3


def chosen_views(store: FeatureStore, wanted: tuple[str, ...]) -> list[slice]:
    """Find the views by their names in the extractor, or by their numbers from 1; all of them if none is named."""
    slices = views_of(store)
    if not wanted:
        return slices
    parts = store.provenance.get("extractor", {}).get("parameters", {}).get("parts", [])
    names = [part if isinstance(part, str) else "" for part in parts] or [""] * len(slices)
    chosen = []
    for name in wanted:
        number = int(name) - 1 if name.isdecimal() else names.index(name) if name and name in names else -1
        if not 0 <= number < len(slices):
            known = ", ".join(name or str(number) for number, name in enumerate(names, start=1))
            raise ValueError(f"views: {store.path} has no {name!r}; it has {known}")
        chosen.append(slices[number])
    return chosen


def in_sigmas(distances: np.ndarray) -> np.ndarray:
    """Say how many standard deviations the logarithm of each distance lies above the median, robustly."""
    logs = np.log(np.maximum(distances.astype(np.float64), 1e-12))
    away = logs - np.median(logs)
    spread = 1.4826 * np.median(np.abs(away)) or float(away.std())
    return away / spread if spread > 1e-9 else np.zeros(len(away))


def outlier_factor(found: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Compare how densely an object is surrounded with how densely its neighbours are (Breunig et al. 2000)."""
    known = found >= 0
    own = farthest(distances)
    reach = np.where(known, np.maximum(distances, own[found]), 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    density = 1 / np.maximum(reach, 1e-12)
    around = np.where(known, density[found], 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(around / density)


def farthest(distances: np.ndarray) -> np.ndarray:
    """Take the last distance that is known, for an object may have fewer neighbours; 0 where it has none."""
    return np.where(np.isfinite(distances), distances, 0).max(axis=1)


def mean_distance(distances: np.ndarray) -> np.ndarray:
    """Take the mean of the distances that are known."""
    known = np.isfinite(distances)
    return np.asarray(np.where(known, distances, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def main_directions(index: Index, view: slice) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a view to its main directions, and give the spread along each of them."""
    read, places = reader_of(index, view), np.arange(len(index.rows))
    some = sample_of(places, _SAMPLE)
    values = read(some).astype(np.float64)
    mean = values.mean(axis=0)
    variance, axes = np.linalg.eigh((values - mean).T @ (values - mean) / max(len(some) - 1, 1))
    spread, axes = np.sqrt(np.maximum(variance[::-1][:_STEERED], 0)), axes[:, ::-1][:, :_STEERED]
    keep = max(1, int((spread > _FLOOR * spread[0]).sum()))
    parts = [(read(places[start : start + 8192]) - mean) @ axes[:, :keep] for start in range(0, len(places), 8192)]
    return np.concatenate(parts).astype(np.float32), spread[:keep]


def fused(index: Index, views: list[slice], reduced: list[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
    """Measure in each view, whole and whitened, how far an object is from the usual ones, and take the mean.

    Which are the usual ones is found in rounds, by the main directions alone, as they are and whitened.
    """
    places = np.arange(len(index.rows))
    whitened = [_whitened(values, spread) for values, spread in reduced]
    cheap = [*whitened, *(values for values, _ in reduced)]
    score = _mean_sigmas(cheap, places, max(k, _CROWD))
    for _ in range(_ROUNDS):
        usual = places[score <= np.quantile(score, _USUAL)]
        score = _mean_sigmas(cheap, usual, k)
    usual = places[score <= np.quantile(score, _USUAL)]
    away = [_sigmas(reader_of(index, view), places, usual, k) for view in views]
    return np.asarray((_mean_sigmas(whitened, usual, k) + np.mean(away, axis=0)) / 2)


def _mean_sigmas(whitened: list[np.ndarray], usual: np.ndarray, k: int) -> np.ndarray:
    places = np.arange(len(whitened[0]))
    return np.mean([_sigmas(values.__getitem__, places, usual, k) for values in whitened], axis=0)


def _sigmas(read: Reader, places: np.ndarray, usual: np.ndarray, k: int) -> np.ndarray:
    among = sample_of(usual, _REFERENCES)
    return in_sigmas(farthest(nearest_others(read, places, among, min(k, max(len(among) - 1, 1)))[1]))


def _whitened(values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    main = np.where(spread > 0, spread, 1)[:_WHITENED]
    return np.asarray(values[:, :_WHITENED] / main, dtype=np.float32)


def steering_numbers(reduced: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Put the main directions of all views side by side, each view as long as the others."""
    parts = [values / (np.sqrt((spread**2).sum()) or 1) for values, spread in reduced]
    return np.concatenate(parts, axis=1) / np.sqrt(len(parts))
