"""Plain files are read without astropy, and never otherwise than astropy reads them."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.errors import ImageError
from astrotl.sources import _fits
from astrotl.sources._plain import read_plain
from astrotl.sources._stamps import read_stamp, stamp_of


def outcome(read, path):
    """Give what a reader makes of a file: the pixels and their names, or its complaint."""
    try:
        stamp = read(str(path))
    except ImageError as error:
        return str(error)
    assert stamp.planes.dtype == np.float32
    assert stamp.planes.dtype.isnative
    return stamp.planes.shape, stamp.planes.tobytes(), stamp.names


def by_astropy(path):
    with np.errstate(over="ignore", invalid="ignore"), _fits.open_fits(path) as hdus:
        return stamp_of(hdus, path, None)


def card(keyword, value):
    return f"{keyword:<8}= {value:>20}"


def header(cards):
    text = "".join(line[:80].ljust(80) for line in (*cards, "END")).encode("latin-1")
    return text.ljust(-(-len(text) // 2880) * 2880)


def pixels_of(bitpix, shape, seed):
    rng = np.random.default_rng(seed)
    dtype = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}[bitpix]
    if bitpix < 0:
        values = rng.normal(0, 1e3, shape)
        values[rng.random(shape) < 0.2] = np.nan
    else:
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, limits.max, shape, dtype=limits.dtype.newbyteorder("="), endpoint=True)
        values[rng.random(shape) < 0.2] = 7
    return values.astype(dtype).tobytes()


NUMBERS = ["0", "1", "2", "-1", "-128", "128", "32768", "2147483648", "9223372036854775808", "1.0", "0.0", "2.5E-3"]
NUMBERS += ["1.", ".5", "-3.7", "1E3", "1D3", "1e3", "32768.0", "T", "'1'", "", "nan", "1 / one", "007", "1_0", "(1,2)"]
BLANKS = ["7", "0", "-1", "255", "300", "-32768", "99999999999", "7.0", "T", ""]
NAMES = [
    "'G'",
    "'g band  '",
    "'SCI     '",
    "'WHT'",
    "''",
    "' G'",
    "'it''s'",
    "'G&'",
    "'a: 1.0'",
    "5",
    "'G' / green",
    "'é'",
]
ODD_CARDS = [
    *("bscale  = 2.0", "BSCALE = 2.0", " BZERO  = 5", "HIERARCH BSCALE = 2.0", "HIERARCH  bzero=3", "naxis1  = 1"),
    *(
        "HIERARCH LONG_NAME = 'A'",
        "HIERARCH NAXIS1_OF_OLD = 7",
        "HIERARCH NAXIS10 = 7",
        "BZERO   = 5.0 /\ttab",
        "BZERO   =\t5.0",
    ),
    *("HIERARCH ESO DET ID = 'A'", "COMMENT = 5", "CONTINUE  'more'", "HISTORY \t tab", "OBJECT  = 'M 31'", ""),
    *(card("GROUPS", "T"), card("PCOUNT", 4), card("GCOUNT", 2), card("BITPIX", 16), card("NAXIS", 2)),
    *(card("NAXIS1", 1), card("ZIMAGE", "T"), card("EXTEND", "F"), card("INHERIT", "T"), card("SIMPLE", "T")),
    *("XTENSION= 'IMAGE   '", "EXTNAME = 'AGAIN'", "CHECKSUM= 'wrong'", "BLANK", "BSCALE    2.0", "END", "END     x"),
]


@st.composite
def images(draw, *, primary, odd):
    bitpix = draw(st.sampled_from([8, 16, 32, 64, -32, -64]))
    shape = draw(
        st.sampled_from([(), (5,), (3, 2), (2, 3), (2, 3), (2, 3), (1, 2, 3), (2, 2, 3), (1, 1, 3, 2), (2, 2, 2, 2)])
    )
    cards = [card("SIMPLE", "T") if primary else card("XTENSION", "'IMAGE   '")]
    cards += [card("BITPIX", bitpix), card("NAXIS", len(shape))]
    cards += [card(f"NAXIS{axis}", length) for axis, length in enumerate(reversed(shape), 1)]
    if not primary:
        cards += [card("PCOUNT", 0), card("GCOUNT", 1)]
    for keyword, values in (("BSCALE", NUMBERS), ("BZERO", NUMBERS), ("BLANK", BLANKS), ("EXTNAME", NAMES)):
        if draw(st.integers(0, 3)) == 0:
            cards.append(card(keyword, draw(st.sampled_from(values))))
    if odd and draw(st.booleans()):
        cards.insert(draw(st.integers(0, len(cards))), draw(st.sampled_from(ODD_CARDS)))
    data = pixels_of(bitpix, shape, draw(st.integers(0, 99))) if shape else b""
    return header(cards) + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


@st.composite
def files(draw, *, odd):
    parts = [draw(images(primary=number == 0, odd=odd)) for number in range(draw(st.integers(1, 3)))]
    content = b"".join(parts)
    if not odd:
        return content
    damage = draw(st.sampled_from(["none", "cut", "byte", "tail"]))
    if damage == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if damage == "byte":
        at = draw(st.integers(0, 1500))
        return content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
    if damage == "tail":
        return content + draw(st.sampled_from([b"\0" * 100, b" " * 2880, b"\0" * 2880, b"XTENSION"]))
    return content


@settings(max_examples=300, deadline=None)
@given(content=files(odd=False))
def test_whatever_is_in_a_whole_file_it_is_read_as_astropy_reads_it(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("plain") / "a.fits"
    path.write_bytes(content)
    assert outcome(read_stamp, path) == outcome(by_astropy, path)


# Astropy leaves some damaged files for the garbage collector to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=300, deadline=None)
@given(content=files(odd=True))
def test_odd_cards_and_damage_are_astropys_to_judge(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("odd") / "a.fits"
    path.write_bytes(content)
    assert outcome(read_stamp, path) == outcome(by_astropy, path)


def test_every_published_file_is_read_as_astropy_reads_it(shared_data):
    paths = [
        path for folder in ("fits", "fits_odd") for path in (shared_data / folder).rglob("*") if path.suffix != ".bz2"
    ]
    plain = 0
    for path in paths:
        if not path.is_file():
            continue
        assert outcome(read_stamp, path) == outcome(by_astropy, path), path
        plain += read_plain(str(path)) is not None
    assert plain >= 90


def test_ordinary_stamps_are_plain(tmp_path):
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    long = fits.Header({"OBJECT": "M 31", "COMMENT": "first light", "HIERARCH ESO DET NAME": "A", "HISTORY": "flat"})
    long["LONGTEXT"] = "x" * 100
    for name, hdus in {
        "primary": [fits.PrimaryHDU(image, long)],
        "unsigned": [fits.PrimaryHDU(image.astype(np.uint16))],
        "bands": [fits.PrimaryHDU(), *(fits.ImageHDU(image + n, name=band) for n, band in enumerate("gri"))],
    }.items():
        path = str(tmp_path / f"{name}.fits")
        fits.HDUList(hdus).writeto(path)
        images = read_plain(path)
        assert images is not None
        assert [image.name for image in images] == [hdu.name for hdu in hdus]
        assert np.array_equal(images[-1].data, hdus[-1].data)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=100, deadline=None)
@given(
    content=files(odd=False), damage=st.sampled_from(["none", "none", "cut", "sum", "tail", "twice"]), data=st.data()
)
def test_zipped_files_are_read_as_astropy_reads_them(tmp_path_factory, content, damage, data):
    packed = gzip.compress(content)
    if damage == "cut":
        packed = packed[: data.draw(st.integers(0, len(packed) - 1))]
    elif damage == "sum":
        packed = packed[:-8] + b"12345678"
    elif damage == "tail":
        packed += data.draw(st.sampled_from([b"tail", b"\0" * 100]))
    elif damage == "twice":
        packed += packed
    path = tmp_path_factory.mktemp("zipped") / "a.fits.gz"
    path.write_bytes(packed)
    assert outcome(read_stamp, path) == outcome(by_astropy, path)


def test_a_zipped_stamp_is_plain_unless_it_is_enormous(tmp_path):
    image = np.arange(12, dtype=np.int16).reshape(3, 4)
    fits.writeto(tmp_path / "a.fits.gz", image)
    (plain,) = read_plain(str(tmp_path / "a.fits.gz"))
    assert np.array_equal(plain.data, image)
    with gzip.open(tmp_path / "b.fits.gz", "wb", compresslevel=1) as file:
        axes = [card("NAXIS", 2), card("NAXIS1", 2**13), card("NAXIS2", 2**13)]
        file.write(header([card("SIMPLE", "T"), card("BITPIX", 8), *axes]))
        file.write(bytes(-(-(2**26) // 2880) * 2880))
    assert read_plain(str(tmp_path / "b.fits.gz")) is None


def test_other_files_are_not_plain(tmp_path):
    image = np.arange(12, dtype=np.int16).reshape(3, 4)
    fits.writeto(tmp_path / "a.fits.bz2", image)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image)]).writeto(tmp_path / "b.fits")
    fits.PrimaryHDU().writeto(tmp_path / "c.fits")
    (tmp_path / "d.fits").mkdir()
    assert not any(read_plain(str(tmp_path / name)) for name in ("a.fits.bz2", "b.fits", "c.fits", "d.fits", "e.fits"))
