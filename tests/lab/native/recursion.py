"""A function that calls itself, to a fixed depth and back, for ever; at the bottom is another one."""

import truth


def descend(levels):
    if levels > 1:
        descend(levels - 1)
    else:
        bottom()


def bottom():
    for _ in range(1000):
        pass


def main():
    arguments = truth.arguments(__doc__, levels=200)
    for _ in range(100):
        descend(arguments.levels)
    truth.begin(
        arguments,
        edges=[["descend", "descend"], *truth.chain("main", "descend", "bottom")],
        depths={"bottom": 2 + arguments.levels + 1},
    )
    while True:
        descend(arguments.levels)


if __name__ == "__main__":
    main()
