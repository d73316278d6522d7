import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinycnn import functional as F
from tinycnn.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics_follow_pytorchs(shape, momentum, rng):
    mean, variance = Tensor(np.zeros(3)), Tensor(np.ones(3))
    twins = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for training in True, True, False, True:
        x = rng.standard_normal(shape) * 3 + 1
        y = F.batch_norm(Tensor(x), mean, variance, training=training, momentum=momentum)
        expected = torch.nn.functional.batch_norm(
            torch.tensor(x), *twins, training=training, momentum=momentum
        )
        assert_allclose(y.numpy(), expected.numpy(), atol=1e-12)
        assert_allclose(mean.numpy(), twins[0].numpy(), atol=1e-12)
        assert_allclose(variance.numpy(), twins[1].numpy(), atol=1e-12)


def test_out_of_training_nothing_is_changed_and_one_image_is_enough(rng):
    mean, variance = Tensor(np.array([1.0, 2.0])), Tensor(np.array([4.0, 9.0]))
    y = F.batch_norm(Tensor(np.array([[3.0, 8.0]])), mean, variance, eps=0)
    assert_allclose(y.numpy(), [[1, 2]])
    assert mean.numpy().tolist() == [1, 2]
    assert variance.numpy().tolist() == [4, 9]


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_may_change_between_forward_and_backward(training, rng):
    # A GAN's discriminator sees the real and the generated batch before one backward.
    weight, running = Tensor(np.ones(2), requires_grad=True), (Tensor(np.zeros(2)), Tensor(np.ones(2)))
    x, other = (Tensor(rng.standard_normal((4, 2))) for _ in range(2))
    loss = (F.batch_norm(x, *running, weight, training=training) ** 2).sum()
    F.batch_norm(other, *running, weight, training=True)
    loss.backward()
    assert weight.grad is not None


def test_an_epsilon_of_numpy_keeps_float32(rng):
    x = Tensor(rng.standard_normal((4, 2)).astype("float32"))
    assert F.batch_norm(x, None, None, training=True, eps=np.float64(1e-5)).dtype == np.float32
