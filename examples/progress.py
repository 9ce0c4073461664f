"""Works for 30 seconds and says so once a second.

You see one line a second, as it is printed, although the program never flushes its output. Good for trying Cancel, and
for watching what happens when the bot is restarted in between. An argument changes the number of seconds.
"""

import sys
import time


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    total, terms = 0.0, 0
    start = time.monotonic()
    for step in range(1, steps + 1):
        # Some real work, a slowly converging series for pi; the rest of the second belongs to others.
        for _ in range(200_000):
            total += (-1) ** terms / (2 * terms + 1)
            terms += 1
        time.sleep(max(0.0, start + step - time.monotonic()))
        bar = "#" * (20 * step // steps)
        print(f"{step:3}/{steps} [{bar:20}] pi is about {4 * total:.9f} after {terms:,} terms")


if __name__ == "__main__":
    main()
