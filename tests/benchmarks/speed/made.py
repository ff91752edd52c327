"""Made data that more than one benchmark takes: stamps on disk."""

from pathlib import Path

from astropy.io import fits

from astrotl import simulate

BANDS = ("g", "r", "i")
#: Drawing takes longer than writing; each is written again and again under other names.
_DRAWN = 200


def write_stamps(folder: Path, count: int, size: int = 128) -> None:
    """Write stamps of simulated galaxies, each a file of three image extensions, one a band."""
    folder.mkdir()
    images = simulate.stamps(min(count, _DRAWN), kinds=("spiral", "elliptical"), size=size, bands=BANDS, seed=1)[0].data
    for number in range(count):
        first, *others = images[number % len(images)]
        extensions = [fits.ImageHDU(image, name=band) for band, image in zip(BANDS[1:], others, strict=True)]
        hdus = fits.HDUList([fits.PrimaryHDU(first), *extensions])
        hdus[0].name = BANDS[0]
        hdus.writeto(folder / f"{number:06}.fits")
