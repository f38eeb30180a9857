"""Three chains of calls, one after the other for ever: as deep and with frames as large as each other, so that at any
address a frame of one chain follows that of another. The phases last once, twice and four times as long as is asked for."""

import time
from itertools import repeat  # every round takes as long as the others, which those of `range` do not: it makes integers
from statistics import median

import truth


def a1(rounds):
    a2(rounds)


def a2(rounds):
    a3(rounds)


def a3(rounds):
    for _ in repeat(None, rounds):
        pass


def b1(rounds):
    b2(rounds)


def b2(rounds):
    b3(rounds)


def b3(rounds):
    for _ in repeat(None, rounds):
        pass


def c1(rounds):
    c2(rounds)


def c2(rounds):
    c3(rounds)


def c3(rounds):
    for _ in repeat(None, rounds):
        pass


def measure(rounds):
    """How long each chain lasts among the others, in nanoseconds: alone it would be faster. A median is not disturbed by
    what interrupts some of them."""
    clock = time.perf_counter_ns
    laps = []
    for _ in range(1000):
        begin = clock()
        nothing = clock()
        a1(rounds)
        after_a = clock()
        b1(2 * rounds)
        after_b = clock()
        c1(4 * rounds)
        after_c = clock()
        laps.append((nothing - begin, after_a - nothing, after_b - after_a, after_c - after_b))
    nothing, *chains = map(median, zip(*laps))
    return dict(zip(["a1", "b1", "c1"], [chain - nothing for chain in chains]))


def main():
    arguments = truth.arguments(__doc__, phase_us=20)
    # Two measurements give what a round takes, without what the calls take.
    few, many = measure(10)["a1"], measure(110)["a1"]
    a = max(1, round((arguments.phase_us * 1000 - few) / (many - few) * 100) + 10)
    b, c = 2 * a, 4 * a
    lasts = measure(a)
    truth.begin(
        arguments,
        edges=[edge for x in "abc" for edge in truth.chain("main", f"{x}1", f"{x}2", f"{x}3")],
        depths={f"{x}{level}": 2 + level for x in "abc" for level in (1, 2, 3)},
        phases={name: last / sum(lasts.values()) for name, last in lasts.items()},
    )
    while True:
        a1(a)
        b1(b)
        c1(c)


if __name__ == "__main__":
    main()
