"""Hypothesis strategies: sizes of convolutions and poolings that fit, over all options."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from tinycnn.kernels.geometry import conv2d_geometry, output_size, pool2d_geometry

SEEDS = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def convolutions(draw, smallest_batch=0, most_channels=2, most_cells=4):
    """Return the shapes of x, w and of the output, and the options."""
    N, G = draw(st.integers(smallest_batch, 3)), draw(st.integers(1, 3))
    C, K = (G * draw(st.integers(1, most_channels)) for _ in range(2))
    kernel, stride, padding, dilation = (draw(pairs(*ends)) for ends in ((1, 3), (1, 3), (0, 2), (1, 2)))
    size = draw(_sizes(kernel, padding, dilation, most_cells))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": G}
    output = map(output_size, size, kernel, stride, padding, dilation)
    return (N, C, *size), (K, C // G, *kernel), (N, K, *output), options


@st.composite
def conv2d_geometries(draw, **limits):
    """Return the geometry of such a convolution, sometimes with fewer outputs than would fit.

    A transposed convolution with an output_padding has such a geometry.
    """
    x_shape, w_shape, _, options = draw(convolutions(**limits))
    geometry = conv2d_geometry(x_shape, w_shape, **options)
    if draw(st.booleans()):
        return geometry
    OH, OW = draw(st.integers(1, geometry.OH)), draw(st.integers(1, geometry.OW))
    return geometry._replace(OH=OH, OW=OW)


@st.composite
def poolings(draw, dilated=False, smallest_batch=0):
    """Return the shapes of x and of the output, and the options."""
    N, C = draw(st.integers(smallest_batch, 2)), draw(st.integers(1, 2))
    kernel, stride, dilation = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(1, 3 if dilated else 1))
    spans = [D * (k - 1) + 1 for k, D in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, span // 2)) for span in spans)
    size = draw(_sizes(kernel, padding, dilation))
    for axis in zip(size, kernel, stride, padding, dilation, strict=True):
        assume(_every_window_meets_a_cell(*axis))
    options = {"kernel_size": kernel, "stride": stride, "padding": padding}
    output = map(output_size, size, kernel, stride, padding, dilation)
    return (N, C, *size), (N, C, *output), options | ({"dilation": dilation} if dilated else {})


def pool2d_geometries(**limits):
    """Return the geometry of such a pooling."""
    return poolings(**limits).map(lambda case: pool2d_geometry(case[0], **case[2]))


def _every_window_meets_a_cell(size, kernel, stride, padding, dilation):
    starts = range(-padding, size + padding - dilation * (kernel - 1), stride)
    cells = set(range(size))
    return all(cells & set(range(start, start + dilation * kernel, dilation)) for start in starts)


@st.composite
def _sizes(draw, kernel, padding, dilation, most=4):
    """Return an input size: the smallest that holds one window, or a little more."""
    spans = [D * (k - 1) + 1 - 2 * P for k, P, D in zip(kernel, padding, dilation, strict=True)]
    return tuple(max(span, 1) + draw(st.integers(0, most)) for span in spans)


LAYOUTS = {
    "contiguous": lambda a: a,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "every other": lambda a: np.repeat(a, 2, axis=3)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
}


def misaligned(a):
    """A copy that begins at an odd address, as a part of a file's bytes may."""
    copy = np.ndarray(a.shape, a.dtype, bytearray(a.nbytes + 1), 1)
    copy[...] = a
    return copy


EVERY_LAYOUT = LAYOUTS | {
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "misaligned": misaligned,
}


@st.composite
def arrays(draw, rng, *shapes):
    """Return float arrays of these shapes, of one dtype, laid out in one way in memory, all read-only."""
    dtype, layout = draw(st.sampled_from(["float32", "float64"])), draw(st.sampled_from(list(EVERY_LAYOUT)))
    result = [EVERY_LAYOUT[layout](rng.standard_normal(shape).astype(dtype)) for shape in shapes]
    for a in result:
        a.flags.writeable = False
    return result
