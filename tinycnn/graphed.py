"""A training step as a CUDA graph: recorded once, then started as a whole, without its Python.

On a GPU a step of a small network takes Python longer than the arithmetic. A CUDA graph holds all launches
of a step, with their arguments; starting it is one call. `graphed` records one with CuPy's stream capture.

While a step is recorded nothing is computed, and what needs a result at once is refused. A replay repeats
launches on the same addresses, so

- a batch is copied into fixed arrays first;
- everything the step allocates comes from a memory pool that nothing else uses;
- matrix products are kernels of our own (``capturable``): CuPy refuses cuBLAS while it records;
- optimizers read their learning rate and step count from an array on the GPU (`tinycnn.optim.recording`).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any

from tinycnn import backend, choice, dispatch
from tinycnn.kernels import table
from tinycnn.optim import Optimizer
from tinycnn.optim.recording import CannotRecord, Recording
from tinycnn.tensor import Tensor, wrap

WARM_UPS = 3  # calls before the recording: kernels are compiled, states are made, memory is there


def graphed(step: Callable[..., Any], *batch: Any) -> Graphed:
    """Return `step` as a function that is recorded as a CUDA graph at its fourth call, and then replayed.

    ::

        def step(x, labels):
            loss = F.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        fast = tinycnn.graphed(step, x, labels)
        for x, labels in loader:
            loss = fast(x, labels)

    The step of a GAN is recorded likewise, both updates in one graph. z is one of the inputs, drawn before
    every call: then no replay depends on how CuPy's generator is recorded, and z is the same with a graph and
    without one::

        fast = tinycnn.graphed(gan.step, images, tinycnn.randn(64, G.latent))
        for images, _ in loader:
            judged, G_loss = fast(images, tinycnn.randn(64, G.latent))

    Every call makes exactly one step; making the function makes none. If a step cannot be recorded (new
    arrays live in NumPy, there is no GPU, an operation needs a result at once), `step` is called as it is,
    and a `RuntimeWarning` says the reason once; it stays in ``reason``.

    Parameters
    ----------
    step
        Takes tensors and returns tensors, in a tuple, list or dict if there are several. Its Python runs
        in the first calls only: a schedule of the learning rate, counters and printing belong outside.
        ``zero_grad()`` belongs into it.
    batch
        Tensors or arrays of the shapes and dtypes of every batch to come. A batch with other ones is
        computed without the graph.

    Raises
    ------
    TypeError
        If `step` is no function, such as the loss that it returns.
    """
    return Graphed(step, batch)


class Graphed:
    """A training step that is replayed; see `graphed`.

    Attributes
    ----------
    reason
        Why the step is called as it is; None if it is, or will be, a graph.
    """

    def __init__(self, step: Callable[..., Any], batch: Sequence[Any]) -> None:
        if not callable(step):
            raise TypeError(f"graphed needs the function that makes a step, got {type(step).__name__}")
        self.step, self._calls, self._said = step, 0, False
        self.reason: str | None = None
        self._graph: Any = None
        if backend.current() != "cupy":
            self._give_up("new arrays live in NumPy; tinycnn.use('cupy') lets them live on a GPU")
        elif why := choice.why_not("capturable"):
            self._give_up(why)
        else:
            self._prepare(batch)

    def _prepare(self, batch: Sequence[Any]) -> None:
        self._cuda = backend.library("cupy").cuda
        self._gpu = self._cuda.runtime.getDevice()
        self._fixed = [wrap(x.data.copy()) for x in map(_there, batch)]
        self._pool = self._cuda.MemoryPool()
        self._stream = self._cuda.Stream(non_blocking=True)  # the default stream cannot be recorded
        self._recording = Recording()
        self._gradients: list[tuple[Tensor, Tensor | None]] = []
        self._result: Any = None

    def __call__(self, *batch: Any) -> Any:
        """Make one step."""
        if self.reason is not None:
            return self.step(*batch)
        if (gpu := self._cuda.runtime.getDevice()) != self._gpu:
            raise ValueError(
                f"this step was made for GPU {self._gpu}, the current one is {gpu}: call it inside "
                f"`with cupy.cuda.Device({self._gpu}):`, or make another one with graphed()"
            )
        given = list(map(_there, batch))
        if misfit := self._misfit(given):
            self._warn(f"{misfit}; such a batch is computed without the graph")
            return self.step(*batch)
        for fixed, x in zip(self._fixed, given, strict=True):
            fixed.data[...] = x.data
            fixed.mark_dirty()
        if self._calls < WARM_UPS:
            result = self._warm_up(last=self._calls == WARM_UPS - 1)
            self._calls += 1  # counted at the end: a call that was interrupted is made again
            return result
        if self._graph is None and (why := self._record()):
            self._give_up(why)
            return self.step(*batch)
        return self._replay()

    def _warm_up(self, last: bool) -> Any:
        """Make a step as it is; the last one where the recording will be."""
        if not last:
            with _capturable():
                return self.step(*self._fixed)
        recording = Recording()
        with self._aside(), recording.running():
            result = _copies(self.step(*self._fixed))
        self._recording = recording
        self._cuda.get_current_stream().wait_event(self._stream.record())
        return result

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Work in the stream and the memory of the graph, behind all that was queued."""
        self._stream.wait_event(self._cuda.get_current_stream().record())
        with self._stream, self._cuda.using_allocator(self._pool.malloc), _capturable():
            yield

    def _record(self) -> str | None:
        """Record the step; return the reason if that cannot be done. Then all is as before."""
        before = {key: Before(o) for key, o in self._recording.optimizers.items()}
        recording = Recording(rehearsal=self._recording)
        try:
            with self._aside(), recording.running():
                self._stream.begin_capture()
                try:
                    result = self.step(*self._fixed)
                except BaseException:
                    with suppress(Exception):  # the first error says what was wrong
                        self._stream.end_capture()
                    raise
                graph = self._stream.end_capture()
            if recording.optimizers.keys() != before.keys():
                raise CannotRecord("the step does not use the same optimizers in every call")
            for each in before.values():
                each.check()
        except BaseException as error:
            for each in before.values():
                each.restore()
            if not isinstance(error, Exception):
                raise
            said = str(error).strip().partition("\n")[0]
            return said if isinstance(error, CannotRecord) else f"{type(error).__name__}: {said}"
        self._gradients = [pair for each in before.values() for pair in each.after()]
        self._graph, self._recording, self._result = graph, recording, result
        return None

    def _replay(self) -> Any:
        self._recording.refresh()
        self._graph.launch()
        self._recording.advance()
        for p, gradient in self._gradients:
            p._grad = gradient
        return _copies(self._result)

    def _misfit(self, given: Sequence[Tensor]) -> str | None:
        """Return what is different about a batch."""
        got, wanted = ([(x.shape, str(x.dtype)) for x in batch] for batch in (given, self._fixed))
        return None if got == wanted else f"the graph is for a batch of {wanted}, this one is {got}"

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        self._graph, self._said = None, False
        self._warn(f"{reason}; the step is called as it is")

    def _warn(self, what: str) -> None:
        if not self._said:
            warnings.warn(f"graphed: {what}", RuntimeWarning, stacklevel=_frames_here())
        self._said = True


