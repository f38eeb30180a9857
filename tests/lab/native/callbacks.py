"""Python called by C called by Python: where the interpreter enters itself again."""

import functools
import re

import truth

NUMBERS = list(range(50, 0, -1))
TEXT = "a1b2c3d4e5" * 5


def crunch():
    for _ in range(50):
        pass


def sort_key(number):
    crunch()
    return number


def add(one, other):
    crunch()
    return one + other


def replace(match):
    crunch()
    return sorted(match.group(), key=letter_key)[0]


def letter_key(letter):
    crunch()
    return letter


def double(number):
    crunch()
    return 2 * number


class Compared:
    def __init__(self, number):
        self.number = number

    def __lt__(self, other):
        crunch()
        return self.number < other.number


COMPARED = list(map(Compared, NUMBERS))


def sorting():
    sorted(NUMBERS, key=sort_key)


def comparing():
    sorted(COMPARED)


def reducing():
    functools.reduce(add, NUMBERS)


def substituting():
    re.sub("[0-9]", replace, TEXT)


def mapping():
    list(map(double, NUMBERS))


def turn():
    sorting()
    comparing()
    reducing()
    substituting()
    mapping()


def main():
    arguments = truth.arguments(__doc__)
    for _ in range(100):
        turn()
    truth.begin(
        arguments,
        edges=[
            *truth.chain("main", "turn", "sorting", "sort_key", "crunch"),
            *truth.chain("turn", "comparing", "Compared.__lt__", "crunch"),
            *truth.chain("turn", "reducing", "add", "crunch"),
            # `re.sub` itself is written in Python.
            *truth.chain("turn", "substituting", truth.ELSEWHERE, "replace", "crunch"),
            *truth.chain("replace", "letter_key", "crunch"),
            *truth.chain("turn", "mapping", "double", "crunch"),
        ],
    )
    while True:
        turn()


if __name__ == "__main__":
    main()
