import gzip
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tinycnn.data import files, read_idx

DTYPES = st.sampled_from(["u1", "i1", "<i2", "<i4", "<f4", "<f8"]).map(np.dtype)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(max_dims=5, max_side=5))
GOOD = bytes([0, 0, 8, 1, 0, 0, 0, 3, 10, 20, 30])  # the array [10, 20, 30], uint8


@given(array=ARRAYS, packed=st.booleans())
def test_round_trip(array, packed, idx_bytes, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "file"
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data) if packed else data)
    result = read_idx(path)
    assert result.dtype == array.dtype
    assert result.shape == array.shape
    assert result.tobytes() == array.tobytes()  # NaN and -0.0 count as they are


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 of 4 bytes"),
        (GOOD[:3], "3 of 4 bytes"),
        (GOOD[:6], "2 of 4 bytes"),
        (b"GIF8" + GOOD, "not an IDX file"),
        (b"\x89PNG\r\n", "not an IDX file"),
        (b"\0\0\7\1" + GOOD[4:], "unknown IDX type 0x07"),
        (b"\0\0\x08\0" + GOOD[4:], "array of 0 dimensions"),
        (b"\0\0\x08\xff" + bytes(4 * 255), "array of 255 dimensions"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 0]), "empty"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_wrong_file_is_named_with_what_is_wrong(data, says, pack, tmp_path):
    path = tmp_path / "some-file"
    path.write_bytes(pack(data))
    with pytest.raises(ValueError, match=says) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("pack", "says"), [(bytes, "the file has 10 bytes"), (gzip.compress, "2 of 3 bytes")]
)
def test_truncated_array(pack, says, tmp_path):
    (tmp_path / "file").write_bytes(pack(GOOD[:-1]))
    with pytest.raises(ValueError, match=says):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize(("pack", "says"), [(bytes, "the file has 12 bytes"), (gzip.compress, "left over")])
def test_bytes_left_over(pack, says, tmp_path):
    (tmp_path / "file").write_bytes(pack(GOOD + b"x"))
    with pytest.raises(ValueError, match=says):
        read_idx(tmp_path / "file")


@given(data=st.data())
def test_a_damaged_gzip_file_is_refused_or_unharmed(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("gzip") / "file"
    packed = bytearray(gzip.compress(GOOD, mtime=0))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(2, len(packed) - 1)) :]
    else:
        packed[data.draw(st.integers(2, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(packed)
    try:  # the gzip header has bytes without meaning: a time, a system
        assert read_idx(path).tolist() == [10, 20, 30]
    except ValueError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("pack", "says"), [(bytes, "the file has"), (gzip.compress, "cannot hold more than")]
)
def test_terabytes_claimed_are_not_allocated(pack, says, tmp_path):
    (tmp_path / "file").write_bytes(pack(bytes([0, 0, 8, 3, *[0, 0xFF, 0xFF, 0xFF] * 3]) + bytes(1000)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=says):
        read_idx(tmp_path / "file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_a_claim_within_gzips_ratio_allocates_only_what_is_there(tmp_path):
    payload = np.random.default_rng(0).bytes(1 << 20)  # does not compress: 1 MB could be up to 1 GB
    (tmp_path / "file").write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0x2F, 0xFF, 0xFF, 0xFF]) + payload))
    tracemalloc.start()
    with pytest.raises(ValueError, match="truncated: 1048576 of 805306367 bytes"):
        read_idx(tmp_path / "file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_no_more_is_unpacked_than_the_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "MAX_UNPACKED", 3)
    (tmp_path / "file").write_bytes(gzip.compress(GOOD))
    assert read_idx(tmp_path / "file").tolist() == [10, 20, 30]
    monkeypatch.setattr(files, "MAX_UNPACKED", 2)
    with pytest.raises(ValueError, match=r"file: it would unpack to 3 bytes; .* at most 2: unpack it"):
        read_idx(tmp_path / "file")
    (tmp_path / "file").write_bytes(GOOD)  # of one that is not packed every byte is there
    assert read_idx(tmp_path / "file").tolist() == [10, 20, 30]


def test_a_bomb_of_zeros_is_not_unpacked(tmp_path):
    zeros = bytes(1 << 20)
    with gzip.open(tmp_path / "file", "wb") as file:
        file.write(bytes([0, 0, 8, 1, 0x40, 0, 0, 0]))
        for _ in range(1 << 10):
            file.write(zeros)
    assert (tmp_path / "file").stat().st_size < 2e6
    tracemalloc.start()
    with pytest.raises(ValueError, match="would unpack to 1,073,741,824 bytes"):
        read_idx(tmp_path / "file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a pipe, a socket or a device, not a regular file"):
        read_idx(tmp_path / "pipe")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here")
