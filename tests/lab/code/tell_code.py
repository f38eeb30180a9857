"""Compiles and runs the source it is given, and tells Python's own view of every code object in it, as JSON.

The first argument is the source. Ends when standard input does, so that the code objects stay for that long.
"""

import json
import sys

kept = []
seen = []


def here():
    frame = sys._getframe(1)
    seen.append((frame.f_code, frame.f_lasti // 2, frame.f_lineno))


def keep(source, file, mode="exec"):
    code = compile(source, file, mode)
    walk(code)
    return code


def walk(code):
    kept.append(code)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            walk(constant)


def told(code):
    return {
        "address": id(code),
        "function": getattr(code, "co_qualname", code.co_name),
        "file": code.co_filename,
        "first_line": code.co_firstlineno,
        "speaks_of": [id(each) for each in (*code.co_names, *code.co_consts)],
        "name": id(code.co_name),
        "units": len(code.co_code) // 2,
        "runs": [(begin // 2, end // 2, line) for begin, end, line in code.co_lines()],
    }


exec(keep(sys.argv[1], "constructs.py"), {"__name__": "__main__", "here": here, "keep": keep})
known = {id(code) for code in kept}
print(json.dumps({
    "codes": [told(code) for code in kept],
    "seen": [(id(code), unit, line) for code, unit, line in seen if id(code) in known],
}), flush=True)
sys.stdin.read()
