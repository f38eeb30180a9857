"""Cycles of garbage, so many that the collector hardly rests; what it finds has something to say at its end."""

import gc

import truth


class Node:
    def __init__(self, other):
        self.other = other


class Spoken(Node):
    def __del__(self):
        farewell()


def farewell():
    for _ in range(20):
        pass


def cycle(kind):
    one = kind(None)
    one.other = kind(one)


def litter():
    for _ in range(20):
        cycle(Node)
    cycle(Spoken)


def sweep():
    gc.collect()


def main():
    arguments = truth.arguments(__doc__)
    gc.set_threshold(50, 2, 2)
    kept = [Node(number) for number in range(20_000)]  # makes a full collection last
    for _ in range(100):
        litter()
    # The collector runs, and calls, wherever something is made.
    collects = ["main", "litter", "cycle", "sweep", "Node.__init__", "Spoken.__del__", "farewell", truth.ELSEWHERE]
    truth.begin(
        arguments,
        edges=[
            *truth.chain("main", "litter", "cycle", "Node.__init__"),
            *truth.chain("main", "sweep"),
            *truth.chain("Spoken.__del__", "farewell"),
            *[[function, "Spoken.__del__"] for function in collects],
        ],
    )
    while kept:
        for _ in range(20):
            litter()
        sweep()


if __name__ == "__main__":
    main()
