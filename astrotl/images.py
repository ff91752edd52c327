"""The batch of images that travels from a source through the steps to an extractor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

__all__ = ["ImageBatch"]


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """A stack of images of one size, with their ids and channels.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The pixels, ``(n, channel, y, x)``, converted to native float32. NaN is "no data" and the only spelling of it.
    ids : `~numpy.ndarray`
        The n ids, as strings.
    channels : tuple of str
        The name of each channel.
    value_range : tuple of float, optional
        The range that the values are known to fill: ``(0, 255)`` as read from a JPEG, ``(0, 1)`` after a stretch.
        None for physical units.
    failed : mapping of str to str, optional
        The ids of images that could not be read, each with the reason. Their pixels are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl import ImageBatch
    >>> batch = ImageBatch(np.zeros((2, 3, 8, 8)), np.array(["a", "b"]), ("g", "r", "i"))
    >>> len(batch), batch.data.dtype.name
    (2, 'float32')
    """

    data: np.ndarray
    ids: np.ndarray
    channels: tuple[str, ...]
    value_range: tuple[float, float] | None = None
    failed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What is beyond float32 becomes infinite, which every step takes for "no data".
        with np.errstate(over="ignore"):
            data = np.asarray(self.data, dtype=np.float32)
        ids = np.asarray(self.ids, dtype=np.str_)
        if data.ndim != 4:
            raise ValueError(f"data: expected (n, channel, y, x), got the shape {data.shape}")
        if ids.shape != data.shape[:1]:
            raise ValueError(f"ids: expected {len(data)} of them, got the shape {ids.shape}")
        if len(self.channels) != data.shape[1]:
            raise ValueError(f"channels: expected {data.shape[1]} names, got {self.channels}")
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "channels", tuple(self.channels))

    def __len__(self) -> int:
        return len(self.ids)

    def with_data(
        self,
        data: np.ndarray,
        *,
        channels: tuple[str, ...] | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> ImageBatch:
        """Give the same objects other pixels, as a step does; ``value_range`` is that of the new pixels."""
        return replace(self, data=data, channels=channels or self.channels, value_range=value_range)

    def select(self, rows: slice | npt.ArrayLike) -> ImageBatch:
        """Keep only these rows."""
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        return replace(self, data=self.data[rows], ids=self.ids[rows])
