import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.lib import format as npy_format

from tinycnn.data import files, read_npy, read_npz

DTYPES = st.sampled_from(["u1", "<i4", ">i8", "<f4", "<f8", "?", "<c16"]).map(np.dtype)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=5, max_side=5))


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_claiming(shape, payload=b""):
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + payload


def member(data, packing=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        archive.writestr("x.npy", data)
    return stream.getvalue()


def from_npy(folder, data):
    (folder / "a.npy").write_bytes(data)
    return read_npy(folder / "a.npy")


def from_npz(folder, data):
    (folder / "a.npz").write_bytes(member(data))
    return read_npz(folder / "a.npz")["x"]


both = pytest.mark.parametrize("read", [from_npy, from_npz])


@given(array=ARRAYS, fortran=st.booleans(), read=st.sampled_from([from_npy, from_npz]))
def test_round_trip(array, fortran, read, tmp_path_factory):
    array = array.copy(order="F") if fortran else array
    result = read(tmp_path_factory.mktemp("npy"), npy(array))
    assert result.dtype == array.dtype
    assert result.shape == array.shape
    assert result.tobytes() == array.tobytes()


def test_npy_is_mapped_and_cannot_be_written_to(tmp_path):
    result = from_npy(tmp_path, npy(np.arange(6).reshape(2, 3)))
    assert type(result) is np.ndarray
    assert isinstance(result.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        result[0] = 1


def test_a_large_npy_is_not_read_into_memory(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(10_000_000, np.uint8))
    tracemalloc.start()
    result = read_npy(tmp_path / "a.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6
    assert result[-1] == 1


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_array_of_a_npz_file_by_its_name(save, tmp_path):
    save(tmp_path / "a.npz", one=np.arange(3), two=np.zeros((2, 2)))
    arrays = read_npz(tmp_path / "a.npz")
    assert arrays["one"].tolist() == [0, 1, 2]
    assert arrays["two"].shape == (2, 2)
    assert len(arrays) == 2


@both
def test_a_pickle_is_never_loaded(read, tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="never loaded") as caught:
        read(tmp_path, stream.getvalue())
    assert str(tmp_path) in str(caught.value)


@both
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a .npy array"),
        (pickle.dumps([1, 2, 3]), "not a .npy array"),
        (npy(np.arange(3))[:40], "not a .npy array"),
        (npy(np.arange(3))[:-1], "the header says"),
        (npy(np.arange(3)) + b"x", "the header says"),
        (npy(np.zeros((0, 28, 28))), "empty"),
        (npy(np.array(["cat", "dog"])), "not numbers"),
        (npy(np.zeros(3, [("a", "i4")])), "not numbers"),
        (npy_claiming((10_000_000, 1000, 1000)), "the header says"),
        (npy_claiming((-1, 5)), "not a .npy array|empty"),
        (npy_claiming((0, 2**70)), "empty"),
        (npy_claiming((2**70, 2**70)), "the header says"),
        (npy_claiming((1,) * 70, b"x"), "dimension"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + npy(np.arange(3))[10:], "not a .npy array"),  # a 4 GB header
        (npy(np.arange(3)).replace(b"}", b"{"), "not a .npy array"),
        (b"\x93NUMPY\x09\0" + npy(np.arange(3))[8:], "not a .npy array"),
    ],
)
def test_a_wrong_file_is_named_and_costs_no_memory(read, data, says, tmp_path):
    tracemalloc.start()
    with pytest.raises(ValueError, match=says) as caught:
        read(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(tmp_path) in str(caught.value)
    assert peak < 5e6


@given(data=st.data(), read=st.sampled_from([from_npy, from_npz]))
def test_a_damaged_header_is_refused_or_unharmed(data, read, tmp_path_factory):
    folder = tmp_path_factory.mktemp("npy")
    damaged = bytearray(npy(np.arange(3)))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, 80))] = data.draw(st.integers(0, 255))
    try:
        read(folder, bytes(damaged))
    except ValueError as error:
        assert str(folder) in str(error)


@given(data=st.data())
def test_a_damaged_archive_is_refused_or_unharmed(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    damaged = bytearray(member(npy(np.arange(3))))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    path.write_bytes(damaged)
    try:
        assert all(array.tolist() == [0, 1, 2] for array in read_npz(path).values())
    except ValueError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_checksum_is_checked(packing, tmp_path):
    data = bytearray(member(npy(np.arange(3)), packing))
    checksum = data.index(b"PK\1\2") + 16
    data[checksum] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.npy: Bad CRC"):
        read_npz(tmp_path / "a.npz")


def test_a_member_that_claims_more_than_its_packing_can_hold(tmp_path):
    data = bytearray(member(npy_claiming((2**29,))))
    directory = data.index(b"PK\1\2")
    for at in (22, directory + 24):  # the unpacked size, in the local header and in the directory
        data[at : at + 4] = (2**29 + 128).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.npy: 536871040 bytes are claimed"):
        read_npz(tmp_path / "a.npz")


def test_no_more_is_unpacked_than_the_limit_all_members_together(monkeypatch, tmp_path):
    np.savez_compressed(tmp_path / "a.npz", one=np.zeros(500, np.uint8), two=np.zeros(500, np.uint8))
    monkeypatch.setattr(files, "MAX_UNPACKED", 2 * (128 + 500))
    assert len(read_npz(tmp_path / "a.npz")) == 2
    monkeypatch.setattr(files, "MAX_UNPACKED", 2 * (128 + 500) - 1)
    with pytest.raises(ValueError, match=r"a\.npz: it would unpack to 1,256 bytes; .* at most 1,255"):
        read_npz(tmp_path / "a.npz")


def test_reading_a_member_holds_it_once(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(32 << 20, np.uint8))
    tracemalloc.start()
    read_npz(tmp_path / "a.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48 << 20


@pytest.mark.parametrize("read", [read_npy, read_npz])
def test_a_named_pipe_is_refused_at_once(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a pipe, a socket or a device, not a regular file"):
        read(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a folder, not a regular file"):
        read(tmp_path)


def test_members_that_share_their_bytes(tmp_path):
    one = member(npy(np.arange(3)), zipfile.ZIP_STORED)
    directory, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    entry = one[directory:end]
    tail = bytearray(one[end:])
    tail[8:12] = bytes([3, 0, 3, 0])  # three entries
    tail[12:16] = (3 * len(entry)).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(one[:directory] + 3 * entry + tail)
    with pytest.raises(ValueError, match="claim 456 packed bytes"):
        read_npz(tmp_path / "a.npz")


def test_other_packings_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(member(npy(np.arange(3)), zipfile.ZIP_BZIP2))
    with pytest.raises(ValueError, match="packed otherwise"):
        read_npz(tmp_path / "a.npz")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_npy(tmp_path / "nothing-here")
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_npz(tmp_path / "nothing-here")
