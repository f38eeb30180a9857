// The files of the page's script share one scope: what each of them names must be its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { FILES } from "./load.js";

const NAMED = /^(?:async )?(?:function\*?|class|const|let) ([A-Za-z_$][\w$]*)/gm;

test("no name stands at the top of two files", () => {
    const places = new Map();
    for (const file of FILES) {
        for (const [, name] of readFileSync(file, "utf8").matchAll(NAMED)) {
            places.set(name, [...(places.get(name) ?? []), file.pathname.split("/").at(-1)]);
        }
    }
    assert.ok(places.size > 50);
    assert.deepEqual(
        [...places].filter(([, files]) => files.length > 1),
        [],
    );
});
