"""So many threads inside a ``with`` block."""

from contextlib import contextmanager

import tinycnn


@contextmanager
def computing_with(threads):
    before = tinycnn.get_num_threads()
    tinycnn.set_num_threads(threads)
    try:
        yield
    finally:
        tinycnn.set_num_threads(before)
