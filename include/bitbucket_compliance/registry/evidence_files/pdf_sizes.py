"""How much the streams of a PDF document unpack to: a few bytes, packed twice, can fill a reader's memory."""

import io
import zlib
from typing import TYPE_CHECKING, Any

from bitbucket_compliance.registry.evidence_files.images import MOST_PIXELS
from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile

if TYPE_CHECKING:
    from pypdf.generic import StreamObject

#: Bytes that one stream may unpack to, in each step: a picture of ``MOST_PIXELS`` in three colours.
MOST_OF_ONE = 3 * MOST_PIXELS
#: Bytes that all of them may unpack to.
MOST_UNPACKED = 4 * MOST_OF_ONE
# Steps that pypdf unpacks, within limits of its own.
_TEXT_AND_RUNS = {
    "/ASCIIHexDecode": "ASCIIHexDecode",
    "/ASCII85Decode": "ASCII85Decode",
    "/LZWDecode": "LZWDecode",
    "/RunLengthDecode": "RunLengthDecode",
}
# Formats of pictures, with the names that Pillow has for those whose size stands in the picture itself.
_PICTURES = {"/DCTDecode": "JPEG", "/JPXDecode": "JPEG2000", "/CCITTFaxDecode": None, "/JBIG2Decode": None}


class UnpackedSize:
    """Adds up what streams unpack to."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, stream: "StreamObject") -> None:
        """Count one stream.

        Raises:
            UnfitFile: it unpacks to more than is taken, alone or with those before it, or can't be unpacked.
        """
        filters = _listed(stream.get("/Filter"))
        parameters = _listed(stream.get("/DecodeParms"))
        if stream.get("/Subtype") == "/Image":
            _refuse_pixels(stream.get("/Width", 0), stream.get("/Height", 0))
        data = stream._data
        for at, name in enumerate(filters):
            if name in _PICTURES:
                _refuse_picture(str(name), data, parameters[at] if at < len(parameters) else None)
                break
            data = _unpacked(str(name), data)
            self._bytes += len(data)
            if len(data) > MOST_OF_ONE or self._bytes > MOST_UNPACKED:
                raise _too_much()


def _unpacked(name: str, data: bytes) -> bytes:
    """One step of unpacking, stopped where it becomes too much."""
    if name == "/FlateDecode":
        return _inflated(data)
    if name not in _TEXT_AND_RUNS:
        raise UnfitFile(f"holds data packed as {ascii(name)[1:40]}, which is not known; print it to a new PDF")
    from pypdf import apply_configuration, filters
    from pypdf.errors import LimitReachedError

    try:
        with apply_configuration(lzw_maximum_output_length=MOST_OF_ONE, run_length_maximum_output_length=MOST_OF_ONE):
            unpacked: bytes = getattr(filters, _TEXT_AND_RUNS[name]).decode(data)
    except LimitReachedError:
        raise _too_much() from None
    return unpacked


def _inflated(data: bytes) -> bytes:
    """As far as it can be inflated: readers show what comes before the damage."""
    inflating = zlib.decompressobj()
    try:
        return inflating.decompress(data, MOST_OF_ONE + 1)
    except zlib.error:
        pass
    inflating, inflated = zlib.decompressobj(), bytearray()
    for at in range(0, len(data), 256):
        try:
            inflated += inflating.decompress(data[at : at + 256], MOST_OF_ONE + 1 - len(inflated))
        except zlib.error:
            break
        if len(inflated) > MOST_OF_ONE:
            break
    if data and not inflated:
        raise UnfitFile("holds data that can't be unpacked; print it to a new PDF")
    return bytes(inflated)


def _refuse_picture(name: str, data: bytes, parameters: Any) -> None:
    """Refuse a picture inside of a document that is too large once it is decoded."""
    if name == "/CCITTFaxDecode" and isinstance(parameters, dict):
        _refuse_pixels(parameters.get("/Columns", 1728), parameters.get("/Rows", 0))
    if (image_format := _PICTURES[name]) is not None:
        from PIL import Image

        width, height = Image.open(io.BytesIO(data), formats=[image_format]).size
        _refuse_pixels(width, height)


def _refuse_pixels(width: Any, height: Any) -> None:
    if int(width) * int(height) > MOST_PIXELS:
        raise UnfitFile(
            f"holds a picture of more than {MOST_PIXELS // 1_000_000} million pixels; hand in a smaller cut"
        )


def _too_much() -> UnfitFile:
    return UnfitFile(
        f"unpacks to more than {MOST_OF_ONE // 1_000_000} MB in one part or {MOST_UNPACKED // 1_000_000} MB in all; "
        "print it to a new PDF"
    )


def _listed(value: Any) -> list[Any]:
    """One value or several, each looked up."""
    found = value.get_object() if value is not None else []
    return [one.get_object() for one in found] if isinstance(found, list) else [found]
