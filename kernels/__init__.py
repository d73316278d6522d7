"""Convolution, pooling and passes as plain functions over plain arrays: no Tensor, no autograd.

Installed as ``tinycnn.kernels``. The same contract is written several times; each time is a lesson, and is
proven equal to the first:

========== ============================================================================================
`plain`    NumPy, a few lines next to each equation; and the equations as loops, the oracle of the others
`im2col`   patches laid out as a matrix, then one matrix product; NumPy and CuPy arrays alike
`cpu`      compiled by Numba for the CPU's vector registers and all its cores
`cuda`     a ladder of versions for the GPU, compiled by Numba, from naive to fast
`fused`    each formula over whole arrays in one launch, compiled by CuPy
========== ============================================================================================

`table` lists all kernels and the sets of them. `geometry` has the sizes of a convolution or pooling: they are
checked once, where the user's arguments arrive, and every kernel trusts them.

The three convolutions are the three partial contractions of one trilinear form ``<g, conv2d(x, w)>``:
fix two of x, w, g and it is linear in the third. Hence each one's derivatives are the other two.
"""
