"""Reads FITS files of nothing but plain images, as most stamps are, many times as fast as astropy.

Astropy is the truth: whatever is in the least unusual about a file is left to it, and so is every complaint.
"""

from __future__ import annotations

import math
import os
import re
import zlib
from dataclasses import dataclass

import numpy as np

_BLOCK, _CARD = 2880, 80
_GZIP = b"\x1f\x8b"
#: A larger file takes longer to read than its header, whoever reads it.
_LARGEST = 64 * 2**20

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_AXES = [f"NAXIS{axis}".ljust(8).encode() for axis in range(1, 10)]
#: The keywords that decide the pixels or the name of an image.
_DECISIVE = {
    *(b"SIMPLE  ", b"XTENSION", b"BITPIX  ", b"NAXIS   ", *_AXES, b"PCOUNT  ", b"GCOUNT  ", b"GROUPS  "),
    *(b"BSCALE  ", b"BZERO   ", b"BLANK   ", b"EXTNAME "),
}
#: Cards whose keyword is what it looks like: astropy takes lower case for upper, and HIERARCH may spell any other.
_NAMES = b"|".join(keyword.strip() for keyword in sorted(_DECISIVE))
_CARDS = re.compile(rb"(?:(?=[A-Z0-9_-][A-Z0-9_ -]{7}| {8})(?!HIERARCH +(?i:" + _NAMES + rb") *=)[ -~\t]{80})+")
_COMMENT = rb" *(?:/.*)?"
_TRUE = re.compile(rb"= +T" + _COMMENT)
_IMAGE = re.compile(rb"= +'IMAGE *'" + _COMMENT)
_NAME = re.compile(rb"= +'([\w+.-](?:[\w+. -]*[\w+.-])?) *'" + _COMMENT)
_INTEGER = re.compile(rb"= +([+-]?\d{1,18})" + _COMMENT)
_REAL = re.compile(rb"= +([+-]?(?:\d+\.\d*|\.\d+|\d+(?=E))(?:E[+-]?\d+)?)" + _COMMENT)


class _UnusualError(Exception):
    """Something that is left to astropy."""


@dataclass(frozen=True, eq=False, slots=True)
class PlainImage:
    """One image of a file; as much of astropy's interface as a stamp needs."""

    name: str
    shape: tuple[int, ...]
    _file: bytes
    _start: int
    _bitpix: int
    _bscale: float
    _bzero: float
    _blank: int | None

    is_image = True

    @property
    def end(self) -> int:
        """Where the next header begins."""
        size = math.prod(self.shape) * abs(self._bitpix) // 8 if self.shape else 0
        return self._start + -(-size // _BLOCK) * _BLOCK

    @property
    def data(self) -> np.ndarray:
        """The pixels; the numbers are those that astropy makes of them, to the last digit."""
        count = math.prod(self.shape)
        raw = np.frombuffer(self._file, _DTYPES[self._bitpix], count, self._start).reshape(self.shape)
        if self._bscale == 1 and self._bzero == 0 and self._blank is None:
            return raw
        data: np.ndarray = raw.astype(np.float32 if self._bitpix in (8, 16, -32) else np.float64)
        if self._bscale != 1:
            np.multiply(data, self._bscale, out=data)
        if self._bzero != 0:
            np.add(data, self._bzero, out=data)
        if self._blank is not None:
            data[raw == self._blank] = np.nan
        return data


def read_plain(path: str) -> list[PlainImage] | None:
    """Read a file whole, zipped or not; None if astropy has to look at it."""
    try:
        file = _content(path)
        images = []
        at = 0
        while at < len(file):
            image = _image_at(file, at)
            images.append(image)
            at = image.end
        if at > len(file):
            return None
    except (_UnusualError, OSError, zlib.error):
        return None
    return images if any(sum(n > 1 for n in image.shape) > 1 for image in images) else None


def _content(path: str) -> bytes:
    # A file object of Python asks the system thrice as often, and hands over the interpreter's lock each time.
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(file).st_size
        if size > _LARGEST:
            raise _UnusualError
        content = os.read(file, size)
    finally:
        os.close(file)
    return _unzipped(content) if content.startswith(_GZIP) else content


def _unzipped(packed: bytes) -> bytes:
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)
    content = unzip.decompress(packed, _LARGEST)
    if not unzip.eof or unzip.unused_data:
        raise _UnusualError
    return content


