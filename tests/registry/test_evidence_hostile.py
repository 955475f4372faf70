"""Hostile and unfit files: each is refused with its own reason, and nothing of it is stored."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject, TextStringObject

from bitbucket_compliance.core.errors import EvidenceRefused, PersonUnclear
from bitbucket_compliance.registry.evidence import LARGEST_FILE
from tests.registry.files import bomb, chunk_in_png, document, export, opens_with, picture, pixels
from tests.registry.world import Registry, today

PAGE = b"<html><body><script>alert(1)</script></body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def padded(content: bytes, size: int) -> bytes:
    """A PNG as large as wanted, all of it inside of the picture."""
    return chunk_in_png(content, b"prVt", b"\x01" * (size - len(content) - 12))


def zipped() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("shot.png", picture())
    return written.getvalue()


def animated(image_format: str) -> bytes:
    other = pixels().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture(image_format, save_all=True, append_images=[other], duration=100)


def attached(writer: PdfWriter) -> None:
    writer.add_attachment("tool.exe", b"MZ")


def annotated(subtype: str) -> Callable[[PdfWriter], None]:
    def change(writer: PdfWriter) -> None:
        note = DictionaryObject(
            {NameObject("/Type"): NameObject("/Annot"), NameObject("/Subtype"): NameObject(subtype)}
        )
        writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(note)])

    return change


def form(writer: PdfWriter) -> None:
    fields = DictionaryObject({NameObject("/XFA"): TextStringObject("<xdp/>")})
    writer._root_object[NameObject("/AcroForm")] = fields


def named_script(writer: PdfWriter) -> None:
    script = DictionaryObject({NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x")})
    tree = DictionaryObject({NameObject("/Names"): ArrayObject([TextStringObject("n"), writer._add_object(script)])})
    writer._root_object[NameObject("/Names")] = DictionaryObject({NameObject("/JavaScript"): tree})


def field_script(writer: PdfWriter) -> None:
    """A script on a page, behind references and a list."""
    script = StreamObject()
    script._data = b"app.alert(1)"
    todo = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): writer._add_object(script)}
    )
    writer.pages[0][NameObject("/AA")] = DictionaryObject({NameObject("/O"): writer._add_object(todo)})


PICTURES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    # name: (name of the file, its content, what the refusal says)
    "a PDF called PNG": ("shot.png", document, "is a PDF document, its name says .png"),
    "a PNG called PDF": ("shot.pdf", picture, "is a PNG picture, its name says .pdf"),
    "a JPEG called PNG": ("shot.png", lambda: picture("JPEG"), "is a JPEG picture, its name says .png"),
    "a PNG called HTML": ("shot.html", picture, "its name says .html"),
    "a PNG with two endings": ("shot.png.exe", picture, "its name says .exe"),
    "a page called PNG": ("shot.png", lambda: PAGE, "is HTML or another markup"),
    "a page called CSV": ("export.csv", lambda: b"\xef\xbb\xbf\n <!DOCTYPE html>" + PAGE, "is HTML or another markup"),
    "a page behind a comment": ("export.csv", lambda: b"<!-- a,b -->" + PAGE, "is HTML or another markup"),
    "SVG with a script": ("shot.svg", lambda: SVG, "is an SVG picture, which can run scripts"),
    "SVG called PNG": ("shot.png", lambda: SVG, "is an SVG picture, which can run scripts"),
    "PNG and HTML: behind the picture": ("shot.png", lambda: picture() + PAGE, "bytes behind the end of the picture"),
    "PNG and HTML: inside of the picture": (
        "shot.png",
        lambda: chunk_in_png(picture(), b"tEXt", b"Comment\x00" + PAGE),
        "holds HTML markup",
    ),
    "JPEG and HTML: in a comment": ("shot.jpg", lambda: picture("JPEG", comment=PAGE), "holds HTML markup"),
    "JPEG and ZIP": ("shot.jpg", lambda: picture("JPEG") + zipped(), "bytes behind the end of the picture"),
    "WebP and HTML": ("shot.webp", lambda: picture("WEBP") + PAGE, "bytes behind the end of the picture"),
    "a decompression bomb": ("shot.png", bomb, "more than 40 million pixels"),
    "a smaller bomb": ("shot.png", lambda: bomb(8000, 5001), "more than 40 million pixels"),
    "a bomb in a text": (
        "shot.png",
        lambda: chunk_in_png(picture(), b"zTXt", b"Comment\x00\x00" + zlib.compress(b"a" * 20_000_000)),
        "can't be decoded",
    ),
    "a WebP of huge dimensions": (
        "shot.webp",
        lambda: picture("WEBP", Image.new("RGB", (16_383, 3_000)), quality=1, method=0),
        "more than 40 million pixels",
    ),
    "an animated WebP": ("shot.webp", lambda: animated("WEBP"), "holds several pictures"),
    "an animated PNG": ("shot.png", lambda: animated("PNG"), "holds several pictures"),
    "10 MB and one byte": ("shot.png", lambda: padded(picture(), LARGEST_FILE + 1), "is larger than 10 MB"),
    "empty": ("shot.png", lambda: b"", "is empty"),
    "a cut-off PNG": ("shot.png", lambda: picture()[:-30], "does not end"),
    "a cut-off JPEG": ("shot.jpg", lambda: picture("JPEG")[:-20], "does not end"),
    "a cut-off WebP": ("shot.webp", lambda: picture("WEBP")[:-10], "does not end"),
    "a PNG with a wrong checksum": (
        "shot.png",
        lambda: picture().replace(b"IDAT", b"IDAT\x00", 1)[:-1] + b"\x82",
        "broken",
    ),
    "nothing but the beginning of a PNG": ("shot.png", lambda: b"\x89PNG\r\n\x1a\n", "does not end"),
    "nothing but the beginning of a JPEG": ("shot.jpg", lambda: b"\xff\xd8\xff", "does not end"),
    "a GIF": ("shot.gif", lambda: picture("GIF"), "is a GIF picture"),
    "a GIF called PNG": ("shot.png", lambda: picture("GIF"), "is a GIF picture"),
    "a BMP": ("shot.bmp", lambda: picture("BMP"), "is a BMP picture"),
    "a TIFF": ("shot.tiff", lambda: picture("TIFF"), "is a TIFF picture"),
    "a ZIP archive": ("shot.zip", zipped, "is a ZIP archive or an Office document"),
    "a ZIP archive called PDF": ("shot.pdf", zipped, "is a ZIP archive or an Office document"),
    "a program": ("shot.png", lambda: b"MZ\x90\x00" + b"\x00" * 100, "is a program"),
    "bytes of no type": ("shot.png", lambda: bytes(range(256)) * 4, "is of no type that is known"),
}
DOCUMENTS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a script that is run": ("a.pdf", lambda: document(change=opens_with("/JavaScript", JS="x")), "JavaScript"),
    "a script by name": ("a.pdf", lambda: document(change=named_script), "JavaScript"),
    "a script on a page": ("a.pdf", lambda: document(change=field_script), "JavaScript"),
    "a program that starts": ("a.pdf", lambda: document(change=opens_with("/Launch", F="x")), "starts a program"),
    "a form that sends itself": ("a.pdf", lambda: document(change=opens_with("/SubmitForm", F="x")), "sends a form"),
    "an attachment": ("a.pdf", lambda: document(change=attached), "an embedded file"),
    "an attachment on a page": ("a.pdf", lambda: document(change=annotated("/FileAttachment")), "an embedded file"),
    "a film": ("a.pdf", lambda: document(change=annotated("/RichMedia")), "media that play"),
    "an XFA form": ("a.pdf", lambda: document(change=form), "an XFA form"),
    "a password": ("a.pdf", lambda: document(password="p"), "is encrypted"),
    "an empty password": ("a.pdf", lambda: document(change=lambda writer: writer.encrypt("", "owner")), "is encrypted"),
    "cut off": ("a.pdf", lambda: document()[:-20], "does not end"),
    "broken": ("a.pdf", lambda: b"%PDF-1.7\n1 0 obj <<\n%%EOF\n", "can't be read"),
    "no pages": ("a.pdf", lambda: document(0), "has 0 pages"),
    "very many pages": ("a.pdf", lambda: document(101), "has 101 pages"),
    "a page behind it": ("a.pdf", lambda: document() + PAGE, "bytes behind the end of the document"),
    "an archive behind it": ("a.pdf", lambda: document() + zipped(), "bytes behind the end of the document"),
    "bytes before it": ("a.pdf", lambda: b"GARBAGE\n" + document(), "bytes before the beginning of a PDF"),
    "a page inside of it": (
        "a.pdf",
        lambda: document().replace(b"%PDF-1.3\n", b"%PDF-1.3\n%" + PAGE + b"\n", 1),
        "holds HTML markup",
    ),
}  # fmt: skip
TABLES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "Cyrillic": ("e.csv", lambda: export("a@x.io,id-a,on") + "Ада,,on\n".encode("cp1251"), "line 3: is not UTF-8"),
    "half of UTF-16": ("e.csv", lambda: export("a@x.io,id-a,on").decode().encode("utf-16")[:-1], "is none"),
    "100,000 lines": ("e.csv", lambda: export(*(f"p{n}@x.io,,on" for n in range(99_999))), "has 100,000 lines"),
    "one line too many": ("e.csv", lambda: export(*(f"p{n}@x.io,,on" for n in range(50_000))), "has 50,001 lines"),
    "very many columns": ("e.csv", lambda: export("," * 2000 + "x"), "has 2,001 columns"),
    "10 MB and one byte": ("e.csv", lambda: b"Email,2FA\n" + b"a" * LARGEST_FILE, "is larger than 10 MB"),
    "blank lines": ("e.csv", lambda: b"\n\n , ,\n", "is empty"),
    "nobody": ("e.csv", export, "lists nobody"),
    "no such columns": ("e.csv", lambda: b"one,two\n1,2\n", "missing column email or account_id"),
    "a quote that never ends": ("e.csv", lambda: export('a@x.io,"id-a,on', "b@x.io,,off"), "unexpected end of data"),
    "a quote in the middle": ("e.csv", lambda: export('a@x.io,"id"-a,on'), "line 2"),
    "a row of more cells": ("e.csv", lambda: export("a@x.io,id-a,on,more"), "line 2: has 4 cells, the header has 3"),
    "NUL characters": ("e.csv", lambda: export("a@x.io,i\x00d,on"), "holds NUL bytes"),
    "another ending": ("e.html", lambda: export("a@x.io,id-a,on"), "its name says .html"),
}  # fmt: skip
FILES = {f"{kind}: {name}": file for kind, files in [
    ("picture", PICTURES), ("document", DOCUMENTS), ("table", TABLES),
] for name, file in files.items()}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_an_unfit_file_is_refused_with_its_reason_and_nothing_is_stored(registry: Registry, case: str) -> None:
    name, content, reason = FILES[case]
    is_table = case.startswith("table")
    with pytest.raises(EvidenceRefused, match=re.escape(reason)) as refused:
        registry.submit(
            "user_mfa_enabled" if is_table or name.endswith(".csv") else "workspace_mfa_enforced",
            None,
            file=(name, content()),
        )
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(name)
    assert registry.is_empty()


@pytest.mark.parametrize(("name", "reason"), [
    ("../shot.png", "is a path"), ("a/b.png", "is a path"), ("/etc/shot.png", "is a path"), ("..", "is a path"),
    (r"..\shot.png", "is a path"), (r"C:\shot.png", "is a path"), ("C:shot.png", "is a path"), ("", "is a path"),
    ("shot\x00.png", "control characters"), ("sh\not.png", "control characters"), ("shot\u202egnp.exe", "control"),
    ("shot\ud800.png", "control characters"), ("a" * 300 + ".png", "longer than 200 characters"),
])  # fmt: skip
def test_a_name_that_is_no_plain_name_is_refused(registry: Registry, name: str, reason: str) -> None:
    with pytest.raises(EvidenceRefused, match=reason) as refused:
        registry.submit(file=(name, picture()))
    assert str(refused.value).isprintable()
    assert registry.is_empty()


@pytest.mark.parametrize(
    "name", ["shot.PNG", "screenshot", "Bildschirmfoto 2026-03-31 um 10.20.30.png", "写真.png", "a.b.png"]
)
def test_any_plain_name_is_fine(registry: Registry, name: str) -> None:
    registry.submit(file=(name, picture()))
    assert registry.row("SELECT file_name FROM registry.evidence")["file_name"] == name


def test_a_file_of_exactly_10_mb_is_taken(registry: Registry) -> None:
    content = padded(picture(), LARGEST_FILE)
    assert len(content) == LARGEST_FILE
    registry.submit(file=("shot.png", content))
    assert len(registry.kept()) == 1


@pytest.mark.parametrize("there", ["nowhere.png", ".", "/dev/zero"])
def test_what_is_no_file_is_refused(registry: Registry, tmp_path: Path, there: str) -> None:
    with pytest.raises(EvidenceRefused, match="no such file"):
        registry.submit(file=tmp_path / there)
    assert registry.is_empty()


@pytest.mark.parametrize(("claim", "reason"), [
    ({"test_id": "holidays"}, "there is no test 'holidays'; the tests are repo_classified"),
    ({"scope": "planet"}, "there is no scope 'planet'; the scopes are workspace, project, repository, members"),
    ({"workspace": None}, "no workspace is given"), ({"workspace": "  "}, "no workspace is given"),
    ({"workspace": "a/b"}, "is no workspace slug"), ({"workspace": "<script>"}, "is no workspace slug"),
    ({"by": " "}, "names no person"), ({"by": "airflow:ada\x00"}, "names no person"),
    ({"by": "ada"}, "names no person"),
    ({"note": "a\x07"}, "the note holds control characters"), ({"note": "a" * 2001}, "2000 are the most"),
    ({"targets": ["core"]}, "target core is given, but scope workspace"),
    ({"scope": "project"}, "scope project needs targets; give project keys"),
    ({"scope": "repository", "targets": [" ", ""]}, "scope repository needs targets"),
    ({"scope": "repository", "targets": ["a\x00b"]}, "is no name"),
    ({"scope": "repository", "targets": [str(n) for n in range(5001)]}, "5000 are the most"),
    ({"test_id": "user_mfa_enabled", "scope": "members"}, "scope members needs targets"),
    ({"test_id": "user_mfa_enabled", "scope": "project", "targets": ["core"]}, "it can be: workspace, members"),
    ({"test_id": "workspace_mfa_enforced", "scope": "project", "targets": ["core"]}, "it can be: workspace"),
    ({"scope": "members", "targets": ["a@x.io"]}, "it can be: workspace, project, repository"),
    ({"captured_on": today() + timedelta(days=1)}, "lies in the future"),
    ({"file": ("e.csv", export("a@x.io,,on")), "scope": None}, "says nothing of branch_protection_enforced"),
    ({"file": ("e.csv", export("a@x.io,,on")), "test_id": "user_mfa_enabled"}, "an export name its members"),
])  # fmt: skip
def test_a_claim_that_cant_be_is_refused_and_nothing_is_stored(
    registry: Registry, claim: dict[str, object], reason: str
) -> None:
    with pytest.raises((EvidenceRefused, PersonUnclear), match=re.escape(reason)) as refused:
        registry.submit(**claim)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert registry.is_empty()
