"""The parts of `benchmarks.gpu_session`: what runs on the GPU, each in a process of its own.

Every fact is printed as one line of JSON. A part that meets an error of CUDA's ends: such an error stays in
its process, and every later result of it would be worthless.
"""
