"""What several test modules share: random geometries, twins in PyTorch, a stand-in for CuPy."""

HANGS = 1200  # seconds until a process counts as hanging: twenty times what the slowest takes on two cores