class Stale:
    """Stands for a gradient of an earlier call while a step is recorded: nobody may read it."""

    def __getattr__(self, name: str) -> Any:
        raise CannotRecord(
            "the step uses gradients of the call before, which a graph would not see change: call "
            "zero_grad() in it, before backward()"
        )


class Before:
    """An optimizer's step counts, options and gradients, as they are before a step is recorded."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.steps = optimizer, list(optimizer.steps)
        self.options = self._options()
        self.gradients = [p._grad for p in optimizer.params]
        self.stale = [wrap(Stale()) if g is not None else None for g in self.gradients]
        for p, stale in zip(optimizer.params, self.stale, strict=True):
            p._grad = stale

    def _options(self) -> list[dict[str, Any]]:
        groups = self.optimizer.param_groups
        return [{name: value for name, value in group.items() if name != "params"} for group in groups]

    def check(self) -> None:
        """Raise `CannotRecord` if the step changed an option, which a replay would not do."""
        if self._options() != self.options:
            raise CannotRecord(
                f"the step changes options of {type(self.optimizer).__name__}, as a schedule does: do that "
                "outside of it, between two calls"
            )

    def restore(self) -> None:
        """Let all be as before the recording."""
        self.optimizer.steps[:] = self.steps
        for p, gradient in zip(self.optimizer.params, self.gradients, strict=True):
            p._grad = gradient

    def after(self) -> list[tuple[Tensor, Tensor | None]]:
        """Return the gradients that every replay writes; nothing was counted, as nothing was computed."""
        self.optimizer.steps[:] = self.steps
        columns = self.optimizer.params, self.gradients, self.stale
        return [(p, old if p._grad is stale else p._grad) for p, old, stale in zip(*columns, strict=True)]


def _capturable() -> Any:
    """Let CuPy's arrays be served by kernels that can be recorded, unless the user chose others."""
    chosen = dispatch.chosen()
    if chosen is not None and chosen.name != "cuda":
        return nullcontext()
    return choice.using(kernels=replace(table.capturable(), takes=None))


def _there(x: Any) -> Tensor:
    """Return an input of the step as a tensor on the GPU."""
    return x.to("cupy") if isinstance(x, Tensor) else Tensor(x, backend="cupy")


def _frames_here() -> int:
    """Return the warning's stacklevel that points at the user's line: how far outside of this file it is."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        level, frame = level + 1, frame.f_back
    return level + 1


def _copies(result: Any) -> Any:
    """Return the result of a step with copies of its tensors: the next replay overwrites them."""
    if isinstance(result, Tensor):
        return wrap(result.data.copy())
    if isinstance(result, Mapping):
        return {name: _copies(value) for name, value in result.items()}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(_copies, result))
    if isinstance(result, tuple | list):
        return type(result)(map(_copies, result))
    return result
