"""Surface brightness of the parts of a galaxy, before any telescope has looked at it.

Every profile is painted on one canvas, finer than the pixels of the camera, and sums to one.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CANVAS", "FINE", "Grid", "arms", "clumps", "disc", "lensed", "point", "sersic"]

#: The canvas' side in pixels of the camera: wide enough that the largest galaxy fades before its edge.
CANVAS = 96
#: Canvas points along the side of a pixel.
FINE = 2

_SIDE = CANVAS * FINE
# The cusp of a steep profile is averaged over this many points each way in the innermost points of the canvas. The
# number is even, so that none of them is the centre itself.
_CUSP_POINTS = 10
_CUSP_REACH = 3


class Grid:
    """Coordinates of the canvas in pixels, rotated and stretched along with a galaxy.

    Parameters
    ----------
    angle : float
        Direction of the major axis, in radians anticlockwise from the x axis.
    axis_ratio : float
        Minor over major axis.

    Examples
    --------
    >>> from astrotl.simulate.profiles import Grid
    >>> Grid(0.0, 0.5).radius_squared.shape
    (192, 192)
    """

    def __init__(self, angle: float = 0.0, axis_ratio: float = 1.0) -> None:
        self.angle = angle
        self.axis_ratio = axis_ratio
        steps = ((np.arange(_SIDE) - _SIDE // 2) / FINE).astype(np.float32)
        self.major, self.minor = self._along_axes(steps[np.newaxis, :], steps[:, np.newaxis])
        self.radius_squared = self.major**2 + self.minor**2

    def _along_axes(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        return x * cos + y * sin, (y * cos - x * sin) / np.float32(self.axis_ratio)

    def cusp(self) -> tuple[slice, np.ndarray]:
        """Give the innermost points of the canvas and, for each, the squared radii of the sub-points around it."""
        middle = slice(_SIDE // 2 - _CUSP_REACH, _SIDE // 2 + _CUSP_REACH + 1)
        points = (2 * _CUSP_REACH + 1) * _CUSP_POINTS
        steps = (((np.arange(points) + 0.5) / _CUSP_POINTS - _CUSP_REACH - 0.5) / FINE).astype(np.float32)
        major, minor = self._along_axes(steps[np.newaxis, :], steps[:, np.newaxis])
        return middle, major**2 + minor**2


def sersic(grid: Grid, radius: float, index: float) -> np.ndarray:
    """Paint a Sersic profile that fades out between 5.5 and 6.8 effective radii.

    Parameters
    ----------
    grid : Grid
        The galaxy's coordinates.
    radius : float
        The effective radius along the major axis, in pixels.
    index : float
        The Sersic index n: 1 for a disc, 4 for a de Vaucouleurs profile.

    Returns
    -------
    `~numpy.ndarray`
        The light on the canvas.

    References
    ----------
    .. [1] Sersic, J. L. 1968, Atlas de Galaxias Australes
    .. [2] Ciotti, L. & Bertin, G. 1999, A&A, 352, 447: the coefficient b_n

    Examples
    --------
    >>> from astrotl.simulate.profiles import Grid, sersic
    >>> light = sersic(Grid(), radius=4.0, index=1.0)
    >>> float(light[Grid().radius_squared < 4.0**2].sum()).__round__(1)
    0.5
    """
    slope = 2 * index - 1 / 3 + 4 / (405 * index) + 46 / (25515 * index**2)

    def brightness(radius_squared: np.ndarray) -> np.ndarray:
        scaled = radius_squared / np.float32(radius**2)
        return np.exp(np.float32(-slope) * (scaled ** np.float32(0.5 / index) - 1))

    light = brightness(grid.radius_squared)
    middle, radius_squared = grid.cusp()
    cells = (2 * _CUSP_REACH + 1, _CUSP_POINTS)
    light[middle, middle] = brightness(radius_squared).reshape(*cells, *cells).mean(axis=(1, 3))
    light *= _fade(grid.radius_squared, 5.5 * radius, 6.8 * radius)
    return light / light.sum()


def disc(grid: Grid, scale: float) -> np.ndarray:
    """Paint an exponential disc of this scale length in pixels."""
    light = np.exp(-np.sqrt(grid.radius_squared) / np.float32(scale))
    return light / light.sum()


def arms(grid: Grid, scale: float, *, number: int, pitch: float, phase: float, contrast: float) -> np.ndarray:
    """Paint logarithmic spiral arms in an exponential disc.

    Parameters
    ----------
    grid : Grid
        The galaxy's coordinates.
    scale : float
        The scale length of the disc, in pixels.
    number : int
        How many arms.
    pitch : float
        The pitch angle in radians; its sign is the sense of winding.
    phase : float
        Where an arm crosses one scale length, in radians.
    contrast : float
        How narrow the arms are: 0 is a smooth disc, 4 has dark gaps.

    Returns
    -------
    `~numpy.ndarray`
        The light on the canvas.

    Examples
    --------
    >>> from astrotl.simulate.profiles import Grid, arms
    >>> light = arms(Grid(), 4.0, number=2, pitch=0.3, phase=0.0, contrast=3.0)
    >>> round(float(light.sum()), 3)
    1.0
    """
    # The 0.05 keeps the logarithm finite in the centre, where the arms have faded.
    radius = np.sqrt(grid.radius_squared) / np.float32(scale) + np.float32(0.05)
    azimuth = np.arctan2(grid.minor, grid.major)
    wave = np.cos(number * (azimuth - np.float32(phase) - np.log(radius) * np.float32(1 / np.tan(pitch))))
    light = np.exp(-radius + np.float32(contrast) * (wave - 1))
    # Arms start outside the bulge.
    light *= 1 - np.exp(-((radius / np.float32(0.9)) ** 3))
    return light / light.sum()


def clumps(grid: Grid, major: np.ndarray, minor: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Paint points of light at positions in the plane of the galaxy, given in pixels along its axes."""
    cos, sin = np.cos(grid.angle), np.sin(grid.angle)
    minor = minor * grid.axis_ratio
    x = np.rint((major * cos - minor * sin) * FINE).astype(np.intp) + _SIDE // 2
    y = np.rint((major * sin + minor * cos) * FINE).astype(np.intp) + _SIDE // 2
    inside = (x >= 0) & (x < _SIDE) & (y >= 0) & (y < _SIDE)
    light = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    np.add.at(light, (y[inside], x[inside]), shares[inside].astype(np.float32))
    return light / light.sum()


