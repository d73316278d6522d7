import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from tinycnn.data import picture
from tinycnn.data.picture import read_picture

RNG = np.random.default_rng(0)


def turned(upright, orientation):
    """Return the pixels that a camera held in this way writes."""
    flipped = [upright, upright[:, ::-1], np.rot90(upright, 2), upright[::-1]]
    lying = [upright.T, np.rot90(upright), np.rot90(upright, 2).T, np.rot90(upright, -1)]
    return (flipped + lying)[orientation - 1]


NAN, MINUS_1, LARGE = struct.pack("<f", np.nan), struct.pack("<i", -1), struct.pack("<I", 70_000)
ODD_TAGS = {  # number, type and value: numbers that Pillow reads, but cannot write
    "nothing odd": [],
    "XResolution NaN": [(0x11A, 11, NAN)],
    "XResolution -1": [(0x11A, 9, MINUS_1)],
    "Compression 70000": [(0x103, 4, LARGE)],
    "ResolutionUnit -1": [(0x128, 9, MINUS_1)],
}


@pytest.mark.parametrize("odd", ODD_TAGS.values(), ids=ODD_TAGS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright_whatever_else_their_exif_says(orientation, odd, tmp_path):
    upright = RNG.integers(0, 256, (4, 6)).repeat(8, 0).repeat(8, 1)  # JPEG works on blocks of 8x8
    content = io.BytesIO()
    Image.fromarray(np.uint8(turned(upright, orientation))).save(content, "JPEG", quality=100)
    tags = [(0x112, 3, struct.pack("<HH", orientation, 0)), *odd]
    tags.sort()
    entries = b"".join(struct.pack("<HHI", number, kind, 1) + value for number, kind, value in tags)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    jpeg = content.getvalue()
    (tmp_path / "odd.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    np.testing.assert_allclose(read_picture(tmp_path / "odd.jpg"), upright, atol=3)


@pytest.mark.parametrize("exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"garbage" * 9])
def test_a_photo_with_broken_exif_is_read_as_it_is(exif, tmp_path):
    Image.fromarray(np.full((8, 16), 99, np.uint8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    assert read_picture(tmp_path / "a.jpg").shape == (8, 16)


def test_a_wrong_path_is_said_to_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nope\.png$"):
        read_picture(tmp_path / "nope.png")
    with pytest.raises(ValueError, match=r"is a folder, not a regular file$"):
        read_picture(tmp_path)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.png: no picture that Pillow can read \(.*\)$"):
        read_picture(tmp_path / "text.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_no_picture_is_decoded_that_has_too_many_pixels(mode, tmp_path, monkeypatch):
    Image.new(mode, (50, 20)).save(tmp_path / "a.png")
    monkeypatch.setattr(picture, "MAX_PIXELS", 1000)
    assert read_picture(tmp_path / "a.png").shape[:2] == (20, 50)
    monkeypatch.setattr(picture, "MAX_PIXELS", 999)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # it is not even tried
    with pytest.raises(ValueError, match=r"a\.png: it has more than 999 pixels: make it smaller"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("side", [9_500, 13_400])  # Pillow warns of the first and refuses the second
def test_a_picture_that_would_take_gigabytes(side, tmp_path):
    Image.new("L", (1, 1)).save(tmp_path / "a.png")
    png = bytearray((tmp_path / "a.png").read_bytes())
    png[16:24] = struct.pack(">II", side, side)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(ValueError, match=r"a\.png: it has more than 50,000,000 pixels"):
        read_picture(tmp_path / "a.png")
