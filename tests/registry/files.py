"""Files for the tests of evidence, made on the spot: pictures, documents, tables."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, TextStringObject

PLACE = "48 deg 51 min"
EXPORT = "Email,Atlassian ID,Two-step verification\n"


def pixels(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture that is not of one colour."""
    image = Image.new("RGB", size)
    image.putdata([(x * 4 % 256, y * 6 % 256, (x * y) % 256) for y in range(size[1]) for x in range(size[0])])
    return image.convert(mode)


def picture(image_format: str = "PNG", image: Image.Image | None = None, **options: Any) -> bytes:
    """A picture as a file."""
    written = io.BytesIO()
    (image or pixels()).save(written, image_format, **options)
    return written.getvalue()


def with_metadata(image_format: str, image: Image.Image | None = None, orientation: int = 1) -> bytes:
    """A picture that tells where, by whom and with what it was made."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Secret Phones Ltd"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = PLACE.encode()
    options: dict[str, Any] = {"exif": exif, "icc_profile": b"secret profile"}
    if image_format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Author", "Secret Person")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>Secret xmp</x:xmpmeta>")
    if image_format == "JPEG":
        options |= {"comment": b"Secret comment", "quality": 90}
    if image_format == "WEBP":
        options |= {"xmp": b"<x:xmpmeta>Secret xmp</x:xmpmeta>", "lossless": True}
    return picture(image_format, image, **options)


def opened(content: bytes) -> Image.Image:
    """The picture of a file."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A small PNG of very many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packed = zlib.compressobj(9)
    line = b"\x00" * (1 + (width + 7) // 8)
    body = b"".join(packed.compress(line) for _ in range(height)) + packed.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk_in_png(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return png[:33] + chunk + png[33:]


def document(pages: int = 1, *, photo: bytes | None = None, change: Any = None, password: str | None = None) -> bytes:
    """A PDF with empty pages, or a photo on each; ``change`` gets the writer before it is written."""
    writer = PdfWriter()
    for _ in range(pages):
        page = writer.add_blank_page(width=200, height=100)
        if photo is not None:
            page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): _photo(writer, photo)})
    writer.add_metadata({"/Author": "Secret Person", "/Title": "Secret title"})
    if change:
        change(writer)
    if password:
        writer.encrypt(password)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _photo(writer: PdfWriter, photo: bytes) -> DictionaryObject:
    stream = DecodedStreamObject()
    stream.set_data(photo)
    image = opened(photo)
    for name, value in {"/Type": "/XObject", "/Subtype": "/Image", "/Filter": "/DCTDecode"}.items():
        stream[NameObject(name)] = NameObject(value)
    from pypdf.generic import NumberObject

    stream[NameObject("/Width")], stream[NameObject("/Height")] = NumberObject(image.width), NumberObject(image.height)
    stream[NameObject("/ColorSpace")], stream[NameObject("/BitsPerComponent")] = (
        NameObject("/DeviceRGB"),
        NumberObject(8),
    )
    return DictionaryObject({NameObject("/Photo"): writer._add_object(stream)})


def action(kind: str, **more: str) -> DictionaryObject:
    """An action of a PDF."""
    return DictionaryObject(
        {NameObject("/S"): NameObject(kind)}
        | {NameObject(f"/{name}"): TextStringObject(value) for name, value in more.items()}
    )


def opens_with(kind: str, **more: str) -> Any:
    """A change that gives a document an action when it is opened."""

    def change(writer: PdfWriter) -> None:
        writer._root_object[NameObject("/OpenAction")] = action(kind, **more)

    return change


def export(*rows: str) -> bytes:
    """A two-step verification export."""
    return (EXPORT + "".join(f"{row}\n" for row in rows)).encode()
