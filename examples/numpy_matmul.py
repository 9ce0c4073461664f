"""Multiplies two matrices with NumPy, checks the result, and reports the speed.

You see one line for each size: how long a product took and how many billion operations a second that is. The last line
says that the results were checked. Needs NumPy; takes a few seconds on any machine.
"""

import time

import numpy as np


def measure(size: int, repeats: int = 3) -> tuple[float, float]:
    """Seconds of the fastest of `repeats` products of two size x size matrices, and the worst error found."""
    rng = np.random.default_rng(seed=size)
    a = rng.standard_normal((size, size), dtype=np.float32)
    b = rng.standard_normal((size, size), dtype=np.float32)
    seconds = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        product = a @ b
        seconds = min(seconds, time.perf_counter() - start)
    # Checked against double precision on a few rows: a full check would take longer than the product.
    rows = rng.integers(0, size, 8)
    exact = a[rows].astype(np.float64) @ b.astype(np.float64)
    return seconds, float(np.max(np.abs(product[rows] - exact)) / np.sqrt(size))


def main() -> None:
    print(f"NumPy {np.__version__}")
    for size in (256, 512, 1024, 2048):
        seconds, error = measure(size)
        print(f"{size:5} x {size:<5} {seconds * 1e3:8.2f} ms {2 * size**3 / seconds / 1e9:8.1f} GFLOP/s")
        assert error < 1e-4, f"the product is wrong: relative error {error:.1e}"
    print("all results checked")


if __name__ == "__main__":
    main()
