"""Fields: images of any size, one by one, of which windows are read."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS

__all__ = ["ArrayField", "Field"]


class Field(ABC):
    """An image of a piece of the sky, of any size, of which windows are read.

    A field is picklable, and nothing of its pixels is read before `read`.
    """

    #: The id, by which a table of boxes names it.
    id: str
    #: The name of each channel, in the order of the data.
    channels: tuple[str, ...]
    #: Height and width in pixels.
    shape: tuple[int, int]
    #: Where its pixels lie on the sky; None if nothing says so.
    wcs: WCS | None = None
    #: The range that the values are known to fill, such as ``(0, 255)`` of a JPEG; None for physical units.
    value_range: tuple[float, float] | None = None

    @abstractmethod
    def read(self, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        """Read a window as float32, ``(channel, y, x)``, NaN where it reaches over the edge or there is no data."""

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<{type(self).__name__} {self.id}: {width} x {height} px, channels {', '.join(self.channels)}>"


class ArrayField(Field):
    """A field whose pixels are in memory.

    Parameters
    ----------
    data : array_like
        The pixels, ``(channel, y, x)`` or ``(y, x)``.
    name : str, optional
        Its id.
    channels : sequence of str, optional
        The name of each channel; by default numbers.
    wcs : `~astropy.wcs.WCS`, optional
        Where the pixels lie on the sky.
    value_range : tuple of float, optional
        The range that the values are known to fill.

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.sources import ArrayField
    >>> field = ArrayField(np.arange(12.0).reshape(3, 4), "m31")
    >>> field
    <ArrayField m31: 4 x 3 px, channels 0>
    >>> field.read(left=2, bottom=1, width=3, height=2)
    array([[[ 6.,  7., nan],
            [10., 11., nan]]], dtype=float32)
    """

    def __init__(
        self,
        data: npt.ArrayLike,
        name: str = "field",
        *,
        channels: tuple[str, ...] | None = None,
        wcs: WCS | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        # What is beyond float32 becomes infinite, which every step takes for "no data".
        with np.errstate(over="ignore"):
            self._data = np.asarray(data, dtype=np.float32)
        if self._data.ndim == 2:
            self._data = self._data[None]
        if self._data.ndim != 3:
            raise ValueError(f"data: expected (channel, y, x), got the shape {self._data.shape}")
        self.id = name
        self.channels = tuple(channels or map(str, range(len(self._data))))
        if len(self.channels) != len(self._data):
            raise ValueError(f"channels: expected {len(self._data)} names, got {self.channels}")
        self.shape = self._data.shape[1:]
        self.wcs = wcs
        self.value_range = value_range

    def read(self, left: int, bottom: int, width: int, height: int) -> np.ndarray:
        window = np.full((len(self._data), height, width), np.nan, dtype=np.float32)
        y0, y1 = max(bottom, 0), min(bottom + height, self.shape[0])
        x0, x1 = max(left, 0), min(left + width, self.shape[1])
        if y0 < y1 and x0 < x1:
            window[:, y0 - bottom : y1 - bottom, x0 - left : x1 - left] = self._data[:, y0:y1, x0:x1]
        return window
