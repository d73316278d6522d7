"""Streams and graphs of the stand-in for CuPy: what is called while one captures is noted, and not done.

What CuPy or CUDA refuse then raises here as well: cuBLAS, memory from the ordinary pool, and whatever would
wait for the GPU or bring something there. When the capture ends, every array is as it was before. A launch of
the graph does all that was noted, in the same arrays. Memory that was allocated during the capture holds
nothing when a launch begins: on a GPU one piece of it serves several arrays of a step, one after the other.
"""

from contextlib import contextmanager

import numpy as np

CUBLAS = {"matmul", "dot", "tensordot", "einsum", "inner", "vdot", "imatmul"}
LARGE = 1 << 24  # bytes: the memory of larger arrays is not touched, as then the machine needs as much
capturing = []  # the graph that is being recorded, if there is one
allocators = [None]  # the innermost is in use; None is the ordinary pool
launched = []  # graphs


class Graph:
    def __init__(self, stream=None):
        self.stream = stream
        self.work, self.before, self.allocated = [], [], []

    def launch(self, stream=None):
        assert not capturing
        launched.append(self)
        self.spoil()
        for work in self.work:
            work()

    def end(self):
        """Undo what was computed to know shapes: while a GPU captures, it computes nothing."""
        for arrays, values in reversed(self.before):
            for array, value in zip(arrays, values, strict=True):
                if array.flags.writeable:
                    array[...] = value
        self.spoil()

    def spoil(self):
        """Let the memory that was allocated during the capture hold nothing that anybody could use."""
        for array in self.allocated:
            if array.nbytes <= LARGE:
                array.fill(np.nan if array.dtype.kind == "f" else 1)


class Stream:
    def __init__(self, null=False, non_blocking=False):
        self.ptr, self.non_blocking = 0 if null else id(self), non_blocking

    def __enter__(self):
        streams.append(self)

    def __exit__(self, *_):
        assert streams.pop() is self

    def begin_capture(self, mode=None):
        assert self.ptr, "cannot capture on the default (legacy) stream"
        assert self.non_blocking
        assert streams[-1] is self
        assert not capturing
        capturing.append(Graph(self))

    def end_capture(self):
        graph = capturing.pop()
        graph.end()
        return graph

    def record(self, event=None):
        refuse("an event")
        return self

    def wait_event(self, event):
        refuse("an event")

    def synchronize(self):
        refuse("synchronize")


streams = [Stream(null=True)]


class MemoryPool:
    def malloc(self, size):
        raise AssertionError("the stand-in asks for nothing")


@contextmanager
def using_allocator(allocator):
    allocators.append(allocator)
    try:
        yield
    finally:
        allocators.pop()


def refuse(what):
    """Raise what CUDA raises if `what` is asked for while a stream captures."""
    if capturing:
        raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {what} while a stream captures")


def _note(work):
    """Note a launch in the graph; one in another stream would not be in it, so CUDA refuses it."""
    if streams[-1] is not capturing[0].stream:
        raise RuntimeError("cudaErrorStreamCaptureImplicit: a launch in a stream that does not capture")
    capturing[0].work.append(work)


def allocated():
    if capturing and allocators[-1] is None:
        raise RuntimeError("memory of the ordinary pool while a stream captures")


def allocated_for(arrays):
    """Note new arrays, if a stream captures."""
    if capturing:
        capturing[0].allocated += arrays


def compute(function, given, options, owner=None):
    """Return the result of a function of NumPy's arrays, and note the call while a stream captures."""
    if not capturing:
        return function(*given, **options)
    if getattr(function, "__name__", "").strip("_") in CUBLAS:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    arrays = list(_arrays((*given, *options.values(), owner)))
    capturing[0].before.append((arrays, [a.copy() for a in arrays]))
    value = function(*given, **options)
    if isinstance(value, np.generic):
        value = np.asarray(value)
    results = _new(value, arrays)
    allocated_for(results)

    def again():
        for array, new in zip(results, _new(function(*given, **options), arrays), strict=True):
            array[...] = new

    _note(again)
    return value


def start(kernel, *arguments):
    """Start a kernel that writes to addresses; while a stream captures it is noted only."""
    if capturing:
        _note(lambda: kernel(*arguments))
    else:
        kernel(*arguments)


def _arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list):
        for v in value:
            yield from _arrays(v)


def _new(value, given):
    """Return the arrays of a result that are no views of what was given."""
    if isinstance(value, np.generic):
        return [np.asarray(value)]
    return [a for a in _arrays(value) if not any(np.may_share_memory(a, g) for g in given)]
