"""What the page works on: one store with its columns, labels, pictures, maps and ranking, for all tabs together."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from astropy.table import Table

from astrotl.explore.asking import FIRST, best_to_ask, first_to_ask
from astrotl.explore.judging import Judgement, LabelFile
from astrotl.explore.looks import Look, Pictures
from astrotl.explore.mapping import Places
from astrotl.explore.objects import Known, Objects
from astrotl.explore.ranking import Judged, design
from astrotl.explore.searching import like_file, like_rows, near_position
from astrotl.index import open_index
from astrotl.sources import ImageSource
from astrotl.store import FeatureStore

#: What the keys y, a and b mean; only the last two are not what is looked for.
LABELS = ("interesting", "artefact", "boring")
_NOT_WANTED = ("artefact", "boring")


class Desk:
    """Everything the page asks for; safe to be called from several threads."""

    def __init__(
        self,
        store: FeatureStore,
        results: Table | None,
        source: ImageSource | None,
        labels: str,
        *,
        classes: Sequence[str] = (),
        by: str = "",
        title: str = "",
    ) -> None:
        self.store, self.by, self.title = store, by, title
        self.classes = tuple(classes)
        self.index = open_index(store)
        self.objects = Objects(store, results)
        self.labels = LabelFile(labels)
        self.pictures = None if source is None else Pictures(source, _places_in(source, store))
        self.places = Places(store)
        self._score = _score_of(self.objects)
        self._design: tuple[np.ndarray, np.ndarray] | None = None
        self._said: list[tuple[int, str]] = []
        self._learning, self._lock = threading.Lock(), threading.RLock()
        self._take_in(list(self.labels.all().values()))

    def told(self) -> dict[str, Any]:
        """Describe the store to a page that has just been opened."""
        bands = () if self.pictures is None else self.pictures.source.channels
        return {
            "title": self.title or os.path.basename(self.store.path),
            "store": os.path.abspath(self.store.path),
            "labels": self.labels.path,
            "by": self.by,
            "count": len(self.objects),
            "columns": [known.told() for known in self.objects.columns],
            "bands": list(bands),
            "images": self.pictures is not None,
            "positions": self.objects.positions is not None,
            "classes": [*LABELS, *self.classes],
            "look": asdict(Look()),
        }

    def judge(self, labels: dict[int, str]) -> int:
        """Write labels of some rows to the disk, and then take them in."""
        words = {str(self.objects.ids[row]): label.strip() for row, label in labels.items()}
        if any(len(label) > 100 for label in words.values()):
            raise ValueError("label: must be at most 100 letters long")
        with self._lock:
            self._take_in(self.labels.say(words, self.by))
            return len(self._said)

    def news(self, since: int) -> dict[str, Any]:
        """Say what was judged since the page last asked, here or by others who write into the same file."""
        with self._lock:
            self._take_in(self.labels.refresh())
            return {"upto": len(self._said), "judged": self._said[max(since, 0) :]}

    def learn(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the numbers by which objects are compared, measured the first time."""
        with self._learning:
            if not len(self.index.rows):
                raise ValueError("store: no object has features yet, by which it could be ranked")
            if self._design is None:
                score = None if self._score is None else self._score[self.index.rows]
                self._design = design(self.index, score)
            return self._design

    def improve(self) -> dict[str, Any]:
        """Rank all objects by what was judged: the column ``interest``."""
        judged = self._judged()
        interest, order = np.full((2, len(self.objects)), np.nan)
        interest[self.index.rows], order[self.index.rows] = judged.chances(), judged.order()
        self.objects.put(Known("interest", interest, "", "the probability of interest, by all judgements", order))
        expected = judged.expected()
        return {
            "judged": len(judged.places),
            "wanted": int(judged.wanted.sum()),
            "tells": bool(np.ptp(judged.chances()[judged.open]) > 1e-3) if len(judged.open) else True,
            "expected": None if expected is None else asdict(expected),
        }

    def ask(self, passed: Collection[int] = ()) -> int | None:
        """Choose the row from whose judgement most is gained, among those that were not passed over."""
        numbers, offset = self.learn()
        places, wanted = self._known()
        chosen = best_to_ask(Judged(numbers, offset, places, wanted), 1 + len(passed))
        if self._score is None and len(places) < FIRST:
            chosen = np.concatenate([first_to_ask(numbers), chosen])
        label = self.objects.column("label").values
        rows = self.index.rows[chosen].tolist()
        return next((row for row in rows if not label[row] and row not in passed), None)

    def neighbours(self, row: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest others of a row, and their distances; none where it has no features."""
        vector = self.store.features([row])
        if not np.isfinite(vector).all():
            return np.empty(0, dtype=np.intp), np.empty(0)
        rows, distances = self.index.query(vector, count + 1)
        others = rows[0] != row
        return rows[0][others][:count], distances[0][others][:count]

    def like(self, *, rows: Sequence[int] = (), file: tuple[bytes, str] | None = None) -> str:
        """Look for what is like some rows, or like an image; give the column that holds the distances."""
        distances = like_rows(self.index, rows) if file is None else like_file(self.index, *file)
        self.objects.put(Known("distance to example", distances, description="in the feature space"))
        return "distance to example"

    def near(self, ra: float, dec: float, radius: float) -> str:
        """Look for what is near a position; give the column that holds the separations."""
        apart = near_position(self.objects.positions, ra, dec, radius)
        if not np.isfinite(apart).any():
            raise ValueError(f"position: nothing lies within {radius:g} arcsec of it")
        self.objects.put(Known("separation", apart, "arcsec", "from the position that was looked for"))
        return "separation"

    def row(self, given: Any) -> int:
        """Check a row number that came from outside."""
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < len(self.objects):
            raise ValueError(f"row: must be 0 to {len(self.objects) - 1}, got {given!r}")
        return given

    def look(self, given: dict[str, Any]) -> Look:
        """Check how pictures are to be drawn."""
        if not isinstance(given, dict):
            raise ValueError("look: must hold softening, high and bands")
        bands = tuple(str(band) for band in given.get("bands", ()))
        known = () if self.pictures is None else self.pictures.source.channels
        for band in bands:
            if band not in known:
                raise ValueError(f"bands: there is no {band!r}; there are {', '.join(known)}")
        numbers = {name: float(given[name]) for name in ("softening", "high") if name in given}
        return replace(Look(), bands=bands, **numbers)

    def _judged(self) -> Judged:
        places, wanted = self._known()
        if not len(places):
            raise ValueError("improve: judge some objects first")
        return Judged(*self.learn(), places, wanted)

    def _known(self) -> tuple[np.ndarray, np.ndarray]:
        labels = self.objects.column("label").values[self.index.rows]
        places = np.flatnonzero(labels != "")
        return places, np.array([label not in _NOT_WANTED for label in labels[places]], dtype=bool)

    def _take_in(self, new: Sequence[Judgement]) -> None:
        for one in new:
            row = self.objects.label(one.id, one.label)
            if row is not None:
                self._said.append((row, one.label))


def _places_in(source: ImageSource, store: FeatureStore) -> np.ndarray:
    """Say where in the source the image of each row is, -1 where there is none."""
    if len(source) == len(store) and (source.ids == store.ids).all():
        return np.arange(len(store))
    place_of = {name: place for place, name in enumerate(source.ids.tolist())}
    places = np.array([place_of.get(name, -1) for name in store.ids.tolist()], dtype=np.intp)
    if (places < 0).all():
        raise ValueError(f"source: holds none of the objects of {store.path}")
    return places


def _score_of(objects: Objects) -> np.ndarray | None:
    """Find what results think of the objects: their score, or else their rank."""
    there = {known.name: known for known in objects.columns if known.is_number and np.isfinite(known.values).any()}
    if "score" in there:
        return there["score"].values
    return -there["rank"].values if "rank" in there else None
