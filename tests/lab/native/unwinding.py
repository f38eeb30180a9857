"""Exceptions that unwind many frames, some of which have something to do on the way."""

import truth


class Unwound(Exception):
    pass


def fall(levels):
    if not levels:
        raise Unwound
    fall(levels - 1)


def clean(levels):
    try:
        if not levels:
            fall(10)
        clean(levels - 1)
    finally:
        tidy()


def tidy():
    for _ in range(20):
        pass


def guard(levels):
    with Guard():
        clean(levels)


class Guard:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        tidy()


def attempt(function, levels):
    try:
        function(levels)
    except Unwound as unwound:
        handle(unwound)


def handle(unwound):
    steps = unwound.__traceback__
    while steps:
        steps = steps.tb_next


def turn():
    attempt(fall, 50)
    attempt(clean, 50)
    attempt(guard, 50)


def main():
    arguments = truth.arguments(__doc__)
    for _ in range(100):
        turn()
    truth.begin(
        arguments,
        edges=[
            *truth.chain("main", "turn", "attempt", "fall", "fall"),
            *truth.chain("attempt", "clean", "clean", "fall"),
            *truth.chain("clean", "tidy"),
            *truth.chain("attempt", "guard", "clean"),
            *truth.chain("guard", "Guard.__enter__"),
            *truth.chain("guard", "Guard.__exit__", "tidy"),
            *truth.chain("attempt", "handle"),
        ],
    )
    while True:
        turn()


if __name__ == "__main__":
    main()
