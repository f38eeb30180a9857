"""Generators within generators, by `for` and by `yield from`, alive over many calls and thrown away half way."""

import truth


def source(length):
    for number in range(length):
        yield crunch(number)


def crunch(number):
    for _ in range(50):
        number += 1
    return number


def delegating(length):
    yield from source(length)


def looping(length):
    for number in delegating(length):
        yield number + 1


def branching(levels):
    """A tree: as many generators at a time as it has levels, in changing pairs."""
    if levels:
        yield from branching(levels - 1)
        yield crunch(levels)
        for number in branching(levels - 1):
            yield number


def drain():
    for _ in looping(50):
        pass
    for _ in branching(6):
        pass


def abandon():
    for number, _ in enumerate(looping(50)):
        if number == 25:
            break


def main():
    arguments = truth.arguments(__doc__)
    for _ in range(100):
        drain()
        abandon()
    truth.begin(
        arguments,
        edges=[
            *truth.chain("main", "drain", "looping", "delegating", "source", "crunch"),
            *truth.chain("main", "abandon", "looping"),
            # One that is closed closes what it holds, without a frame of its own where it has nothing to catch.
            ["abandon", "delegating"],
            ["abandon", "source"],
            ["looping", "source"],
            *truth.chain("drain", "branching", "branching", "crunch"),
        ],
    )
    while True:
        drain()
        abandon()


if __name__ == "__main__":
    main()
