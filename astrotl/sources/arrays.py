"""Images that are arrays already: in memory, or stacked in a NumPy or HDF5 file."""

from __future__ import annotations

import functools
import os
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from astrotl.errors import ImageError, first_line
from astrotl.images import ImageBatch
from astrotl.sources.base import ImageSource, unique_ids

__all__ = ["ArraySource", "StackSource"]

STACK_ENDINGS = (".npy", ".npz", ".h5", ".hdf5")
_IMAGES = ("images", "image", "data", "x", "cutouts", "stamps")
_IDS = ("ids", "id", "objid", "object_id", "names")


class ArraySource(ImageSource):
    """Images in memory.

    Parameters
    ----------
    images : array_like
        ``(n, y, x)``, ``(n, channel, y, x)`` or, if the last axis is the short one, ``(n, y, x, channel)``. Unsigned
        8-bit integers are taken for pictures whose values fill 0 to 255.
    ids : array_like of str, optional
        The ids; the row numbers by default.
    channels : sequence of str, optional
        The names of the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.sources import ArraySource
    >>> source = ArraySource(np.zeros((5, 3, 16, 16)), channels=["g", "r", "i"])
    >>> source[1:3]
    <ArraySource: 2 objects, channels g, r, i>
    """

    def __init__(
        self, images: npt.ArrayLike, *, ids: npt.ArrayLike | None = None, channels: Sequence[str] | None = None
    ) -> None:
        self._images = np.asanyarray(images)
        _check_numbers(self._images.dtype)
        self._channel_axis = _channel_axis(self._images.shape)
        self.channels = _channel_names(channels, self._images.shape, self._channel_axis)
        self.ids = unique_ids(np.arange(len(self._images)) if ids is None else ids)
        if len(self.ids) != len(self._images):
            raise ValueError(f"ids: expected {len(self._images)} of them, got {len(self.ids)}")

    def _take(self, rows: slice | np.ndarray) -> ArraySource:
        part = object.__new__(ArraySource)
        part.__dict__.update(self.__dict__, ids=self.ids[rows], _images=self._images[rows])
        return part

    def read(self) -> ImageBatch:
        return _batch(self._images, self._channel_axis, self.ids, self.channels)

    def signature(self) -> dict[str, Any]:
        size = _size(self._images.shape, self._channel_axis)
        return {"kind": "arrays", "channels": list(self.channels), "size": size}


