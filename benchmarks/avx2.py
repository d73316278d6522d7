"""Run a command as on a processor without AVX-512.

python -m benchmarks.avx2 python -m pytest tests/kernels
"""

import os
import subprocess
import sys

from benchmarks.measuring.contestants import AVX2

if __name__ == "__main__":
    sys.exit(subprocess.call(sys.argv[1:], env=os.environ | AVX2))
