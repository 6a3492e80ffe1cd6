"""Requests as no friend sends them, each with the status of its answer."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image
from served import TOKEN

AUTH = f"authorization: Bearer {TOKEN}\r\n".encode()
HOST = b"host: x\r\n"


@dataclass(frozen=True, slots=True)
class Hostile:
    name: str
    sent: bytes
    statuses: tuple[int, ...]
    """several where it depends on how the bytes are cut on their way"""


def raw(line: str | bytes, headers: bytes = b"", body: bytes = b"", length: bool = True) -> bytes:
    """A request of the line, headers, and a body whose length is said, with the right token."""
    line = line.encode() if isinstance(line, str) else line
    said = f"content-length: {len(body)}\r\n".encode() if length and body else b""
    return line + b"\r\n" + HOST + AUTH + headers + said + b"connection: close\r\n\r\n" + body


def post(kind: str, body: bytes, headers: bytes = b"") -> bytes:
    return raw("POST /v1/verdicts HTTP/1.1", f"content-type: {kind}\r\n".encode() + headers, body)


def picture(size: tuple[int, int] = (8, 8), kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 2, data: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG that says what it is, and holds `data`."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG with 80 megabytes of text in 80 kilobytes."""
    content = b"a\0\0" + zlib.compress(b"x" * 80_000_000, 9)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    whole = picture()
    return whole[:33] + chunk + whole[33:]


def as_json(image: bytes | str, prompt: Any = "a cat", **more: Any) -> bytes:
    encoded = base64.b64encode(image).decode() if isinstance(image, bytes) else image
    return json.dumps({"pictures": [{"image": encoded, "prompt": prompt, **more}]}).encode()


def part(name: str, content: bytes, file: str | None = None, more: bytes = b"") -> bytes:
    named = f'content-disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
    return b"--x\r\n" + named.encode() + b"\r\n" + more + b"\r\n" + content + b"\r\n"


def form(*parts: bytes, kind: str = "multipart/form-data; boundary=x") -> bytes:
    return post(kind, b"".join(parts) + b"--x--\r\n")


