"""What several test modules share: random geometries, twins in PyTorch, a stand-in for CuPy."""
