"""Pictures: read any file a crawl brings home as RGB, or say in one line why it cannot be read."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from tqdm import tqdm

MAX_PIXELS = 80_000_000  # above it a file is refused before it is decoded (240 MB of RGB)
NO_HASH = 0  # the hash of a picture without structure; a real pHash has about 32 bits set
FLAT_STD = 2.0  # grey levels of 255; below it the hash would be made of rounding noise
ORIENTATION = 0x0112  # EXIF tag

# What Pillow's decoders raise on damaged files, besides OSError.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
)


class ImageError(ValueError):
    """A picture that cannot be used; the message is one line, `<file>: reason`."""


@dataclass(frozen=True)
class ImageFacts:
    """What the data stage keeps of a picture: its size in pixels, as seen, and its hash."""

    width: int
    height: int
    hash: int


def load_rgb(path: Path | str) -> Image.Image:
    """Read a picture as upright 8-bit RGB, transparency laid on white.

    Grey of 16 bits or more is scaled, not clipped. CMYK is converted without colour management, as
    CLIP's own preprocessing does; JPEG's Adobe inversion is undone. Animations give their first
    frame. Raises ImageError for a file that is missing, empty, cut off, too large or no picture.
    """
    path = Path(path)
    data = _read_bytes(path)
    if _is_cut_jpeg(data):
        raise ImageError(f"{path}: truncated JPEG (its end marker is missing)")
    # Another library may have switched this on for the whole process: grey halves would pass.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{path}: {image.width} x {image.height} pixels is too large")
            image.load()
            return _to_rgb(_upright(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: too large ({error})") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: not an image in a known format") from error
    except DECODER_ERRORS as error:
        raise ImageError(f"{path}: damaged image ({' '.join(str(error).split())})") from error


def perceptual_hash(image: Image.Image) -> int:
    """64-bit DCT hash (imagehash.phash) as a signed int64; NO_HASH for a picture without structure.

    Similar pictures differ in few bits. All plain pictures would share one hash of rounding noise,
    so they get NO_HASH, which equals nothing.
    """
    grey = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    if np.asarray(grey, dtype=np.float32).std() < FLAT_STD:
        return NO_HASH
    bits = imagehash.phash(grey).hash.reshape(-1)
    return int(np.packbits(bits).view(">i8")[0])


def inspect(path: Path | str) -> ImageFacts:
    """Size and hash of one picture file; raises ImageError."""
    image = load_rgb(path)
    return ImageFacts(image.width, image.height, perceptual_hash(image))


def inspect_all(
    paths: Sequence[Path], workers: int | None = None, block: int = 4096
) -> Iterator[ImageFacts | ImageError]:
    """Inspect files on threads, in order; a bad file yields its error instead of raising it.

    Files are handed over in blocks, so that memory does not grow with their number.
    """
    workers = workers or min(8, os.cpu_count() or 1)
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(paths), desc="pictures", unit="file", delay=10) as bar,
    ):
        for start in range(0, len(paths), block):
            for result in pool.map(_inspect_or_error, paths[start : start + block]):
                bar.update()
                yield result


def _inspect_or_error(path: Path) -> ImageFacts | ImageError:
    try:
        return inspect(path)
    except ImageError as error:
        return error


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise ImageError(f"{path}: empty file (0 bytes)")
    return data


def _is_cut_jpeg(data: bytes) -> bool:
    """True for a JPEG whose picture data never ends: cut off, or padded with zeros after the cut.

    Pillow notices most cuts itself, but decodes a zero-filled remainder as grey without a word.
    Only the segments before the picture data are walked, since a thumbnail has an end marker too.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return False
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xDA:  # start of scan
            return data.find(b"\xff\xd9", position) < 0
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position + 4 > len(data)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; a damaged EXIF block means that none is known."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except DECODER_ERRORS:
        orientation = 1
    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _scaled_grey(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def _scaled_grey(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits, or of floats, as 8 bits: scaled by the range of its kind."""
    values = np.asarray(image, dtype=np.float64)
    top = float(np.nanmax(values))
    if image.mode.startswith("I;16"):
        ceiling = 65535.0
    else:
        ceiling = next((c for c in (1.0, 255.0, 65535.0) if top <= c), top)
    scaled = np.nan_to_num(values / ceiling * 255.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
