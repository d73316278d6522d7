"""Convolution and pooling as plain functions over plain arrays: no Tensor, no autograd, no global state.

Installed as ``tinycnn.kernels``. The same contract is written several times, each one a lesson and each
proven equal to the first:

========== ============================================================================================
`loops`    the documented equations verbatim, as loops: slow, and the oracle for the others
`im2col`   patches laid out as a matrix, then one matrix product; NumPy and CuPy arrays alike
`cpu`      sums of shifted planes, tiles of them in vector registers; compiled by Numba, on all cores
`cuda`     a ladder of versions for the GPU, compiled by Numba, from naive to fast
========== ============================================================================================

Passes over arrays: `elementwise`, `channels` and `rows` are plain, `cpu` has them compiled, and `fused` is
each in one launch for CuPy.

The contract, in the notation of `tinycnn.kernels.geometry`:

``conv2d(x, w)``
    (N, C, H, W) and (K, C/G, KH, KW) -> (N, K, OH, OW); adds a ``bias`` (K,)
``conv2d_input(g, w, size)``
    (N, K, OH, OW) and (K, C/G, KH, KW) -> (N, C, H, W); adds a ``bias`` (C,)
``conv2d_weight(x, g, kernel_size)``
    (N, C, H, W) and (N, K, OH, OW) -> (K, C/G, KH, KW)
``max_pool2d(x, kernel_size)``, ``min_pool2d(x, kernel_size)``
    the winners' values and their indices h*W + w, both (N, C, OH, OW)
``pool_gather(x, index)``, ``pool_scatter(g, index, size, window)``
    the cells at the winners' places, and the adjoint; a kernel may make use of the window, where it is known
``sum_pool2d(x, kernel_size)``, ``sum_pool2d_input(g, kernel_size, size)``
    the sums of windows, and the adjoint

The three convolutions are the three partial contractions of one trilinear form ``<g, conv2d(x, w)>``:
fix two of x, w, g and it is linear in the third. Hence each one's derivatives are the other two.
"""
