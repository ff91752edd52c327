"""A small sky made from a seed, for tests, examples, benchmarks and the demonstration.

The galaxies are simple and the optics are right: Sersic profiles, spiral discs, active nuclei and gravitational lenses,
seen in several bands through a blurring atmosphere, with noise and with the damage that real images have.
"""

from astrotl.simulate.batches import stamps
from astrotl.simulate.camera import BANDS
from astrotl.simulate.catalogue import KINDS
from astrotl.simulate.clumps import clumpy
from astrotl.simulate.doubles import doubles
from astrotl.simulate.kinds import galaxy
from astrotl.simulate.mosaics import survey
from astrotl.simulate.series import epochs

__all__ = ["BANDS", "KINDS", "clumpy", "doubles", "epochs", "galaxy", "stamps", "survey"]
