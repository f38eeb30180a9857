"""Burns a core from the word `burn` on standard input to the word `rest`, and sleeps else, until that ends.

It says first that it runs."""

import os
import select
import time


def burn():
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        sum(range(100))


def main():
    print("runs", flush=True)
    burns = False
    while True:
        if burns:
            burn()
        if select.select([0], [], [], 0 if burns else None)[0]:
            word = os.read(0, 4)
            if not word:
                return
            burns = word == b"burn"


main()
