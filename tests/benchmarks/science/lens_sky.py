"""A sky of strong lenses among their rivals, ray-traced by lenstronomy and seen by the simulator's ground-based camera.

Each lens is a singular isothermal ellipsoid with external shear in front of a Sersic source, so that rings, crosses,
arcs and doubles come as they come. The rivals are ellipticals, spirals, mergers and galaxies with faint neighbours.
The camera is that of a good ground survey: seeing of 0.55 to 0.65 arcsec, pixels of 0.25 arcsec. Lenses are kept that
Collett (2015, ApJ 811, 20) counts as discoverable: the source lies inside the Einstein radius, its images are resolved
and sheared by the seeing's width, it is magnified more than three times, and its arcs have a signal-to-noise above 20.
"""

import warnings
from dataclasses import replace

import numpy as np
from scipy.ndimage import shift

from astrotl.images import ImageBatch
from astrotl.simulate.camera import GAIN, PIXEL_SCALE, READ_NOISE, SKY, add_noise
from astrotl.simulate.galaxies import Galaxy, Part
from astrotl.simulate.kinds import draw
from astrotl.simulate.profiles import CANVAS, FINE

BANDS = ("i", "r", "g")
SIZE = 64
#: The shares of the rivals.
RIVALS = {"elliptical": 0.35, "spiral": 0.35, "merger": 0.1, "neighbours": 0.2}
_SIDE = CANVAS * FINE
_SEEING = 0.6 / PIXEL_SCALE


def sky(lenses: int, galaxies: int, seed: int) -> tuple[ImageBatch, np.ndarray]:
    """Make stamps in three bands, and the kind of each."""
    shares = list(RIVALS.values())
    rng = np.random.default_rng([seed, 0])
    kinds = np.array(["lens"] * lenses + rng.choice(list(RIVALS), galaxies, p=shares).tolist())
    rng.shuffle(kinds)
    data = np.stack([_stamp(str(kind), np.random.default_rng([seed, 1, row])) for row, kind in enumerate(kinds)])
    names = [f"SKY{row:05d}" for row in range(len(kinds))]
    return ImageBatch(data, np.array(names), BANDS), kinds


