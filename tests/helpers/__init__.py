"""What several test modules share: random geometries, twins in PyTorch, a stand-in for CuPy."""

PAGE_HANGS = 120_000  # milliseconds until a page counts as hanging: on a quiet machine it takes 5,000 at most
HANGS = 1200  # seconds until a process counts as hanging: twenty times what the slowest takes on two cores
