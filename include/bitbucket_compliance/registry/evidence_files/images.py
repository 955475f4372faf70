"""Pictures: decoded to the last pixel and written anew, so that nothing but pixels is kept."""

import io
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageOps, JpegImagePlugin

from bitbucket_compliance.registry.evidence_files.types import ImageFormat
from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile, refuse_markup

# Four 4K screens side by side have 33 million.
MOST_PIXELS = 40_000_000

_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
# In a scan, 0xFF stands before 0x00 (itself) or a restart; before anything else it begins the next segment. Of several
# in a row the last one is found: an expression that takes them all would look at each row once for each of its bytes.
_JPEG_NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# APP2 that begins so says that further pictures follow (CIPA DC-007): phones keep a preview or a depth map there.
_JPEG_APP2 = 0xE2
_JPEG_SEVERAL = b"MPF\x00"
# APP0 (JFIF) and APP14 (Adobe) say how to read the colours; the other APPn and comments are metadata.
_JPEG_METADATA = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})


def clean_image(content: bytes, image_format: ImageFormat) -> bytes:
    """The same picture without metadata: no EXIF, XMP, ICC profile, text or thumbnail.

    PNG and WebP keep every pixel; in JPEG, what differs can't be seen. A picture that EXIF turns is turned. Of a JPEG
    that says it holds several pictures, as phones make them, the first one is kept.

    Raises:
        UnfitFile: it is broken, cut off, too large, animated, or more than a picture.
    """
    try:
        single = _first_of_several(content) if image_format == "JPEG" else content
        end = _ENDS[image_format](single)
    except (IndexError, ValueError):
        raise UnfitFile("is cut off or broken: the picture does not end; save it again") from None
    if end < len(single):
        raise UnfitFile(f"has {len(single) - end} bytes behind the end of the picture; take a new screenshot")
    refuse_markup(content)
    cleaned = _written_anew(_decoded(single, image_format), image_format)
    refuse_markup(cleaned)
    return cleaned


def _decoded(content: bytes, image_format: ImageFormat) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=[image_format])
        if image.width * image.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        if getattr(image, "n_frames", 1) > 1:
            raise UnfitFile("holds several pictures (it is animated); hand in one")
        image.load()
    except (UnfitFile, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnfitFile(f"has more than {MOST_PIXELS // 1_000_000} million pixels; hand in a smaller cut") from None
    except Exception as broken:  # decoders of broken pictures raise whatever they stumble over
        raise UnfitFile("is cut off or broken: it can't be decoded; save it again") from broken
    return image


def _written_anew(image: Image.Image, image_format: ImageFormat) -> bytes:
    options = _WRITE[image_format](image)
    upright = ImageOps.exif_transpose(image)
    if image_format == "JPEG" and upright.mode not in ("L", "RGB"):
        upright = upright.convert("RGB")
    # Transparency of a palette or of one colour is a part of the picture; whatever else stands here is metadata.
    upright.info = {name: value for name, value in upright.info.items() if name == "transparency"}
    written = io.BytesIO()
    upright.save(written, image_format, **options)
    return written.getvalue()


def _jpeg_options(image: Image.Image) -> dict[str, Any]:
    # The picture's own quantisation rounds most numbers to what they were; colours are not thinned out a second time.
    tables = list(image.quantization.values()) if isinstance(image, JpegImagePlugin.JpegImageFile) else []
    fits = image.mode in ("L", "RGB") and tables and max(map(max, tables)) < 256
    return {"subsampling": 0} | ({"qtables": tables} if fits else {"quality": 95})


_WRITE: Mapping[ImageFormat, Callable[[Image.Image], dict[str, Any]]] = {
    "PNG": lambda _: {},
    "JPEG": _jpeg_options,
    "WEBP": lambda _: {"lossless": True, "exact": True, "quality": 20, "method": 1},
}


# -------------------------------------------------------------- where pictures end


def _png_end(content: bytes) -> int:
    at = 8
    while True:
        length, name = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        at += 12 + length
        if at > len(content) or len(name) < 4:
            raise ValueError
        if name == b"IEND":
            return at


def _webp_end(content: bytes) -> int:
    length = int.from_bytes(content[4:8], "little")
    end = 8 + length + length % 2
    if end > len(content):
        raise ValueError
    return end


def _jpeg_end(content: bytes) -> int:
    *_, (_, _, end) = jpeg_segments(content)
    return end


def jpeg_segments(content: bytes) -> list[tuple[int, int, int]]:
    """The segments of a JPEG file to the end of its picture: (marker, start, end); a scan reaches to what follows it.

    Raises:
        ValueError, IndexError: it does not end.
    """
    segments = [(0xD8, 0, 2)]
    at = 2
    while segments[-1][0] != _JPEG_END:
        start = at
        if content[at] != 0xFF:
            raise ValueError
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker not in _JPEG_BARE and marker != _JPEG_END:
            length = int.from_bytes(content[at : at + 2])
            if length < 2:
                raise ValueError
            at += length
        if marker == _JPEG_SCAN:
            following = _JPEG_NEXT.search(content, at)
            if following is None:
                raise ValueError
            at = following.start()
        segments.append((marker, start, at))
    return segments


def _first_of_several(content: bytes) -> bytes:
    """The first picture of a JPEG that says it holds several, without saying so; any other JPEG as it is."""
    segments = jpeg_segments(content)
    if not any(
        content[start + 4 : start + 8] == _JPEG_SEVERAL for marker, start, _ in segments if marker == _JPEG_APP2
    ):
        return content
    return b"".join(content[start:end] for marker, start, end in segments if marker != _JPEG_APP2)


def without_metadata(jpeg: bytes) -> bytes:
    """A JPEG picture inside of another file, without EXIF, comments and what follows it; broken ones stay.

    Its compressed pixels are not touched.
    """
    try:
        segments = jpeg_segments(jpeg)
    except (IndexError, ValueError):
        return jpeg
    return b"".join(jpeg[start:end] for marker, start, end in segments if marker not in _JPEG_METADATA)


_ENDS: Mapping[ImageFormat, Callable[[bytes], int]] = {"PNG": _png_end, "JPEG": _jpeg_end, "WEBP": _webp_end}