def _stamp(kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "lens":
        light = _lens(rng)
    elif kind == "merger":
        light = _merger(rng)
    elif kind == "neighbours":
        light = _picture(draw(str(rng.choice(["elliptical", "spiral"])), rng)) + _neighbours(rng)
    else:
        light = _picture(draw(kind, rng))
    return add_noise(light, BANDS, rng)


def _picture(galaxy: Galaxy) -> np.ndarray:
    return galaxy.picture(BANDS, size=SIZE)


def _lens(rng: np.random.Generator) -> np.ndarray:
    """Draw lenses until one has arcs that can be seen; one in four has a neighbour."""
    while True:
        deflector = draw("elliptical", rng)
        deflector = deflector.with_magnitude(rng.uniform(17.5, 20.0))
        radius = rng.uniform(1.0, 3.2) / PIXEL_SCALE
        painted, magnification, size = _arcs(rng, deflector.angle, radius)
        magnitude = rng.uniform(21.5, 24.5) - 2.5 * np.log10(max(magnification, 1e-3))
        colour = {"source": 1.0} if rng.uniform() < 0.7 else {"young": 1.0}
        arcs = replace(deflector, parts=(Part(lambda light=painted: light, colour),), magnitude=magnitude)
        seen = _picture(arcs)
        resolved = radius**2 > size**2 + (_SEEING / 2) ** 2 and magnification * size > _SEEING
        if resolved and magnification > 3 and _signal(seen[BANDS.index("g")]) > 20:
            break
    light = _picture(deflector) + seen
    return light + _neighbours(rng) if rng.uniform() < 0.25 else light


def _arcs(rng: np.random.Generator, angle: float, radius: float) -> tuple[np.ndarray, float, float]:
    """Paint what a lens shows of a source behind it; give its magnification and the source's size, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lenstronomy.LensModel.lens_model import LensModel
        from lenstronomy.LightModel.light_model import LightModel
        from lenstronomy.Util.param_util import phi_q2_ellipticity, shear_polar2cartesian

    e1, e2 = phi_q2_ellipticity(angle + rng.normal(0, 0.15), rng.uniform(0.5, 0.98))
    g1, g2 = shear_polar2cartesian(rng.uniform(0, np.pi), rng.uniform(0, 0.08))
    mass = [{"theta_E": radius, "e1": e1, "e2": e2}, {"gamma1": g1, "gamma2": g2}]
    off, towards = radius * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
    s1, s2 = phi_q2_ellipticity(rng.uniform(0, np.pi), rng.uniform(0.4, 1.0))
    source = {
        "amp": 1.0,
        "R_sersic": rng.uniform(0.15, 0.5) / PIXEL_SCALE,
        "n_sersic": rng.uniform(0.7, 2.0),
        "e1": s1,
        "e2": s2,
        "center_x": off * np.cos(towards),
        "center_y": off * np.sin(towards),
    }
    steps = (np.arange(_SIDE) - _SIDE // 2) / FINE
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    shape = LightModel(["SERSIC_ELLIPSE"])
    true = shape.surface_brightness(x, y, [source])
    lensed = shape.surface_brightness(*LensModel(["SIE", "SHEAR"]).ray_shooting(x, y, mass), [source])
    painted = lensed.reshape(_SIDE, _SIDE).astype(np.float32)
    return painted / painted.sum(), float(lensed.sum() / true.sum()), source["R_sersic"]


def _signal(arcs: np.ndarray) -> float:
    """Give the signal-to-noise of light in all the pixels where it stands out of the noise of the sky."""
    noise = np.sqrt(SKY["g"] / GAIN + READ_NOISE**2)
    bright = arcs > noise
    return float(arcs[bright].sum() / (noise * np.sqrt(max(bright.sum(), 1))))


def _merger(rng: np.random.Generator) -> np.ndarray:
    """Put two galaxies of like brightness 1 to 4 arcsec apart."""
    one, two = (draw(str(rng.choice(["elliptical", "spiral"])), rng) for _ in range(2))
    two = two.with_magnitude(one.magnitude + rng.uniform(-0.3, 1.5))
    return _picture(one) + _moved(_picture(two), rng, 1.0, 4.0)


def _neighbours(rng: np.random.Generator) -> np.ndarray:
    """Scatter one to three faint, mostly blue galaxies 1.2 to 6 arcsec from the centre."""
    light = np.zeros((len(BANDS), SIZE, SIZE), dtype=np.float32)
    for _ in range(rng.integers(1, 4)):
        galaxy = draw(str(rng.choice(["elliptical", "spiral", "spiral"])), rng).with_magnitude(rng.uniform(20.0, 22.5))
        small = replace(
            galaxy,
            parts=tuple(replace(part, paint=lambda paint=part.paint: _shrunk(paint())) for part in galaxy.parts),
        )
        light += _moved(_picture(small), rng, 1.2, 6.0)
    return light


def _shrunk(light: np.ndarray) -> np.ndarray:
    """Show a galaxy from three times as far."""
    small = light.reshape(_SIDE // 3, 3, _SIDE // 3, 3).sum(axis=(1, 3))
    around = (_SIDE - len(small)) // 2
    return np.pad(small, around)


def _moved(light: np.ndarray, rng: np.random.Generator, nearest: float, farthest: float) -> np.ndarray:
    distance, direction = rng.uniform(nearest, farthest) / PIXEL_SCALE, rng.uniform(0, 2 * np.pi)
    by = (0, distance * np.sin(direction), distance * np.cos(direction))
    return np.maximum(shift(light, by, order=1), 0).astype(np.float32)
