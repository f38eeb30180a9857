#!/usr/bin/env python3
"""Load for a LiteLLM on mock models, bounded in time; prints one JSON line when it ends.

    LITELLM_MASTER_KEY=... tests/lab/load.py --url http://127.0.0.1:4000 --case burn --duration 20
    ... --case burn --duration 40 --spike 10:20    one connection at a trickle, all of them from second 10 to 30
    ... --case plain --rps 12                      as many a second, evenly, however long the answers take

A case names what gets hot: burn (the callback of mock.yaml), stream (thousands of chunks), answer (a stream of a hundred
chunks), tokens (a prompt of 900 kB), metadata (60,000 entries to copy), plain (nothing in particular). It talks to this
machine only.
"""

import argparse
import http.client
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MAX_SECONDS = 600
TIMEOUT_SECONDS = 60
# A new connection now and then: the kernel hands it to a worker that is waiting, so that all of them get work.
REQUESTS_PER_CONNECTION = 20
TRICKLE_SECONDS = 2.0
SHARE_ALLOWED_FROM_CACHE = 0.2


def chat(model: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def question() -> str:
    return f"question {random.randrange(50)}: what is the capital of France?"


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "burn": lambda: chat("mock-gpt", question()),
    "plain": lambda: chat("mock-gpt", question()),
    "stream": lambda: chat("mock-long", question(), stream=True, cache={"no-cache": True}),
    "answer": lambda: chat("mock-answer", question(), stream=True, cache={"no-cache": True}),
    "tokens": lambda: chat("mock-gpt", "lorem ipsum dolor sit amet " * 33_000, stream=True, cache={"no-cache": True}),
    "metadata": lambda: chat("mock-gpt", question(), metadata={f"key-{n}": str(n) for n in range(60_000)}),
}


@dataclass
class Tally:
    lock: threading.Lock = field(default_factory=threading.Lock)
    milliseconds: list[float] = field(default_factory=list)
    started: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def answered(self, milliseconds: float) -> None:
        with self.lock:
            self.milliseconds.append(milliseconds)

    def failed(self, why: str) -> None:
        with self.lock:
            self.errors[why] = self.errors.get(why, 0) + 1

    def may_start(self, limit: int) -> bool:
        return not limit or self.start() <= limit

    def start(self) -> int:
        """The number of the request that is about to be sent, from 1."""
        with self.lock:
            self.started += 1
            return self.started

    def summary(self, seconds: float) -> dict[str, Any]:
        latencies = sorted(self.milliseconds)
        return {
            "requests": len(latencies),
            "errors": sum(self.errors.values()),
            "error_kinds": self.errors,
            "seconds": round(seconds, 2),
            "rps": round(len(latencies) / seconds, 2),
            "p50_ms": percentile(latencies, 0.50),
            "p99_ms": percentile(latencies, 0.99),
        }


def percentile(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1) if ordered else None


class Load:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.key = os.environ["LITELLM_MASTER_KEY"]
        self.tally = Tally()
        self.begin = time.monotonic()
        self.end = self.begin + options.duration

    def run(self) -> dict[str, Any]:
        # Daemons: an interrupt ends the program without waiting for answers.
        threads = [threading.Thread(target=self.drive, args=(n,), daemon=True) for n in range(self.options.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.tally.summary(time.monotonic() - self.begin)

    def drive(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        sent = 0
        while time.monotonic() < self.end:
            if not self.in_spike():
                # Outside the spike the first connection keeps a trickle going and the others wait.
                time.sleep(TRICKLE_SECONDS if number == 0 else 0.1)
                if number:
                    continue
            if self.options.rps:
                due = self.begin + self.tally.start() / self.options.rps
                if due > self.end:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
            elif not self.tally.may_start(self.options.requests):
                return
            if connection and sent % REQUESTS_PER_CONNECTION == 0:
                connection.close()
            connection = connection or self.connect()
            sent += 1
            self.ask(connection)

    def in_spike(self) -> bool:
        if not self.options.spike:
            return True
        start, duration = self.options.spike
        return start <= time.monotonic() - self.begin < start + duration

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.options.host, self.options.port, timeout=TIMEOUT_SECONDS)

    def ask(self, connection: http.client.HTTPConnection) -> None:
        body = CASES[self.options.case]()
        if self.options.model:
            body["model"] = self.options.model
        elif random.random() > SHARE_ALLOWED_FROM_CACHE:
            body["cache"] = {"no-cache": True}
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        payload = json.dumps(body)
        begin = time.monotonic()
        try:
            connection.request("POST", "/v1/chat/completions", payload, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.tally.failed(type(error).__name__)
            time.sleep(0.2)
            return
        if response.status == http.HTTPStatus.OK:
            self.tally.answered((time.monotonic() - begin) * 1000)
        else:
            self.tally.failed(f"HTTP {response.status}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="of the proxy, on this machine")
    parser.add_argument("--case", choices=sorted(CASES), default="plain")
    parser.add_argument("--model", help="instead of the model of the case")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--duration", type=float, default=20, help="seconds")
    parser.add_argument("--requests", type=int, default=0, help="stop after so many; 0 is no limit")
    parser.add_argument("--rps", type=float, help="requests a second, at most as many at a time as there are connections")
    parser.add_argument("--spike", type=span, metavar="START:DURATION", help="seconds; a trickle outside of it")
    options = parser.parse_args(arguments)
    url = urlsplit(options.url)
    options.host, options.port = url.hostname, url.port
    if options.host not in ("127.0.0.1", "localhost", "::1"):
        parser.error("--url must be on this machine")
    if not 0 < options.duration <= MAX_SECONDS:
        parser.error(f"--duration must be above 0 and at most {MAX_SECONDS}")
    return options


def span(text: str) -> tuple[float, float]:
    start, _, duration = text.partition(":")
    return float(start), float(duration)


if __name__ == "__main__":
    try:
        print(json.dumps(Load(parse(sys.argv[1:])).run()))
    except KeyboardInterrupt:
        sys.exit(130)
