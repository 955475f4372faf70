"""Hostile uploads: what opens them ends in time and memory, and nothing of them acts on whoever reviews them."""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from bitbucket_compliance.core.errors import EvidenceRefused, ImportRefused, InspectionUnavailable
from bitbucket_compliance.registry import evidence, evidence_files, tables
from bitbucket_compliance.registry.evidence_files import __main__ as process
from bitbucket_compliance.registry.evidence_files import apart, limits
from bitbucket_compliance.registry.evidence_files.apart import clean_file, read_export
from tests.conftest import ROOT
from tests.registry.files import action, bomb, document, export, opened, picture, pixels, with_metadata

# ------------------------------------------------------------------------------------------ regular expressions


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every expression of the modules that look at uploads."""
    names = []
    for package in (evidence, evidence_files, tables):
        names += [
            f"{package.__name__}.{module.name}"
            for module in pkgutil.iter_modules(package.__path__)
            if module.name != "__main__"
        ]
    for name in names:
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern):
                yield f"{name.rpartition('.')[2]}.{attribute}", value


PATTERNS = dict(_patterns())
# Repeated, such pieces make expressions try and try again: those that ours are made of.
PIECES = (
    " ", "<", "<!--", "<!---->", "<!---->\n<", "<!--a--> <", "<!doctype", "<!doctype ", "<html", "-", "--", "\xff",
    "\x00", "\xff\x00", "a", "a.", "a-", "+", "-1", "@", "a@", "=", "{", "0", "0000-", ",", "\t", "\n",
)  # fmt: skip
LONGEST = 256 * 1024


class TooSlow(Exception):
    """An expression tried for longer than a second."""


@pytest.mark.parametrize("name", PATTERNS)
def test_no_expression_over_an_upload_backtracks_without_bound(name: str) -> None:
    pattern = PATTERNS[name]

    def stop(_: int, __: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for piece in PIECES:
            for end in ("", "!", "\x00", piece[:1]):
                _time(pattern, piece, end)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _time(pattern: re.Pattern[Any], piece: str, end: str) -> None:
    size = 16
    while size <= LONGEST:
        text: Any = ("<" if piece.startswith("<") else "") + piece * (size // len(piece)) + end
        text = text.encode("latin-1") if isinstance(pattern.pattern, bytes) else text
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            for ask in (pattern.match, pattern.search, pattern.fullmatch):
                ask(text)
        except TooSlow:
            pytest.fail(f"{pattern.pattern!r} takes more than a second for {size} bytes of {piece!r}, then {end!r}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        size *= 2


@pytest.mark.parametrize("size", [191, 300, 4096, 1_000_000])
def test_nested_comments_are_told_what_they_are_at_once(size: int) -> None:
    nested = (b"<!--" + b"-->\n<!--" * (size // 8))[:size]
    started = time.process_time()
    with pytest.raises(EvidenceRefused, match="HTML or another markup"):
        clean_file("export.csv", nested)
    assert time.process_time() - started < 1


def test_a_jpeg_full_of_fill_bytes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = picture("JPEG").index(b"\xff\xda")
    content = picture("JPEG")[: scan + 14] + b"\xff" * 4_000_000 + b"\x00"
    started = time.monotonic()
    with pytest.raises(EvidenceRefused, match="does not end"):
        clean_file("shot.jpg", content)
    assert time.monotonic() - started < 20


# ------------------------------------------------------------------------------------ the process that opens them


def _job(content: bytes, code: str) -> subprocess.CompletedProcess[bytes]:
    """The process beside, with other code in the place of what recognises a file."""
    program = (
        "import sys\n"
        "from bitbucket_compliance.registry.evidence_files import __main__ as process, contents\n"
        f"def hostile(content):\n{code}\n"
        "contents.cleaner_of = lambda found: hostile\n"
        "sys.exit(process.main())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        input=b'{"job": "clean", "extension": "png"}\n' + content,
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("    import socket; socket.socket()", b"Too many open files"),
        ("    open('/etc/passwd')", b"Too many open files"),
        ("    import subprocess; subprocess.run(['true'], stdin=0, stdout=1, stderr=2)", b"Error"),
        ("    return bytes(limits.MEMORY)", b"needs more than 768 MB of memory"),
        ("    return bytes(limits.LARGEST_ANSWER + 1)", b"is larger than 40 MB once it is written anew"),
    ],
)
def test_a_decoder_that_was_led_astray_reaches_nothing(code: str, told: bytes) -> None:
    done = _job(picture(), "    from bitbucket_compliance.registry.evidence_files import limits\n" + code)
    assert told in done.stdout + done.stderr
    assert b"media_type" not in done.stdout


def test_it_ends_by_itself_when_it_works_too_long() -> None:
    done = _job(picture(), "    import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n    while True: pass")
    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    with pytest.raises(EvidenceRefused, match="takes longer than 30 seconds"), _ends_with(done.returncode):
        clean_file("shot.png", picture())


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
def test_a_decoder_that_crashes_takes_nothing_with_it(number: int) -> None:
    with pytest.raises(EvidenceRefused, match="is broken: the program that opens it gave up"), _ends_with(-number):
        clean_file("shot.png", picture())
    with pytest.raises(ImportRefused, match="is broken"), _ends_with(-number):
        read_export("export.csv", export("a@x.io,,on"))


class _ends_with:
    """As if the process ended like this."""

    def __init__(self, code: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.code = code

    def __enter__(self) -> None:
        self.patch.setattr(apart, "_run", lambda *_: self.code)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def test_a_file_for_which_the_memory_is_not_enough_is_refused_and_the_asking_process_stays_small() -> None:
    content = picture("WEBP", Image.new("RGBA", (8000, 4900)), quality=1, method=0)
    before = _resident()
    with pytest.raises(EvidenceRefused, match=r"needs more than 768 MB of memory to be opened; hand in a smaller cut"):
        clean_file("shot.webp", content)
    assert _resident() - before < 50 * 1024 * 1024


def test_allowed_pictures_at_once_are_opened_two_at_a_time_and_the_rest_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_work, most = 0, 0
    lock, run = threading.Lock(), apart._run

    def counted(*files: Any) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.5)
        try:
            return run(*files)
        finally:
            with lock:
                at_work -= 1

    monkeypatch.setattr(apart, "_run", counted)
    content, ended = bomb(8000, 5000), []
    before = _resident()

    def hand_in() -> None:
        try:
            clean_file("shot.png", content)
            ended.append("taken")
        except InspectionUnavailable as busy:
            ended.append(str(busy))

    clients = [threading.Thread(target=hand_in) for _ in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(120)
    assert most == 2
    assert len(ended) == 12 and "taken" in ended
    assert {one for one in ended if one != "taken"} == {
        "other files are being looked at; hand it in again in a minute, nothing was stored"
    }
    assert _resident() - before < 100 * 1024 * 1024


def test_what_asks_hands_the_process_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    run = subprocess.run

    def noted(*given: Any, **options: Any) -> Any:
        asked.update(options)
        return run(*given, **options)

    monkeypatch.setenv("COMPLIANCE_VAULT_KEY", "the vault's key")
    monkeypatch.setattr(apart.subprocess, "run", noted)
    clean_file("shot.png", picture())
    assert set(asked["env"]) == {"PYTHONPATH", "LC_ALL"}


def test_every_limit_is_one_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "    import resource as r; return repr([r.getrlimit(x) for x in (r.RLIMIT_AS, r.RLIMIT_CPU)]).encode()"
    said = _job(picture(), code).stdout.decode()
    assert f"[({limits.MEMORY}, {limits.MEMORY}), ({limits.CPU_SECONDS}, {limits.CPU_SECONDS})]" in said
    assert process.LARGEST_ANSWER < limits.MEMORY


def test_no_driver_of_a_database_is_loaded_beside_a_hostile_file() -> None:
    code = "    return repr({'psycopg', 'sqlalchemy', 'airflow', 'openpyxl'} & set(sys.modules)).encode()"
    assert b"set()" in _job(picture(), code).stdout


def _resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -------------------------------------------------------------------------------------------------- documents


def _annotated(*annotations: DictionaryObject) -> Callable[[PdfWriter], None]:
    def change(writer: PdfWriter) -> None:
        added = [writer._add_object(one) for one in annotations]
        writer.pages[0][NameObject("/Annots")] = ArrayObject(added)

    return change


def _annotation(subtype: str, **more: Any) -> DictionaryObject:
    rectangle = ArrayObject([NumberObject(0), NumberObject(0), NumberObject(50), NumberObject(50)])
    made: dict[Any, Any] = {NameObject("/Subtype"): NameObject(subtype), NameObject("/Rect"): rectangle}
    return DictionaryObject(made | {NameObject(f"/{name}"): value for name, value in more.items()})


def _page_action(kind: str, **more: str) -> Callable[[PdfWriter], None]:
    def change(writer: PdfWriter) -> None:
        writer.pages[0][NameObject("/AA")] = DictionaryObject({NameObject("/O"): action(kind, **more)})

    return change


def _link(address: str, chained: DictionaryObject | None = None) -> DictionaryObject:
    leads = action("/URI", URI=address)
    if chained is not None:
        leads[NameObject("/Next")] = chained
    return _annotation("/Link", A=leads, AA=DictionaryObject({NameObject("/E"): action("/GoToR", F="//share/x")}))


def _objects(content: bytes) -> list[Any]:
    """Everything that a document reaches."""
    waiting: list[Any] = [PdfReader(io.BytesIO(content)).trailer]
    seen: set[int] = set()
    found = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, IndirectObject):
            if one.idnum in seen:
                continue
            seen.add(one.idnum)
            one = one.get_object()
        found.append(one)
        if isinstance(one, dict):
            waiting += [one.raw_get(key) for key in one]  # type: ignore[attr-defined]
        elif isinstance(one, list):
            waiting += list(list.__iter__(one))
    return found


ACTING = {
    "when a page opens": _page_action("/GoToR", F="//attacker/share/x.pdf"),
    "when a page opens, an address": _page_action("/URI", URI="https://attacker.example"),
    "when the document opens": lambda writer: writer._root_object.__setitem__(
        NameObject("/OpenAction"), action("/GoToR", F="//attacker/share/x.pdf")
    ),
    "when the document opens, a command": lambda writer: writer._root_object.__setitem__(
        NameObject("/OpenAction"), action("/Named", N="Print")
    ),
    "when it is printed": lambda writer: writer._root_object.__setitem__(
        NameObject("/AA"), DictionaryObject({NameObject("/WP"): action("/GoToR", F="//attacker/share")})
    ),
    "a link that runs a script": _annotated(_link("javascript:alert(1)")),
    "a link to a file": _annotated(_link("file://attacker/share")),
    "a link to plain http": _annotated(_link("http://attacker.example")),
    "a link with a login": _annotated(_link("https://bitbucket.org@attacker.example/")),
    "a link to another document": _annotated(_annotation("/Link", A=action("/GoToR", F="//attacker/share"))),
    "a mark that acts when it is seen": _annotated(
        _annotation("/Square", A=action("/GoToR", F="//a/b"), AA=DictionaryObject({NameObject("/PV"): action("/Hide")}))
    ),
    "a field that acts": _annotated(
        _annotation("/Widget", FT=NameObject("/Btn"), AA=DictionaryObject({NameObject("/E"): action("/ResetForm")}))
    ),
}


@pytest.mark.parametrize("case", ACTING)
def test_no_action_of_a_document_is_kept(case: str) -> None:
    kept = clean_file("a.pdf", document(change=ACTING[case])).content
    for found in _objects(kept):
        if isinstance(found, dict):
            assert not {"/A", "/AA", "/PA", "/OpenAction", "/Next", "/Dest", "/F", "/AcroForm", "/Names"} & set(found)
    assert not [hidden for hidden in (b"attacker", b"javascript", b"GoToR", b"/Action") if hidden in kept]


def test_a_link_to_an_https_address_is_kept_and_what_is_chained_to_it_is_not() -> None:
    chained = action("/GoToR", F="//attacker/share")
    submitted = document(change=_annotated(_link("https://bitbucket.org/acme/settings", chained)))
    kept = clean_file("a.pdf", submitted).content
    (link,) = PdfReader(io.BytesIO(kept)).pages[0]["/Annots"]  # type: ignore[misc]
    assert link.get_object()["/A"] == {"/S": "/URI", "/URI": "https://bitbucket.org/acme/settings"}
    assert b"attacker" not in kept


def test_what_is_drawn_on_a_page_stays_without_who_drew_it() -> None:
    look = StreamObject()
    look._data = b"1 0 0 RG 0 0 50 50 re S"
    mark = _annotation(
        "/Square", T=TextStringObject("Secret Person"), AP=DictionaryObject({NameObject("/N"): look}), F=NumberObject(4)
    )
    kept = clean_file("a.pdf", document(change=_annotated(mark))).content
    (square,) = PdfReader(io.BytesIO(kept)).pages[0]["/Annots"]  # type: ignore[misc]
    assert square.get_object()["/AP"]["/N"].get_object().get_data() == look._data
    assert b"Secret" not in kept


def _packed(*filters: str, data: bytes) -> Callable[[PdfWriter], None]:
    """A document whose page content is packed so."""

    def change(writer: PdfWriter) -> None:
        stream = StreamObject()
        stream._data = data
        stream[NameObject("/Filter")] = ArrayObject([NameObject(one) for one in filters])
        writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)

    return change


def _twice(size: int) -> bytes:
    packing = zlib.compressobj(9)
    packed = b"".join(packing.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packing.flush()
    return zlib.compress(packed, 9)


@pytest.mark.parametrize(
    ("filters", "make"),
    [
        (("/FlateDecode", "/FlateDecode"), lambda: _twice(150_000_000)),
        (("/FlateDecode", "/FlateDecode", "/FlateDecode"), lambda: zlib.compress(_twice(150_000_000))),
        (("/FlateDecode", "/RunLengthDecode"), lambda: zlib.compress(b"\x81\x00" * 2_000_000)),
        (("/FlateDecode", "/FlateDecode"), lambda: _twice(150_000_000)[:-4]),
    ],
)
def test_a_document_that_unpacks_to_very_much_is_refused(filters: tuple[str, ...], make: Callable[[], bytes]) -> None:
    bombed = document(change=_packed(*filters, data=make()))
    assert len(bombed) < 100_000
    with pytest.raises(EvidenceRefused, match=r"unpacks to more than 120 MB in one part or 480 MB in all"):
        clean_file("a.pdf", bombed)


def test_many_parts_that_unpack_to_very_much_together_are_refused() -> None:
    def change(writer: PdfWriter) -> None:
        packed, streams = zlib.compress(bytes(50_000_000), 9), []
        for _ in range(12):
            stream = StreamObject()
            stream._data = packed
            stream[NameObject("/Filter")] = NameObject("/FlateDecode")
            streams.append(writer._add_object(stream))
        writer.pages[0][NameObject("/Contents")] = ArrayObject(streams)

    with pytest.raises(EvidenceRefused, match="480 MB in all"):
        clean_file("a.pdf", document(change=change))


def test_a_picture_of_very_many_pixels_inside_of_a_document_is_refused() -> None:
    photo = picture("JPEG", Image.new("L", (9000, 9000)), quality=1)
    with pytest.raises(EvidenceRefused, match="holds a picture of more than 40 million pixels"):
        clean_file("a.pdf", document(photo=photo))


@pytest.mark.parametrize("name", ["/BrotliDecode", "/Crypt", "/NoSuchDecode"])
def test_a_document_packed_in_a_way_that_nobody_looked_into_is_refused(name: str) -> None:
    with pytest.raises(EvidenceRefused, match="which is not known"):
        clean_file("a.pdf", document(change=_packed(name, data=b"x")))


@pytest.mark.parametrize("filters", [("/FlateDecode",), ("/FlateDecode", "/FlateDecode"), ("/ASCIIHexDecode",)])
def test_a_document_that_is_packed_as_usual_is_taken(filters: tuple[str, ...]) -> None:
    content = b"0 0 50 50 re S"
    data = content.hex().encode() + b">" if "/ASCIIHexDecode" in filters else content
    for one in filters:
        data = zlib.compress(data) if one == "/FlateDecode" else data
    kept = clean_file("a.pdf", document(change=_packed(*filters, data=data))).content
    assert PdfReader(io.BytesIO(kept)).pages[0].get_contents().get_data().strip() == content  # type: ignore[union-attr]


def test_markup_that_was_packed_does_not_stand_in_the_open_afterwards() -> None:
    note = _annotation("/FreeText", Contents=TextStringObject("<script>alert(1)</script>"))
    kept = clean_file("a.pdf", document(change=_annotated(note))).content
    assert b"<script" not in kept.lower()


# ---------------------------------------------------------------------------------------- pictures of phones


@pytest.mark.parametrize("name", ["IMG_0001.jpg", "IMG_0001.MPO", "image.jfif"])
def test_of_a_phones_picture_the_first_one_is_kept(name: str) -> None:
    second = pixels().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    submitted = picture("MPO", pixels(), save_all=True, append_images=[second], quality=95)
    assert submitted.count(b"\xff\xd8\xff") == 2
    kept = clean_file(name, submitted).content
    assert opened(kept).size == (60, 40)
    assert getattr(opened(kept), "n_frames", 1) == 1
    first, mirrored = opened(kept).convert("L"), second.convert("L")
    assert abs(first.getpixel((59, 39)) - pixels("L").getpixel((59, 39))) < 40  # type: ignore[operator]
    assert first.tobytes() != mirrored.tobytes()
    assert clean_file("image.jfif", with_metadata("JPEG")).type.media_type == "image/jpeg"


def test_what_only_claims_to_hold_several_pictures_keeps_nothing_of_the_rest() -> None:
    submitted = picture("MPO", pixels(), save_all=True, append_images=[pixels()]) + b"PK\x03\x04 an archive"
    kept = clean_file("shot.jpg", submitted).content
    assert b"PK\x03\x04" not in kept and b"MPF" not in kept
    with pytest.raises(EvidenceRefused, match="bytes behind the end of the picture"):
        clean_file("shot.jpg", picture("JPEG") + picture("JPEG"))
