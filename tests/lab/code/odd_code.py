"""Code objects with odd names, the threads of `threading`, and code that is freed and made again at the same address.

Tells of them as JSON, one line for each line that it reads from standard input.
"""

import gc
import json
import struct
import sys
import threading


def named(name, file):
    changes = {"co_name": name, "co_filename": file}
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = name
    return (lambda: 0).__code__.replace(**changes)


class Crowded(threading.Thread):
    """A thread with more attributes than are kept apart from a dict."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.__dict__["a key"] = 1
        for number in range(40):
            setattr(self, f"attribute_{number}", number)


class Rebuilt(threading.Thread):
    """A thread whose dict is another one than it was made with."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.__dict__ = dict(self.__dict__, **{"another": 2})


def start(kind, name):
    begun = threading.Event()
    thread = kind(target=lambda: (begun.set(), end.wait()), name=name, daemon=True)
    thread.start()
    begun.wait()
    return thread


def code(name):
    return compile(f"def {name}(): return 1", f"/{name}.py", "exec").co_consts[0]


def describe(code):
    return {
        "address": id(code),
        "function": whole(code.co_name),
        "file": whole(code.co_filename),
        "units": len(code.co_code) // 2,
    }


def whole(text):
    """JSON has no lone surrogates."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def made_again(address):
    """Another code object at an address that was freed."""
    others = []
    for number in range(10_000):
        other = code(f"second_{number}")
        if id(other) == address:
            return other
        others.append(other)
    return None


end = threading.Event()
names = ["plain", "a name longer than the kernel's fifteen bytes", "é", "日本", "🦀 crab"]
threads = [start(threading.Thread, name) for name in names]
threads += [start(kind, kind.__name__) for kind in (Crowded, Rebuilt)]
modules = struct.pack("Q", id(sys.modules))
first = code("first")
told = {
    # The text of a bytes object begins 32 bytes from its address.
    "modules": id(modules) + 32,
    "threads": {str(thread.ident): thread.name for thread in threading.enumerate()},
    "first": describe(first),
    "odd": [],
}
odd = [named(name, file) for name, file in [
    ("ascii", "/a/file.py"),
    ("", ""),
    ("<listcomp>", "<string>"),
    ("caf\u00e9", "/\u00fcber/\u00ff.py"),
    ("\u65e5\u672c", "/\u0444/x.py"),
    ("\U0001f980", "/\U0001f980/\U0001f980.py"),
    ("a\ud800b\udc00", "/\udcff.py"),
    ("line\nbreak\0zero", "/tab\t.py"),
    ("n" * 5000, "/" + "f" * 5000),
    ("\u65e5" * 5000, "/" + "\U0001f980" * 5000),
]]
told["odd"] = [describe(code) for code in odd]
print(json.dumps(told), flush=True)
for _ in sys.stdin:
    address = id(first)
    del first
    gc.collect()
    first = made_again(address)
    print(json.dumps(first and describe(first)), flush=True)
