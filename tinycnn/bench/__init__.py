"""Benchmarks: tinycnn beside PyTorch, TensorFlow and DeZero, every contestant in a process of its own.

========== ============================================================================================
`works`    what is measured, by name
`inputs`   the weights and batches of a work: made once, the same for all contestants
`on_*`     a work as each library's users write it
`worker`   the process a contestant runs in; `process` is the other end of its pipe
`measure`  rounds A B A B, calculations compared, times and peak memory
`startup`  from process start to the first loss, and to 98 % on the embedded digits
`summary`  medians, quartiles, ratios
`report`   the table, and the JSON; `chart` draws it
========== ============================================================================================

``python benchmarks/cpu.py`` runs everything, ``tinycnn bench`` the short form.
"""