def _image_at(file: bytes, start: int) -> PlainImage:
    cards, end = _decisive_cards(file, start)
    primary = start == 0
    first, kind = (b"SIMPLE  ", _TRUE) if primary else (b"XTENSION", _IMAGE)
    if not file.startswith(first, start) or not kind.fullmatch(cards[first]) or b"GROUPS  " in cards:
        raise _UnusualError
    if _integer(cards, b"PCOUNT  ", 0) != 0 or _integer(cards, b"GCOUNT  ", 1) != 1:
        raise _UnusualError
    bitpix = _integer(cards, b"BITPIX  ")
    axes = _integer(cards, b"NAXIS   ")
    if bitpix not in _DTYPES or not 0 <= axes <= len(_AXES):
        raise _UnusualError
    shape = tuple(_integer(cards, axis) for axis in reversed(_AXES[:axes]))
    if any(length < 1 for length in shape):
        raise _UnusualError
    bscale, bzero = _number(cards, b"BSCALE  ", 1), _number(cards, b"BZERO   ", 0)
    blank = _integer(cards, b"BLANK   ") if b"BLANK   " in cards and bitpix > 0 else None
    if blank is not None and (_is_unsigned(bitpix, bscale, bzero) or not _is_taken_for_blank(blank, bitpix)):
        raise _UnusualError
    if bitpix == 64 and (bscale != 1 or bzero != 0 or blank is not None):
        # Too many digits for a float64 on the way.
        raise _UnusualError
    name = "PRIMARY" if primary else ""
    if b"EXTNAME " in cards:
        match = _NAME.fullmatch(cards[b"EXTNAME "])
        if match is None:
            raise _UnusualError
        name = match[1].decode()
    return PlainImage(name, shape, file, end, bitpix, bscale, bzero, blank)


def _decisive_cards(file: bytes, start: int) -> tuple[dict[bytes, bytes], int]:
    """Read the header that starts here: the decisive cards without their keyword, and where it ends."""
    cards: dict[bytes, bytes] = {}
    for at in range(start, len(file), _CARD):
        keyword = file[at : at + 8]
        if keyword in _DECISIVE:
            if keyword in cards:
                raise _UnusualError
            cards[keyword] = file[at + 8 : at + _CARD]
        elif keyword == b"END     ":
            break
    else:
        raise _UnusualError
    if not _CARDS.fullmatch(file, start, at) or file[at + 8 : at + _CARD].strip(b" "):
        raise _UnusualError
    return cards, start + -(-(at + _CARD - start) // _BLOCK) * _BLOCK


def _integer(cards: dict[bytes, bytes], keyword: bytes, default: int | None = None) -> int:
    if keyword not in cards and default is not None:
        return default
    match = _INTEGER.fullmatch(cards.get(keyword, b""))
    if match is None:
        raise _UnusualError
    return int(match[1])


def _number(cards: dict[bytes, bytes], keyword: bytes, default: int) -> float:
    match = _REAL.fullmatch(cards.get(keyword, b""))
    return float(match[1]) if match else _integer(cards, keyword, default)


def _is_unsigned(bitpix: int, bscale: float, bzero: float) -> bool:
    """Say whether BZERO only turns the sign of integers, of which astropy takes none for blank."""
    return bscale == 1 and bzero == (-128 if bitpix == 8 else 2 ** (bitpix - 1))


def _is_taken_for_blank(blank: int, bitpix: int) -> bool:
    """Say whether astropy takes the number for blank at all, which it does not with zero."""
    limits = np.iinfo(_DTYPES[bitpix])
    return blank != 0 and limits.min <= blank <= limits.max
