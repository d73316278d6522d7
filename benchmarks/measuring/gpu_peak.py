"""What the GPU is, and what it can do: float32 additions and multiplications a second, at most.

As in `peak`: a loop of FMAs on numbers that stay in registers is the ceiling of every float32 kernel; a large
matrix product is what a library reaches.
"""

from collections.abc import Callable
from typing import Any

from tinycnn import backend

SWEEPS = 1000
UNROLLED = 16  # FMAs of each of the 8 numbers in a sweep
THREADS, BLOCKS_A_PROCESSOR = 256, 8
REPEATS = 10
SIZE = 8192  # of the matrices

# Eight numbers that do not wait for each other hide an FMA's latency. v * a + b with a = b = 0.5 tends to 1.
LOOP = """
extern "C" __global__ void fma_loop(float* out, float a, float b, int sweeps) {
    float v[8];
    #pragma unroll
    for (int j = 0; j < 8; ++j) v[j] = threadIdx.x + j;
    for (int sweep = 0; sweep < sweeps; ++sweep) {
        #pragma unroll
        for (int k = 0; k < 16; ++k) {
            #pragma unroll
            for (int j = 0; j < 8; ++j) v[j] = fmaf(v[j], a, b);
        }
    }
    float sum = 0;
    #pragma unroll
    for (int j = 0; j < 8; ++j) sum += v[j];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
"""


def fma_gflops(cupy: Any) -> float:
    """Return GFLOP/s of the loop on all multiprocessors."""
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    blocks = properties["multiProcessorCount"] * BLOCKS_A_PROCESSOR
    loop = cupy.RawKernel(LOOP, "fma_loop")
    out = cupy.empty(blocks * THREADS, "float32")
    half = cupy.float32(0.5)
    arguments = (out, half, half, cupy.int32(SWEEPS))
    seconds = _shortest(cupy, lambda: loop((blocks,), (THREADS,), arguments))
    return 2 * 8 * UNROLLED * SWEEPS * blocks * THREADS / seconds / 1e9


def sgemm_gflops(cupy: Any) -> float:
    """Return GFLOP/s of cuBLAS's product of two large matrices, TF32 off."""
    a = backend.generator("cupy").random((SIZE, SIZE), dtype="float32")
    out = cupy.empty_like(a)
    return 2 * SIZE**3 / _shortest(cupy, lambda: cupy.matmul(a, a, out=out)) / 1e9


def _shortest(cupy: Any, work: Callable[[], Any]) -> float:
    """Return the seconds of the fastest run: for a peak, what disturbs does not count."""
    seconds = []
    for _ in range(REPEATS + 1):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(cupy.cuda.get_elapsed_time(begin, end) / 1e3)
    return min(seconds[1:])  # the first compiles
