"""Fails on purpose, after some output.

You see three lines, then Python's traceback with the error as its last line; the verdict says exit code 1.
"""


def share(cake_g: int, guests: int) -> float:
    return cake_g / guests


def main() -> None:
    for guests in (4, 2, 1, 0):
        print(f"{guests} guests: {share(900, guests):.0f} g of cake each")


if __name__ == "__main__":
    main()