def point() -> np.ndarray:
    """Paint a point source in the centre."""
    light = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    light[_SIDE // 2, _SIDE // 2] = 1
    return light


def lensed(
    grid: Grid,
    einstein_radius: float,
    *,
    mass_ratio: float,
    source: tuple[float, float],
    source_radius: float,
    source_ratio: float,
) -> np.ndarray:
    """Paint a disc galaxy as a singular isothermal ellipsoid in front of it shows it.

    Each point of the canvas is traced back to the source plane; a lens moves light and keeps its surface brightness.

    Parameters
    ----------
    grid : Grid
        The canvas turned along the lens, but not stretched.
    einstein_radius : float
        The Einstein radius in pixels.
    mass_ratio : float
        The axis ratio of the mass, below 1.
    source : tuple of float
        Where the source really is, in pixels along the axes of the lens.
    source_radius : float
        The effective radius of the source, in pixels.
    source_ratio : float
        The axis ratio of the source.

    Returns
    -------
    `~numpy.ndarray`
        The light of the arcs on the canvas.

    References
    ----------
    .. [1] Kormann, R., Schneider, P. & Bartelmann, M. 1994, A&A, 284, 285: the ellipsoid and its deflection

    Examples
    --------
    >>> import numpy as np
    >>> from astrotl.simulate.profiles import Grid, lensed
    >>> ring = lensed(Grid(), 8.0, mass_ratio=0.9, source=(0.0, 0.0), source_radius=1.0, source_ratio=1.0)
    >>> round(float((ring * np.sqrt(Grid().radius_squared)).sum()))
    8
    """
    flattening = np.float32(np.sqrt(1 - mass_ratio**2))
    # A small core keeps the deflection defined in the centre.
    depth = np.sqrt(np.float32(mass_ratio**2) * grid.major**2 + grid.minor**2) + np.float32(1e-3)
    strength = np.float32(einstein_radius * np.sqrt(mass_ratio)) / flattening
    along = grid.major - strength * np.arctan(flattening * grid.major / depth) - np.float32(source[0])
    across = grid.minor - strength * np.arctanh(flattening * grid.minor / depth) - np.float32(source[1])
    squared = (along**2 + (across / np.float32(source_ratio)) ** 2) / np.float32(source_radius**2)
    light = np.exp(np.float32(-1.678) * np.sqrt(squared))
    return light / light.sum()


def _fade(radius_squared: np.ndarray, start: float, end: float) -> np.ndarray:
    """Fall smoothly from one to zero between two radii."""
    position = np.clip((np.sqrt(radius_squared) - np.float32(start)) / np.float32(end - start), 0, 1)
    return 1 - position**2 * (3 - 2 * position)
