"""Three chains of calls, one after the other for ever: as deep and with frames as large as each other, so that at any
address a frame of one chain follows that of another. The phases last once, twice and four times as long as is asked for."""

import time

import truth


def a1(rounds):
    a2(rounds)


def a2(rounds):
    a3(rounds)


def a3(rounds):
    for _ in range(rounds):
        pass


def b1(rounds):
    b2(rounds)


def b2(rounds):
    b3(rounds)


def b3(rounds):
    for _ in range(rounds):
        pass


def c1(rounds):
    c2(rounds)


def c2(rounds):
    c3(rounds)


def c3(rounds):
    for _ in range(rounds):
        pass


def seconds_per_call(function, rounds):
    """The least of several, since everything that disturbs adds."""
    calls = max(1, 50_000 // rounds)
    measured = []
    for _ in range(7):
        before = time.thread_time()
        for _ in range(calls):
            function(rounds)
        measured.append((time.thread_time() - before) / calls)
    return min(measured)


def main():
    arguments = truth.arguments(__doc__, phase_us=20)
    a = max(1, round(arguments.phase_us / 1e6 / seconds_per_call(a1, 10_000) * 10_000))
    b, c = 2 * a, 4 * a
    lasts = {"a1": seconds_per_call(a1, a), "b1": seconds_per_call(b1, b), "c1": seconds_per_call(c1, c)}
    truth.begin(
        arguments,
        edges=[edge for x in "abc" for edge in truth.chain("main", f"{x}1", f"{x}2", f"{x}3")],
        depths={f"{x}{level}": 2 + level for x in "abc" for level in (1, 2, 3)},
        phases={name: seconds / sum(lasts.values()) for name, seconds in lasts.items()},
    )
    while True:
        a1(a)
        b1(b)
        c1(c)


if __name__ == "__main__":
    main()
