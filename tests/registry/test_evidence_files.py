"""What is kept of a file: its picture, its pages, its rows, and nothing that nobody meant to hand in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps
from pypdf import PdfReader

from bitbucket_compliance.core.errors import EvidenceStoreUnavailable
from bitbucket_compliance.registry.evidence import open_evidence
from bitbucket_compliance.registry.evidence_files.apart import clean_file
from bitbucket_compliance.registry.evidence_files.checks import sha256_of
from bitbucket_compliance.registry.evidence_files.contents import cleaner_of, recognised
from bitbucket_compliance.registry.evidence_files.store import base_url, keep, read_kept
from bitbucket_compliance.registry.evidence_files.unfit import UnfitFile
from tests.registry.files import document, export, opened, opens_with, picture, pixels, with_metadata
from tests.registry.world import Registry

SECRETS = (b"Secret", b"secret", b"48 deg", b"xmpmeta", b"Exif")
SUFFIX = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}


def cleaned(content: bytes, name: str = "shot") -> bytes:
    return clean_file(name, content).content


# ------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("image_format", SUFFIX)
def test_metadata_is_gone_from_what_is_kept(registry: Registry, image_format: str) -> None:
    submitted = with_metadata(image_format)
    assert any(secret in submitted for secret in SECRETS)
    registry.submit(file=(f"shot.{SUFFIX[image_format]}", submitted))
    (kept,) = registry.kept()
    content = kept.read_bytes()
    assert [secret for secret in SECRETS if secret in content] == []
    assert not opened(content).getexif()
    assert not {"exif", "icc_profile", "xmp", "Author", "comment"} & set(opened(content).info)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_keeps_every_pixel(mode: str) -> None:
    image = (
        pixels("L").convert("I").point(lambda value: value * 200).convert("I;16") if mode == "I;16" else pixels(mode)
    )
    kept = opened(cleaned(with_metadata("PNG", image)))
    assert (kept.mode, kept.size, kept.tobytes()) == (image.mode, image.size, image.tobytes())


@pytest.mark.parametrize(("mode", "transparency"), [("P", 3), ("P", bytes(range(256))), ("RGB", (1, 2, 3)), ("L", 7)])
def test_a_png_keeps_what_is_transparent(mode: str, transparency: Any) -> None:
    submitted = picture("PNG", pixels(mode), transparency=transparency)
    kept = opened(cleaned(submitted))
    assert kept.convert("RGBA").tobytes() == opened(submitted).convert("RGBA").tobytes()


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 60}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_keeps_every_pixel(mode: str, options: dict[str, Any]) -> None:
    submitted = picture("WEBP", pixels(mode), **options)
    assert opened(cleaned(submitted)).tobytes() == opened(submitted).tobytes()


@pytest.mark.parametrize("options", [
    {"quality": 30}, {"quality": 90}, {"quality": 100, "subsampling": 0}, {"progressive": True},
    {"restart_marker_rows": 1},
])  # fmt: skip
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_looks_the_same(mode: str, options: dict[str, Any]) -> None:
    submitted = picture("JPEG", pixels(mode, (160, 120)), **options)
    kept = opened(cleaned(submitted))
    before, after = opened(submitted).convert("RGB"), kept.convert("RGB")
    difference = ImageChops.difference(before, after).convert("L").histogram()
    mean = sum(level * count for level, count in enumerate(difference)) / (160 * 120)
    assert mean < 3.5  # of 255, for a picture that is nearly noise
    assert kept.format == "JPEG"


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_its_metadata_turns_is_turned(image_format: str) -> None:
    submitted = with_metadata(image_format, pixels(), orientation=6)
    kept = opened(cleaned(submitted))
    assert kept.size == (40, 60)
    expected = ImageOps.exif_transpose(opened(submitted))
    assert ImageChops.difference(kept.convert("L"), expected.convert("L")).getextrema()[1] < 40


def test_cleaning_what_is_clean_changes_nothing() -> None:
    once = cleaned(with_metadata("PNG"))
    assert cleaned(once) == once


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_file_is_refused_or_harmless(data: st.DataObject) -> None:
    image_format = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "PDF"]))
    whole = document() if image_format == "PDF" else with_metadata(image_format)
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    damaged = bytes(content[: cut if data.draw(st.booleans()) else len(content)])
    try:
        # In this process: two hundred others would take minutes.
        kept = cleaner_of(recognised(damaged, ""))(damaged)
    except UnfitFile:
        return
    assert b"Secret" not in kept or kept == damaged  # what still is text is a table, kept as it is


# ----------------------------------------------------------------------- documents


def test_a_document_keeps_its_pages_and_nothing_else() -> None:
    submitted = document(3, change=lambda writer: writer.add_outline_item(title="Secret outline", page_number=0))
    kept = cleaned(submitted)
    reader = PdfReader(io.BytesIO(kept))
    assert [page.mediabox.width for page in reader.pages] == [200, 200, 200]
    assert kept.startswith(b"%PDF-")
    assert b"Secret" not in kept
    assert not reader.metadata
    assert reader.xmp_metadata is None


def test_pictures_in_a_document_lose_their_metadata_and_no_pixel() -> None:
    photo = with_metadata("JPEG")
    submitted = document(photo=photo)
    kept = cleaned(submitted)
    assert b"Secret" in submitted
    assert [secret for secret in SECRETS if secret in kept] == []
    page = PdfReader(io.BytesIO(kept)).pages[0]
    stream = page["/Resources"]["/XObject"]["/Photo"]  # type: ignore[index]
    assert opened(stream._data).tobytes() == opened(photo).tobytes()


def test_a_document_that_opens_on_a_page_or_links_to_the_web_is_fine() -> None:
    kept = cleaned(document(change=opens_with("/URI", URI="https://example.com")))
    assert b"OpenAction" not in kept


# --------------------------------------------------------------------------- store


def test_the_same_content_is_kept_once_under_its_hash(registry: Registry) -> None:
    registry.submit("status_checks_required", file=("one.png", picture()))
    registry.submit("peer_review_required", file=("two.png", with_metadata("PNG")))
    (kept,) = registry.kept()
    sha256 = sha256_of(kept.read_bytes())
    assert kept.relative_to(registry.store) == Path(sha256[:2]) / f"{sha256}.png"
    rows = registry.rows("SELECT * FROM registry.evidence ORDER BY file_name")
    assert [row["file_sha256"] for row in rows] == [sha256, sha256]
    assert [row["storage_url"] for row in rows] == [kept.as_uri()] * 2
    assert [row["size_bytes"] for row in rows] == [kept.stat().st_size] * 2
    assert [row["media_type"] for row in rows] == ["image/png"] * 2
    assert [row["submitted_sha256"] for row in rows] == [sha256_of(picture()), sha256_of(with_metadata("PNG"))]


def test_a_kept_file_is_for_its_owner_alone_and_never_overwritten(registry: Registry) -> None:
    registry.submit("status_checks_required")
    (kept,) = registry.kept()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_bytes(b"something else")
    with pytest.raises(EvidenceStoreUnavailable, match="somebody changed it"):
        registry.submit("peer_review_required")
    registry.database.rollback()
    assert kept.read_bytes() == b"something else"
    assert len(registry.rows("SELECT 1 FROM registry.evidence")) == 1


def test_a_store_that_cant_be_written_leaves_no_row(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.store.write_text("a file where the folder should be")
    with pytest.raises(EvidenceStoreUnavailable, match="COMPLIANCE_EVIDENCE_URL: the store file:") as failed:
        registry.submit()
    assert "\n" not in str(failed.value)
    registry.database.rollback()
    assert registry.rows("SELECT 1 FROM registry.evidence") == []


@pytest.mark.parametrize("url", ["s3x://nowhere/at/all", "memory:bad"])
def test_a_store_that_is_none_is_told_with_its_url(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", url)
    if "://" not in url:
        assert base_url().startswith("file://")
        return
    with pytest.raises(EvidenceStoreUnavailable, match=url):
        registry.submit()
    registry.database.rollback()


def test_an_object_store_is_used_by_its_url(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", "memory://evidence/files")
    evidence_id = registry.submit(file=("shot.png", picture()))
    row = registry.row("SELECT storage_url, file_sha256 FROM registry.evidence")
    assert row["storage_url"] == f"memory://evidence/files/{row['file_sha256'][:2]}/{row['file_sha256']}.png"
    assert sha256_of(open_evidence(registry.database, evidence_id).content) == row["file_sha256"]
    assert keep(read_kept(row["storage_url"], row["file_sha256"]), "png") == row["storage_url"]
    assert registry.kept() == []


def test_a_file_is_found_after_the_store_moved(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence_id = registry.submit()
    registry.store.rename(tmp_path / "elsewhere")
    with pytest.raises(EvidenceStoreUnavailable, match="is not below"):
        open_evidence(registry.database, evidence_id)
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", str(tmp_path / "elsewhere"))
    assert opened(open_evidence(registry.database, evidence_id).content).size == (60, 40)


def test_a_file_that_was_changed_is_not_handed_out(registry: Registry) -> None:
    evidence_id = registry.submit()
    (kept,) = registry.kept()
    kept.write_bytes(picture("PNG", pixels().transpose(Image.Transpose.ROTATE_180)))
    with pytest.raises(EvidenceStoreUnavailable, match="was changed"):
        open_evidence(registry.database, evidence_id)


@pytest.mark.parametrize(("name", "saved_as", "content", "media_type"), [
    ("shot.png", "shot.png", picture(), "image/png"),
    ("shot", "shot.png", picture(), "image/png"),
    ('a";b=é 写真.png', 'a";b=é 写真.png', picture(), "image/png"),
    ("export.csv", "export.csv", export("a@x.io,,on"), "text/csv"),
    ("report.pdf", "report.pdf", document(), "application/pdf"),
])  # fmt: skip
def test_a_file_is_handed_out_to_be_saved_never_to_be_shown(
    registry: Registry, name: str, saved_as: str, content: bytes, media_type: str
) -> None:
    is_export = media_type == "text/csv"
    test_id, scope = ("user_mfa_enabled", None) if is_export else ("branch_protection_enforced", "workspace")
    handed_out = open_evidence(registry.database, registry.submit(test_id, scope, file=(name, content)))
    headers = handed_out.headers
    assert headers["Content-Type"] == media_type
    plain, encoded = headers["Content-Disposition"].split("; ")[1:]
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert plain.isascii() and plain.count('"') == 2
    assert unquote(encoded.removeprefix("filename*=UTF-8''")) == saved_as
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert all(value.isascii() and value.isprintable() for value in headers.values())
