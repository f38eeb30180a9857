// Facts of the environment as words: units with their values, and what is not known as a dash.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const { fieldWords, isOneLine, nameOfPart, plainText } = load("fieldWords", "isOneLine", "nameOfPart", "plainText");

test("a value has the unit that its name tells, and the name has it no more", () => {
    assert.equal(plainText("memory_bytes", 25_276_502_016), "23.5 GiB");
    assert.equal(plainText("own_core_percent", 1.59), "1.59 %");
    assert.equal(plainText("samplers_core_percent_per_worker", 4.39), "4.39 %");
    assert.equal(plainText("cpu_seconds_per_request", 0.2217), "222 ms");
    assert.equal(plainText("cores", 0.174396), "0.174");
    assert.equal(plainText("port", 55153), "55153");
    assert.equal(fieldWords("memory_limit_bytes"), "memory limit");
    assert.equal(fieldWords("seconds"), "seconds");
});

test("what is not known is no nought and no no", () => {
    assert.equal(plainText("cpu_quota_cores", null), "–");
    assert.equal(plainText("other_pid_namespace", false), "no");
    assert.equal(plainText("profilers", []), "none");
});

test("a small object is one line, a large one a list", () => {
    const limit = { name: "open files", soft: 20000, hard: null };
    assert.ok(isOneLine(limit));
    assert.equal(plainText("3", limit), "soft 20000, hard –");
    assert.ok(isOneLine(["a", "b"]));
    assert.ok(!isOneLine({ a: 1, b: 2, c: 3, d: 4, e: 5 }));
    assert.ok(!isOneLine([{ a: 1 }]));
});

test("what is in a list is called by its own name, a process by its role and pid", () => {
    assert.equal(nameOfPart([{ role: "worker", id: { pid: 43 } }], "0"), "worker 43");
    assert.equal(nameOfPart([{ name: "open files" }], "0"), "open files");
    assert.equal(nameOfPart([{}, {}], "1"), "2");
    assert.equal(nameOfPart({ cpu_model: "x" }, "cpu_model"), "cpu model");
});