IMAGE, PROMPT = part("image", picture(), "a.png"), part("prompt", b"a cat")
JSON = "application/json"
ODD_HTTP: dict[str, tuple[bytes, int]] = {
    "no request line": (b"\r\n\r\n", 400),
    "binary": (bytes(range(256)) + b"\r\n\r\n", 400),
    "a TLS hello": (bytes.fromhex("160301020001fc0303") + b"\0" * 64 + b"\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
    "HTTP/3.0": (raw("GET /healthz HTTP/3.0"), 200),
    "HTTP/1.0": (raw("GET /healthz HTTP/1.0"), 200),
    "another protocol": (b"HELO mail\r\nMAIL FROM:<a@b>\r\n\r\n", 400),
    "a path of 100 kB": (raw("GET /" + "a" * 100_000 + " HTTP/1.1"), 404),
    "a header of 100 kB": (raw("GET /healthz HTTP/1.1", b"x: " + b"a" * 100_000 + b"\r\n"), 200),
    "5,000 headers": (raw("GET /healthz HTTP/1.1", b"".join(b"x%d: y\r\n" % i for i in range(5_000))), 200),
    "a megabyte of headers": (raw("GET /healthz HTTP/1.1", b"".join(b"x%d: y\r\n" % i for i in range(100_000))), 400),
    "NUL in a header": (raw("GET /healthz HTTP/1.1", b"x: a\0b\r\n"), 400),
    "a header without colon": (raw("GET /healthz HTTP/1.1", b"nonsense\r\n"), 400),
    "a space before the colon": (raw("GET /healthz HTTP/1.1", b"x : y\r\n"), 400),
    "a folded header": (raw("GET /healthz HTTP/1.1", b"x: a\r\n b\r\n"), 200),
    "lines that end at LF": (raw("GET /healthz HTTP/1.1").replace(b"\r\n", b"\n"), 200),
    "no host": (b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
    "two hosts": (raw("GET /healthz HTTP/1.1", HOST), 400),
    "a path that is not ASCII": (raw("GET /healthz?é HTTP/1.1"), 400),
    "a path with NUL": (raw("GET /%00 HTTP/1.1"), 404),
    "a path with half a character": (raw("GET /%ff%fe HTTP/1.1"), 404),
    "an absolute path": (raw("GET http://example.org/healthz HTTP/1.1"), 404),
    "CONNECT": (raw("CONNECT example.org:443 HTTP/1.1"), 404),
    "OPTIONS *": (raw("OPTIONS * HTTP/1.1"), 404),
    "TRACE": (raw("TRACE /healthz HTTP/1.1"), 405),
    "a method of its own": (raw("BREW /healthz HTTP/1.1"), 405),
    "up and out": (raw("GET /static-offline-docs/../../../etc/passwd HTTP/1.1"), 404),
    "up and out, encoded": (raw("GET /static-offline-docs/%2e%2e/%2e%2e/core.py HTTP/1.1"), 404),
    "a folder of assets": (raw("GET /static-offline-docs/ HTTP/1.1"), 404),
    "a web socket": (
        raw("GET /healthz HTTP/1.1", b"upgrade: websocket\r\n").replace(b"connection: close", b"connection: upgrade"),
        200,
    ),
    "an expectation": (raw("GET /healthz HTTP/1.1", b"expect: nothing\r\n"), 200),
    "two requests at once": (raw("GET /healthz HTTP/1.1") * 2, 200),
    "GET of verdicts": (raw("GET /v1/verdicts HTTP/1.1"), 405),
    "DELETE of a judge": (raw("DELETE /v1/judges HTTP/1.1"), 405),
    "a long query": (raw("GET /healthz?" + "a=1&" * 10_000 + " HTTP/1.1"), 200),
    "no token": (raw("GET /v1/judges HTTP/1.1").replace(AUTH, b""), 401),
    "a wrong token": (raw("GET /v1/judges HTTP/1.1").replace(TOKEN.encode(), b"x"), 401),
    "a token of 50 kB": (raw("GET /v1/judges HTTP/1.1").replace(TOKEN.encode(), b"x" * 50_000), 401),
    "a token in bytes": (raw("GET /v1/judges HTTP/1.1").replace(TOKEN.encode(), b"\xff\xfe"), 401),
    "another scheme": (raw("GET /v1/judges HTTP/1.1").replace(b"Bearer", b"Basic"), 401),
    "no scheme": (raw("GET /v1/judges HTTP/1.1").replace(b"Bearer ", b""), 401),
    "the token twice": (raw("GET /v1/judges HTTP/1.1", AUTH), 200),
    "verdicts without a token": (post(JSON, as_json(picture())).replace(AUTH, b""), 401),
}
LENGTHS: dict[str, tuple[bytes, int]] = {
    "a negative length": (raw("POST /v1/verdicts HTTP/1.1", b"content-length: -1\r\n"), 400),
    "a length that is none": (raw("POST /v1/verdicts HTTP/1.1", b"content-length: many\r\n"), 400),
    "a length of 30 digits": (
        raw("POST /v1/verdicts HTTP/1.1", b"content-type: application/json\r\ncontent-length: " + b"9" * 30 + b"\r\n"),
        400,
    ),
    "a terabyte": (
        raw("POST /v1/verdicts HTTP/1.1", b"content-type: application/json\r\ncontent-length: 1000000000000\r\n"),
        413,
    ),
    "two lengths": (raw("POST /v1/verdicts HTTP/1.1", b"content-length: 1\r\ncontent-length: 2\r\n"), 400),
    "length and chunks": (
        raw("POST /v1/verdicts HTTP/1.1", b"content-length: 5\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n", False),
        415,
    ),
    "an unknown encoding": (raw("POST /v1/verdicts HTTP/1.1", b"transfer-encoding: gzip\r\n"), 400),
    "a chunk that is none": (
        raw("POST /v1/verdicts HTTP/1.1", b"content-type: application/json\r\ntransfer-encoding: chunked\r\n")
        + b"zz\r\n{}\r\n0\r\n\r\n",
        400,
    ),
    "a chunk of 2^80 bytes": (
        raw("POST /v1/verdicts HTTP/1.1", b"content-type: application/json\r\ntransfer-encoding: chunked\r\n")
        + b"f" * 20
        + b"\r\n",
        408,
    ),
    "chunks without end": (
        raw("POST /v1/verdicts HTTP/1.1", b"content-type: application/json\r\ntransfer-encoding: chunked\r\n")
        + b"2\r\n{}\r\n" * 40_000,
        408,
    ),
    "too long": (post(JSON, b" " * 200_001), 413),
}
BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 422),
    "half an object": (b"{", 422),
    "a number": (b"1", 422),
    "a list": (b"[]", 422),
    "NaN": (b"NaN", 422),
    "not UTF-8": (b'{"pictures": "\xff"}', 422),
    "UTF-16": ("{}".encode("utf-16"), 422),
    "a tower of lists": (b"[" * 90_000, 422),
    "commas": (b"," * 180_000, 413),
    "no pictures": (b'{"pictures": []}', 422),
    "pictures that are none": (b'{"pictures": [1, null, "a"]}', 422),
    "an unknown key": (b'{"pictures": [], "x": 1}', 422),
    "a key of 100 kB": (b'{"' + b"k" * 100_000 + b'": 1}', 422),
    "a prompt that is a number": (as_json(picture(), 1), 422),
    "a prompt that is null": (as_json(picture(), None), 422),
    "a prompt of 5,000 characters": (as_json(picture(), "x" * 5_000), 422),
    "half a surrogate pair": (as_json(picture(), "\ud800"), 422),
    "17 pictures": (json.dumps({"pictures": [{"image": "AAAA", "prompt": ""}] * 17}).encode(), 413),
    "metadata that is a list": (as_json(picture(), metadata=[]), 422),
    "metadata of NaN": (as_json(picture(), metadata={"a": float("nan")}), 422),
    "metadata of 5,001 digits": (
        as_json(picture()).replace(b'"a cat"', b'"", "metadata": {"a": ' + b"9" * 5_001 + b"}"),
        422,
    ),
    "metadata of 1e999": (as_json(picture()).replace(b'"a cat"', b'"", "metadata": {"a": 1e999}'), 422),
    "metadata that is deep": (as_json(picture(), metadata={"a": json.loads("[" * 150 + "]" * 150)}), 422),
    "metadata of 110 kB": (as_json(picture(), metadata={"a": "x" * 110_000}), 413),
    "no base64": (as_json("a cat!"), 422),
    "base64 of umlauts": (as_json("äöü="), 422),
    "an empty picture": (as_json(""), 422),
    "a URL": (as_json("https://example.org/a.png"), 422),
    "a file's URL": (as_json("file:///etc/passwd"), 422),
    "a data URL that is not base64": (as_json("data:image/png,%89PNG"), 422),
    "a data URL of text": (as_json("data:text/plain;base64,YSBjYXQ="), 415),
    "a data URL without data": (as_json("data:image/png;base64,"), 422),
    "a data URL of commas": (as_json("data:;base64," + "," * 1_000), 422),
}
FORMS: dict[str, tuple[bytes, int]] = {
    "no parts": (form(), 422),
    "no boundary": (form(IMAGE, PROMPT, kind="multipart/form-data"), 400),
    "an empty boundary": (form(IMAGE, PROMPT, kind="multipart/form-data; boundary="), 400),
    "another boundary": (form(IMAGE, PROMPT, kind="multipart/form-data; boundary=y"), 400),
    "a boundary of 10 kB": (form(kind="multipart/form-data; boundary=" + "x" * 10_000), 400),
    "a boundary in quotes": (form(IMAGE, PROMPT, kind='multipart/form-data; boundary="x"'), 200),
    "cut in a header": (post("multipart/form-data; boundary=x", b"--x\r\ncontent-dis"), 422),
    "cut in a picture": (post("multipart/form-data; boundary=x", IMAGE[:90]), 422),
    "no name": (form(b"--x\r\ncontent-disposition: form-data\r\n\r\n1\r\n"), 400),
    "no disposition": (form(b"--x\r\nx: y\r\n\r\n1\r\n"), 400),
    "headers in a part": (form(part("prompt", b"", more=b"x: " + b"a" * 100_000 + b"\r\n")), 400),
    "1,000 headers in a part": (form(part("prompt", b"", more=b"x: y\r\n" * 1_000)), 400),
    "no picture": (form(PROMPT), 422),
    "no prompt": (form(IMAGE), 422),
    "two prompts for three": (form(IMAGE, IMAGE, IMAGE, PROMPT, PROMPT), 422),
    "17 files": (form(*[part("image", b"", "a")] * 17, PROMPT), 413),
    "1,000 fields": (form(*[PROMPT] * 1_000), 413),
    "a field of 150 kB": (form(part("prompt", b"x" * 150_000), IMAGE), 422),
    "another field": (form(IMAGE, PROMPT, part("seed", b"1")), 422),
    "a picture as text": (form(part("image", picture()), PROMPT), 422),
    "a prompt as a file": (form(IMAGE, part("prompt", b"a cat", "a.txt")), 422),
    "a prompt of Latin-1": (form(IMAGE, part("prompt", b"caf\xe9")), 422),
    "a prompt that claims Latin-1": (
        form(IMAGE, part("prompt", b"caf\xe9"), kind="multipart/form-data; boundary=x; charset=latin-1"),
        422,
    ),
    "a prompt of NULs": (form(IMAGE, part("prompt", b"\0" * 100)), 200),
    "an unknown charset": (form(IMAGE, PROMPT, kind="multipart/form-data; boundary=x; charset=undefined"), 200),
    "metadata that is no JSON": (form(IMAGE, PROMPT, part("metadata", b"{")), 422),
    "metadata that is a number": (form(IMAGE, PROMPT, part("metadata", b"1")), 422),
    "metadata that is a tower": (form(IMAGE, PROMPT, part("metadata", b"[" * 90_000)), 422),
    "metadata of half a pair": (form(IMAGE, PROMPT, part("metadata", rb'{"a": "\ud800"}')), 422),
    "metadata that is large": (form(IMAGE, PROMPT, part("metadata", b'{"a": "%s"}' % (b"x" * 110_000))), 413),
    "two of metadata for three": (form(IMAGE, IMAGE, IMAGE, PROMPT, *[part("metadata", b"{}")] * 2), 422),
    "JSON as a form": (post("multipart/form-data; boundary=x", as_json(picture())), 400),
    "a form as JSON": (post(JSON, IMAGE + PROMPT + b"--x--\r\n"), 422),
    "a form of the other kind": (post("application/x-www-form-urlencoded", b"prompt=a+cat&image=AAAA"), 415),
    "no content type": (raw("POST /v1/verdicts HTTP/1.1", b"", b"a cat"), 415),
    "XML": (post("text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'), 415),
}
_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
PICTURES: dict[str, tuple[bytes, int]] = {
    "a GIF": (picture(kind="GIF"), 415),
    "a WebP": (picture(kind="WEBP"), 415),
    "a TIFF": (picture(kind="TIFF"), 415),
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
    "only a signature": (b"\x89PNG\r\n\x1a\n", 415),
    "a cut PNG": (picture()[:44], 422),
    "a cut JPEG": (picture((64, 64), "JPEG")[:300], 415),
    "a billion pixels": (png(2**31 - 1, 2**31 - 1), 413),
    "no pixels": (png(0, 8), 415),
    "a PNG without data": (png(8, 8), 422),
    "an unknown depth": (png(8, 8, depth=7), 415),
    "an unknown colour": (png(8, 8, colour=9), 415),
    "a strip": (picture((1_000, 1)), 422),
    "pixels beyond the limit": (picture((400, 300)), 413),
    "an animation": (picture(save_all=True, append_images=[Image.new("RGB", (8, 8), 1)]), 422),
    "a JPEG in CMYK": (picture((16, 16), "JPEG", "CMYK"), 200),
    "a palette": (picture(mode="P"), 200),
    "one bit": (picture(mode="1"), 200),
    "16 bits": (picture(mode="I;16"), 200),
    "broken EXIF": (picture((16, 16), "JPEG", exif=_EXIF), 200),
    "80 megabytes of text in 80 kilobytes": (text_bomb(), 415),
    "one pixel": (picture((1, 1)), 200),
}


def hostile_requests() -> Iterator[Hostile]:
    """All of them."""
    for kind, table in (("HTTP", ODD_HTTP), ("length", LENGTHS), ("form", FORMS)):
        for name, (sent, status) in table.items():
            yield Hostile(
                f"{kind}: {name}", sent, (status, 400) if len(sent) > 60_000 and kind == "HTTP" else (status,)
            )
    for name, (body, status) in BODIES.items():
        yield Hostile(f"JSON: {name}", post(JSON, body), (status,))
    for name, (file, status) in PICTURES.items():
        yield Hostile(f"picture: {name}, in JSON", post(JSON, as_json(file)), (status,))
        yield Hostile(f"picture: {name}, in a form", form(part("image", file, "a.png"), PROMPT), (status,))
