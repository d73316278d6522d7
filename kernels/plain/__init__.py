"""The kernels a learner reads: NumPy alone, a few lines each, every one next to its equation.

============= ==========================================================================================
`convolution` the convolution and its two derivatives: a sum over the kernel's cells
`pooling`     max, min and sum of windows; a gather and its adjoint, a scatter
`passes`      matrix product, activations, normalisation, cross-entropy, Adam
`loops`       convolution and pooling once more, the equations verbatim as Python loops: slow, and the
              oracle that every other kernel is held against
============= ==========================================================================================

They take CuPy arrays as well.
"""
