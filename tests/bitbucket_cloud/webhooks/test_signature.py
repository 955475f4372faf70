"""The signature, against what another program computed, and against every change of one character."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_cloud.webhooks.signature import matches, sign

# printf '{"repository":{"name":"\xc3\xbcber"}}\n' | openssl dgst -sha256 -hmac 'It is a secret, ok?'
BODY = '{"repository":{"name":"über"}}\n'.encode()
SECRET = "It is a secret, ok?"
BY_OPENSSL = "f781fe6f0b2d3fcc772d069da46dbeb66f6b5837d13ec0cd30b3a54bb1fb1248"
# printf '' | openssl dgst -sha256 -hmac 'It is a secret, ok?'
EMPTY_BY_OPENSSL = "6c410bbb9ccfc623086e8d35dc521a9d64ba46f87658c02f2a146aa09d9e157a"


def test_the_signature_is_the_one_that_openssl_computed() -> None:
    assert sign(SECRET, BODY) == f"sha256={BY_OPENSSL}"
    assert sign(SECRET, b"") == f"sha256={EMPTY_BY_OPENSSL}"
    assert matches(f"sha256={BY_OPENSSL}", BODY, [SECRET])
    assert matches(f"sha256={BY_OPENSSL.upper()}", BODY, ["another", SECRET])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128),
    body=st.binary(max_size=300),
)
def test_the_signature_is_the_one_that_openssl_computes(secret: str, body: bytes) -> None:
    found = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{secret.encode().hex()}"],
        input=body,
        capture_output=True,
        check=True,
    )
    assert sign(secret, body) == "sha256=" + found.stdout.decode().strip().rpartition(" ")[2]


@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0, 199), bit=st.integers(0, 7))
def test_one_bit_of_the_body_makes_another_signature(body: bytes, at: int, bit: int) -> None:
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    assert not matches(sign(SECRET, body), bytes(changed), [SECRET])
    assert not matches(sign(SECRET, body), body[:-1], [SECRET])


@given(at=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_one_digit_of_the_signature_decides(at: int, digit: str) -> None:
    header = list(BY_OPENSSL)
    header[at] = digit
    assert matches("sha256=" + "".join(header), BODY, [SECRET]) is ("".join(header) == BY_OPENSSL)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        BY_OPENSSL,
        f"sha1={BY_OPENSSL}",
        f"sha256={BY_OPENSSL[:-1]}",
        f"sha256={BY_OPENSSL}0",
        f" sha256={BY_OPENSSL}",
        f"sha256={BY_OPENSSL}\n",
        "sha256=" + "0" * 64,
        "sha256=" + "٠" * 64,
    ],
)
def test_what_is_no_signature_matches_nothing(header: str | None) -> None:
    assert not matches(header, BODY, [SECRET])


def test_without_a_secret_nothing_matches() -> None:
    assert not matches(sign("", BODY), BODY, [])
    assert not matches("sha256=" + "0" * 64, BODY, [])
