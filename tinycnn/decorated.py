"""Functions whose body runs inside a ``with`` block: plain ones, generators and coroutines."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Any


def inside(
    block: Callable[[], AbstractContextManager[Any]], function: Callable[..., Any]
) -> Callable[..., Any]:
    """Return `function` with its body, or each step of a generator, inside ``with block():``."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            generator, sent = function(*args, **kwargs), None
            with closing(generator):
                while True:
                    with block():
                        try:
                            value = generator.send(sent)
                        except StopIteration as end:
                            return end.value
                    sent = yield value

        return steps

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with block():
                return await function(*args, **kwargs)

        return awaited

    @functools.wraps(function)
    def whole(*args: Any, **kwargs: Any) -> Any:
        with block():
            return function(*args, **kwargs)

    return whole
