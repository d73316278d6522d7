"""How a compiled function shares its work with helper threads, without Python's lock.

A kernel's last parameter is `work`, and its first line is ``part, start, stop = in_parts(work)``: its share.
If `work` is (-parts, count, helpers), the kernel calls itself for all parts of ``range(count)``, in this
thread and in helpers. Then its own share is empty.

A helper looks at its control block: numbers in memory, for itself and the thread it helps. Their state is

======= ==============================================================================================
IDLE    if the helper looks for work
OFFERED if a part is described in the block: the helper takes it, or the other thread takes it back
RUNNING if the helper computes the part: the other thread waits
ASLEEP  if the helper looks no more: the other thread wakes it when it offers a part
ENDED   if the helper is needed no more
======= ==============================================================================================

A part that no helper has begun is taken back as soon as the other thread has nothing else to do. So nobody
waits for a thread that sleeps. The arguments lie on the stack of the thread that called the kernel, which
returns when all parts are done.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compiled import compiled

IDLE, OFFERED, RUNNING, ASLEEP, ENDED = range(5)
# Where the numbers of a control block are, in bytes from its beginning:
STATE, NEXT, FUNCTION, DATA, PART, START, STOP, FAILED, LOCK, ACQUIRE, RELEASE, EVERYONE = range(0, 96, 8)
SPINS = 200_000  # looks of a thread before it sleeps, about 0.2 ms: Python takes less between most kernels
PAUSE = 20  # microseconds that a thread sleeps before it looks again whether a part is done
WORD, SHARE = ir.IntType(64), types.UniTuple(types.int64, 3)


def _at(builder, address, kind=WORD):
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def read(typing, address):
    """Return the number at an address. What was written before it is visible then."""

    def build(context, builder, signature, args):
        return builder.load_atomic(_at(builder, args[0]), "acquire", 8)

    return types.int64(types.int64), build


@intrinsic
def exchange(typing, address, value):
    """Let a number in memory be `value`, after all that was written before, and return what it was."""

    def build(context, builder, signature, args):
        return builder.atomic_rmw("xchg", _at(builder, args[0]), args[1], "acq_rel")

    return types.int64(types.int64, types.int64), build


@intrinsic
def change(typing, address, old, new):
    """Let a number in memory be `new` if it is `old`, and return whether it was."""

    def build(context, builder, signature, args):
        result = builder.cmpxchg(_at(builder, args[0]), *args[1:], "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(types.int64, types.int64, types.int64), build


@intrinsic
def call(typing, function, *args):
    """Call a function of whole numbers by its address, and return its result."""

    def build(context, builder, signature, args):
        numbers = cgutils.unpack_tuple(builder, args[1])
        function = _at(builder, args[0], ir.FunctionType(WORD, [WORD] * len(numbers)))
        return builder.call(function, numbers)

    return types.int64(types.int64, types.StarArgTuple([types.int64] * len(args))), build


@compiled
def tell(control, state):
    """Let a helper that is IDLE or ASLEEP be in another state, and wake it."""
    if exchange(control + STATE, state) == ASLEEP:
        call(read(control + RELEASE), read(control + LOCK))


@compiled
def everyone(function, data, parts, count, helpers):
    """Call function(data, part, start, stop) for all parts of ``range(count)``, in this and other threads.

    `helpers` is the address of the first helper's control block. The address of the next is found in it.
    """
    control, offered, failed = helpers, 1, 0
    while offered < parts and control != 0:
        state: Any = read(control + STATE)
        if state != IDLE and state != ASLEEP:  # it helps a call that this one interrupts
            break
        exchange(control + FUNCTION, function)
        exchange(control + DATA, data)
        exchange(control + PART, offered)
        exchange(control + START, count * offered // parts)
        exchange(control + STOP, count * (offered + 1) // parts)
        exchange(control + FAILED, 0)
        tell(control, OFFERED)
        control = read(control + NEXT)
        offered += 1
    control = helpers
    for part in range(parts):
        if part == 0 or part >= offered or change(control + STATE, OFFERED, IDLE):
            failed |= call(function, data, part, count * part // parts, count * (part + 1) // parts)
        if 0 < part < offered:
            control = read(control + NEXT)
    control = helpers
    for _ in range(1, offered):
        looks = 0
        while read(control + STATE) == RUNNING:
            looks += 1
            if looks > SPINS:  # perhaps the helper waits for this core; to wait for its lock is to sleep
                call(read(control + ACQUIRE), read(control + LOCK), PAUSE, 0)
        failed |= read(control + FAILED)
        control = read(control + NEXT)
    if failed:
        raise RuntimeError("a kernel failed in one of several threads")


@compiled
def serve(control):
    """Compute the parts that are offered to a helper. It sleeps if it has looked for one in vain."""
    left = SPINS
    while True:
        state: Any = read(control + STATE)
        if state == ENDED:
            return
        if state == OFFERED and change(control + STATE, OFFERED, RUNNING):
            function, data, part = read(control + FUNCTION), read(control + DATA), read(control + PART)
            failed = call(function, data, part, read(control + START), read(control + STOP))
            exchange(control + FAILED, failed)
            exchange(control + STATE, IDLE)
            left = SPINS
        elif left == 0:
            if change(control + STATE, IDLE, ASLEEP):
                call(read(control + ACQUIRE), read(control + LOCK), -1, 0)
            left = SPINS
        else:
            left -= 1


def native(function, *args):
    """Return the address of a compiled function for arguments of these types; Numba calls it there."""
    function.compile(args)
    result = function.overloads[args]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


def _in_parts(typing, work):
    """Return (part, start, stop) of a kernel's `work`.

    `everyone` is called by its address. It would take long to compile if it were a part of each kernel.
    """

    def build(context, builder, signature, args):
        kernel = builder.function
        result, error, *arguments = kernel.args[:-3]  # the last three are `work`
        record = ir.LiteralStructType([argument.type for argument in arguments])
        place = cgutils.alloca_once(builder, record)
        share = cgutils.alloca_once_value(builder, args[0])
        first, count, helpers = cgutils.unpack_tuple(builder, args[0], 3)
        with builder.if_then(builder.icmp_signed("<", first, WORD(0)), likely=False):
            for i, argument in enumerate(arguments):
                builder.store(argument, cgutils.gep_inbounds(builder, place, 0, i))
            part = builder.ptrtoint(_for_a_part(builder.module, kernel, record), WORD)
            numbers = part, builder.ptrtoint(place, WORD), builder.neg(first), count, helpers
            kind = ir.FunctionType(kernel.ftype.return_type, [result.type, error.type, *[WORD] * 5])
            address = builder.load(_at(builder, builder.add(helpers, WORD(EVERYONE))))
            status = builder.call(_at(builder, address, kind), [result, error, *numbers])
            with cgutils.if_unlikely(builder, cgutils.is_not_null(builder, status)):
                builder.ret(status)
            builder.store(ir.Constant(args[0].type, None), share)
        return builder.load(share)

    return SHARE(SHARE), build


in_parts: Any = intrinsic(_in_parts)


def _for_a_part(module, kernel, record):
    """Return a function (address of the arguments, part, start, stop) that calls the kernel."""
    function = ir.Function(module, ir.FunctionType(WORD, [WORD] * 4), f"{kernel.name}.part")
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    place = _at(builder, function.args[0], record)
    fields = [cgutils.gep_inbounds(builder, place, 0, i) for i in range(len(record.elements))]
    ends = [builder.inttoptr(builder.ptrtoint(builder.alloca(WORD), WORD), a.type) for a in kernel.args[:2]]
    args = [*ends, *map(builder.load, fields), *function.args[1:]]
    builder.ret(builder.sext(builder.call(kernel, args, attrs=("noinline",)), WORD))
    return function
