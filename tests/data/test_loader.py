import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, Dataset, from_arrays
from tinycnn.data.loader import AUGMENTATION, ORDER

AUGMENT = Augment(shift=2, rotate=10, flip=True)


def numbered(n):
    """`n` pictures whose label is their number."""
    images = np.random.default_rng(0).integers(0, 256, (n, 1, 6, 6), np.uint8)
    return Dataset(images, np.arange(n), tuple(map(str, range(n))), "numbered")


def arrays(batches):
    return [(images.numpy(), labels.numpy()) for images, labels in batches]


def assert_equal(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        np.testing.assert_array_equal(batch[0], other[0])
        np.testing.assert_array_equal(batch[1], other[1])


def test_a_batch_is_two_tensors():
    data = numbered(5)
    (images, labels), _, last = DataLoader(data, 2)
    assert isinstance(images, Tensor)
    assert isinstance(labels, Tensor)
    assert images.shape == (2, 1, 6, 6)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images.numpy(), data.images[:2] / np.float32(255))
    assert last[0].shape == (1, 1, 6, 6)
    assert last[1].numpy().tolist() == [4]


@given(
    n=st.integers(1, 30),
    batch_size=st.integers(1, 35),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    epoch=st.integers(0, 5),
)
def test_every_picture_once_an_epoch(n, batch_size, shuffle, drop_last, epoch):
    if drop_last and batch_size > n:
        return
    data = numbered(n)
    loader = DataLoader(data, batch_size, shuffle=shuffle, drop_last=drop_last)
    batches = arrays(loader.batches(epoch))
    assert len(batches) == len(loader)
    numbers = np.concatenate([labels for _, labels in batches])
    if drop_last:
        assert len(numbers) == n // batch_size * batch_size
        assert len(set(numbers.tolist())) == len(numbers)
    else:
        assert sorted(numbers) == list(range(n))
    if not shuffle:
        assert numbers.tolist() == list(range(len(numbers)))
    for images, labels in batches:
        np.testing.assert_array_equal(images, data.scaled(labels))


def test_each_epoch_has_its_own_order():
    loader = DataLoader(numbered(50), 50, shuffle=True)
    orders = [tuple(labels.numpy()) for _ in range(3) for _, labels in loader]
    assert len(set(orders)) == 3
    assert loader.epoch == 3
    assert tuple(next(iter(loader.batches(1)))[1].numpy()) == orders[1]
    assert loader.epoch == 3  # batches() does not count


def test_seeds_differ_and_repeat():
    def epoch(seed):
        return arrays(DataLoader(numbered(40), 8, shuffle=True, augment=AUGMENT, seed=seed))

    assert_equal(epoch(1), epoch(1))
    for other in (2, 2**32 + 1, 2**64 + 1):
        assert not np.array_equal(epoch(1)[0][1], epoch(other)[0][1])


@given(start=st.integers(0, 7), epoch=st.integers(0, 3), shuffle=st.booleans())
def test_resuming_equals_the_uninterrupted_run(start, epoch, shuffle):
    def loader():
        return DataLoader(numbered(20), 3, shuffle=shuffle, augment=AUGMENT, seed=4)

    whole = loader()
    for _ in range(epoch):
        list(whole)
    uninterrupted = arrays(whole)

    assert_equal(arrays(loader().batches(epoch, start)), uninterrupted[start:])
    resumed = loader()
    resumed.epoch = epoch
    assert_equal(arrays(resumed), uninterrupted)


def test_the_same_picture_is_augmented_anew_in_every_batch_and_epoch():
    data = from_arrays(np.tile(np.random.default_rng(0).random((1, 8, 8)), (4, 1, 1)), [0] * 4)
    loader = DataLoader(data, 1, augment=Augment(rotate=90))
    seen = [images.numpy().tobytes() for _ in range(3) for images, _ in loader]
    assert len(set(seen)) == 12


def test_order_and_augmentation_never_share_random_numbers():
    loaders = [DataLoader(numbered(9), seed=seed) for seed in (0, 3, 3 + 2**32)]
    keys = list(itertools.product(loaders, (ORDER, AUGMENTATION), range(4), range(4)))
    firsts = {loader._rng(*key).integers(2**62) for loader, *key in keys}
    assert len(firsts) == len(keys)


def test_two_iterations_at_once_do_not_disturb_each_other():
    loader = DataLoader(numbered(10), 2, shuffle=True)
    both = list(zip(loader, loader, strict=True))
    assert_equal(arrays(one for one, _ in both), arrays(loader.batches(0)))
    assert_equal(arrays(other for _, other in both), arrays(loader.batches(1)))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": -2}, ValueError, "batch_size"),
        ({"batch_size": 2.0}, TypeError, r"batch_size must be an integer, got 2\.0"),
        ({"batch_size": True}, TypeError, "batch_size"),
        ({"batch_size": 11, "drop_last": True}, ValueError, "batch_size = 11, 'numbered' has 10 pictures"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": None}, TypeError, "seed"),
        ({"augment": Augment(shift=6)}, ValueError, r"shift = 6 .* \(6, 6\)"),
    ],
)
def test_bad_options(options, error, says):
    with pytest.raises(error, match=says):
        DataLoader(numbered(10), **options)


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ((-1,), ValueError, "epoch"),
        ((0, -1), ValueError, "start"),
        ((0, 6), ValueError, r"start = 6: an epoch has 5 batches"),
        ((0.5,), TypeError, "epoch"),
    ],
)
def test_bad_places_are_refused_at_the_call(where, error, says):
    with pytest.raises(error, match=says):
        DataLoader(numbered(10), 2).batches(*where)


