"""Draws how a random walk spreads, and leaves the picture in the folder for artifacts.

You see a few lines of text and, under the verdict, the picture `random_walk.png`. Whatever a program writes to the
folder that `CLUSTER_ARTIFACTS` names is kept. Needs NumPy and Matplotlib.
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np


def main() -> None:
    folder = Path(os.environ.get("CLUSTER_ARTIFACTS", "."))
    rng = np.random.default_rng(seed=7)
    walks = rng.choice((-1, 1), size=(500, 1000)).cumsum(axis=1)
    steps = np.arange(1, walks.shape[1] + 1)
    print(f"{walks.shape[0]} walks of {walks.shape[1]} steps")

    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=120)
    axes.plot(steps, walks[:40].T, color="tab:blue", alpha=0.25, linewidth=0.7)
    axes.plot(steps, walks.std(axis=0), color="tab:red", label="measured spread")
    axes.plot(steps, np.sqrt(steps), color="black", linestyle="--", label="square root of the steps")
    axes.set(xlabel="step", ylabel="distance", title="Random walks")
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "random_walk.png")
    print(f"the spread after {steps[-1]} steps is {walks[:, -1].std():.1f}, expected {np.sqrt(steps[-1]):.1f}")


if __name__ == "__main__":
    main()
