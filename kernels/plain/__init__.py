"""The kernels a learner reads: NumPy alone, a few lines each, every one next to its equation.

================== =====================================================================================
`windows`          convolution, its two derivatives, and max-pooling: one cell of the kernel at a time
`sum_pooling`      pooling by sums, in the same way
`passes`           matrix product, ReLU, cross-entropy, Adam
`leaky_relu`       leaky ReLU
`elementwise_loss` binary cross-entropy
`normalisation`    each channel with mean 0 and variance 1
`loops`            convolution and pooling once more, the equations verbatim as Python loops: slow, and the
                   oracle that every other kernel is held against
================== =====================================================================================

They take CuPy arrays as well.
"""
