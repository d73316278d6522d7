"""Everything that measures tinycnn: run a script from the checkout's folder, ``python -m benchmarks.cpu``."""
