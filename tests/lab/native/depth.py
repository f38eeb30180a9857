"""A stack of so many frames, each of another function, that never changes: what a sample of it costs is only a matter of
its depth. The last function computes, for ever."""

import sys

import truth

CALL = """
def f{0}():
    f{1}()
"""
LAST = """
def f{0}():
    while True:
        pass
"""


def main():
    arguments = truth.arguments(__doc__, frames=100)
    # Of the frames, one is the module's and one is that of `main`.
    last = arguments.frames - 3
    if last < 0:
        sys.exit("--frames: at least three")
    sys.setrecursionlimit(arguments.frames + 1000)
    functions = truth.generate("".join(CALL.format(n, n + 1) for n in range(last)) + LAST.format(last))
    truth.begin(
        arguments,
        edges=truth.chain("main", *[f"f{number}" for number in range(last + 1)]),
        depths={f"f{number}": number + 3 for number in range(last + 1)},
        phases={f"f{last}": 1},
    )
    functions["f0"]()


if __name__ == "__main__":
    main()