class Squares:
    """A sequence as PyTorch's data sets are: a length, and items by their number."""

    def __len__(self):
        return 7

    def __getitem__(self, i):
        if i >= 7:
            raise IndexError(i)
        return np.full((2, 3), i, np.float32), i * i


def test_any_sequence_of_pairs(backend):
    loader = DataLoader(Squares(), 3, shuffle=True, seed=2)
    batches = list(loader)
    assert [x.shape for x, _ in batches] == [(3, 2, 3), (3, 2, 3), (1, 2, 3)]
    for x, y in batches:
        assert isinstance(x, Tensor)
        assert (x.backend, y.backend) == (backend, backend)
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(x.numpy()[:, 0, 0] ** 2, y.numpy())
    order = DataLoader(numbered(7), 7, shuffle=True, seed=2)
    expected = next(iter(order))[1].numpy()
    np.testing.assert_array_equal(np.concatenate([y.numpy() for _, y in batches]), expected**2)


PAIRS = {
    "numbers": ([(0.5, 1), (1.5, 2)], [0.5, 1.5], np.float32, np.int64),
    "lists": ([([1.0, 2.0], [1.0]), ([3.0, 4.0], [0.0])], [[1, 2], [3, 4]], np.float32, np.float32),
    "integers": ([(np.int32(3), np.uint8(9)), (np.int32(4), np.uint8(1))], [3, 4], np.int32, np.int64),
    "float64": ([(np.ones(2), 0.5), (np.zeros(2), 1.5)], [[1, 1], [0, 0]], np.float64, np.float32),
    "tensors": ([(Tensor([1.0]), Tensor(3)), (Tensor([2.0]), Tensor(4))], [[1], [2]], np.float32, np.int64),
}


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize(("pairs", "x", "x_dtype", "y_dtype"), PAIRS.values(), ids=PAIRS)
def test_pairs_of_all_kinds(pairs, x, x_dtype, y_dtype):
    for data in (pairs, tuple(pairs), list(map(list, pairs))):
        ((images, labels),) = DataLoader(data, 2)
        np.testing.assert_array_equal(images.numpy(), x)
        assert (images.dtype, labels.dtype) == (x_dtype, y_dtype)
        assert len(labels) == 2


def test_a_loader_of_pairs_trains(rng):
    pairs = [(x, int(x.sum() > 0)) for x in rng.standard_normal((200, 2)).astype(np.float32)]
    net = nn.Linear(2, 2)
    rule = optim.SGD(net.parameters(), lr=1.0)
    for _ in range(5):
        for x, y in DataLoader(pairs, 20, shuffle=True):
            rule.zero_grad()
            F.cross_entropy(net(x), y).backward()
            rule.step()
    x, y = next(iter(DataLoader(pairs, 200)))
    assert (net(x).argmax(1).numpy() == y.numpy()).mean() > 0.95


def test_pairs_are_augmented_as_a_data_set_is():
    data = numbered(6)
    pairs = list(zip(data.scaled(slice(None)), data.labels, strict=True))
    assert_equal(arrays(DataLoader(pairs, 4, augment=AUGMENT)), arrays(DataLoader(data, 4, augment=AUGMENT)))


@pytest.mark.parametrize(
    ("data", "options", "error", "says"),
    [
        ([], {}, ValueError, "at least one pair"),
        (5, {}, TypeError, r"sequence of pairs \(x, y\).*int is not such"),
        (iter([(1, 2)]), {}, TypeError, "list_iterator is not such"),
        ([1, 2], {}, TypeError, "first item is int: 1"),
        ([(1, 2, 3)], {}, TypeError, r"first item is tuple: \(1, 2, 3\)"),
        ((numbered(3), numbered(2)), {}, TypeError, r"\(train, test\): give a DataLoader one of the two"),
        ([([1.0], 0)], {"augment": Augment(shift=1)}, ValueError, r"float32 images .* \(1,\) float64"),
        ([(1, 2)], {"drop_last": True}, ValueError, "no batch is left: .* the data set has 1"),
    ],
)
def test_what_is_no_data(data, options, error, says):
    with pytest.raises(error, match=says):
        DataLoader(data, **options)


def test_pairs_of_different_shapes_are_named():
    pairs = [(np.zeros(2), 0), (np.zeros(2), 1), (np.zeros(3), 1)]
    with pytest.raises(ValueError, match=r"x of one shape: pair 0 has \(2,\), pair 2 has \(3,\)"):
        list(DataLoader(pairs, 3))