class StackSource(ImageSource):
    """Images stacked in one .npy, .npz or HDF5 file, of which only the rows asked for are read.

    Parameters
    ----------
    path : path
        The file. A compressed .npz can only be read whole, once a process.
    dataset : str, optional
        The array in an .npz or HDF5 file; by default ``images``, ``data`` or the like, or the only one that could be.
    ids : array_like of str, optional
        The ids; by default those in the file (``ids``, ``objid``), or else the row numbers.
    channels : sequence of str, optional
        The names of the channels.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        dataset: str | None = None,
        ids: npt.ArrayLike | None = None,
        channels: Sequence[str] | None = None,
    ) -> None:
        self._path = os.fspath(path)
        looks = _with_arrays(self._path, lambda arrays: {name: (a.shape, a.dtype) for name, a in arrays.items()})
        shapes = {name: shape for name, (shape, _) in looks.items()}
        self._dataset = _pick_dataset(shapes, dataset, self._path)
        _check_numbers(looks[self._dataset][1])
        self._shape = shapes[self._dataset]
        self._channel_axis = _channel_axis(self._shape)
        self.channels = _channel_names(channels, self._shape, self._channel_axis)
        if ids is None:
            name = next((name for name in shapes if _last(name) in _IDS and shapes[name] == self._shape[:1]), None)
            ids = np.arange(self._shape[0])
            if name is not None:
                ids = _with_arrays(self._path, lambda arrays: _text(arrays[name][:]))
        self.ids = unique_ids(ids)
        if len(self.ids) != self._shape[0]:
            raise ValueError(f"ids: expected {self._shape[0]} of them, got {len(self.ids)}")
        self._rows: slice | np.ndarray = slice(0, len(self.ids))

    def _take(self, rows: slice | np.ndarray) -> StackSource:
        part = object.__new__(StackSource)
        mine = self._rows if isinstance(self._rows, np.ndarray) else np.arange(self._shape[0])[self._rows]
        taken = mine[rows]
        run = len(taken) > 0 and (np.diff(taken) == 1).all()
        kept = slice(int(taken[0]), int(taken[-1]) + 1) if run else taken
        part.__dict__.update(self.__dict__, ids=self.ids[rows], _rows=kept)
        return part

    def __getstate__(self) -> dict[str, Any]:
        # Other processes may stand in other folders.
        return vars(self) | {"_path": os.path.abspath(self._path)}

    def read(self) -> ImageBatch:
        images = _with_arrays(self._path, lambda arrays: _rows_of(arrays[self._dataset], self._rows))
        return _batch(images, self._channel_axis, self.ids, self.channels)

    def signature(self) -> dict[str, Any]:
        return {
            "kind": "stack",
            "file": os.path.basename(self._path),
            "dataset": self._dataset,
            "channels": list(self.channels),
            "size": _size(self._shape, self._channel_axis),
        }


def _with_arrays(path: str, use: Callable[[dict[str, Any]], Any]) -> Any:
    """Open the file just long enough for ``use`` to look at its arrays by name."""
    try:
        if path.lower().endswith(".npy"):
            return use({"images": np.load(path, mmap_mode="r", allow_pickle=False)})
        if path.lower().endswith(".npz"):
            return use(_load_npz(path, os.stat(path).st_mtime_ns))
        import h5py

        with h5py.File(path, "r") as file:
            datasets: dict[str, Any] = {}

            def note(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    datasets[name] = item

            file.visititems(note)
            return use(datasets)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ImageError(f"{path}: cannot be read as a stack of images ({first_line(error)})") from error


@functools.lru_cache(maxsize=1)
def _load_npz(path: str, _changed: int) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _rows_of(array: Any, rows: slice | np.ndarray) -> np.ndarray:
    if isinstance(rows, slice) or isinstance(array, np.ndarray):
        return np.asarray(array[rows])
    # HDF5 takes increasing indices only, each of them once.
    wanted, back = np.unique(rows, return_inverse=True)
    return np.asarray(array[wanted])[back]


def _pick_dataset(shapes: dict[str, tuple[int, ...]], wanted: str | None, path: str) -> str:
    stacks = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if wanted is not None:
        if wanted not in stacks:
            raise ValueError(f"dataset: {path} has no stack of images {wanted!r}; it has {', '.join(stacks) or 'none'}")
        return wanted
    usual = [name for name in stacks if _last(name) in _IMAGES]
    if len(usual) == 1 or len(stacks) == 1:
        return (usual or stacks)[0]
    if not stacks:
        raise ImageError(f"{path}: holds no array of three or four axes; expected (n, y, x) or (n, channel, y, x)")
    raise ValueError(f"dataset: {path} has several stacks of images, {', '.join(stacks)}; name one")


def _last(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _check_numbers(dtype: np.dtype) -> None:
    if dtype.kind not in "fiub":
        raise TypeError(f"images: expected real numbers, got {dtype}")


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    if len(shape) not in (3, 4):
        raise ValueError(f"images: expected (n, y, x) or (n, channel, y, x), got the shape {tuple(shape)}")
    if len(shape) == 3:
        return None
    return 3 if shape[3] < min(shape[1:3]) else 1


def _size(shape: tuple[int, ...], channel_axis: int | None) -> list[int]:
    return [int(n) for axis, n in enumerate(shape) if axis not in (0, channel_axis)]


def _channel_names(names: Sequence[str] | None, shape: tuple[int, ...], channel_axis: int | None) -> tuple[str, ...]:
    count = 1 if channel_axis is None else shape[channel_axis]
    if names is None:
        return ("image",) if count == 1 else tuple(str(number) for number in range(count))
    if len(names) != count:
        raise ValueError(f"channels: expected {count} names, got {', '.join(names)}")
    return tuple(names)


def _batch(images: np.ndarray, channel_axis: int | None, ids: np.ndarray, channels: tuple[str, ...]) -> ImageBatch:
    value_range = (0.0, 255.0) if images.dtype == np.uint8 else None
    if channel_axis is None:
        images = images[:, None]
    elif channel_axis == 3:
        images = np.moveaxis(images, 3, 1)
    # Always a copy: neither the caller's array nor a mapped file lies open to a step that works in place.
    return ImageBatch(np.array(images, dtype=np.float32, order="C"), ids, channels, value_range)


def _text(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "SO":
        return np.array([value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()])
    return values
