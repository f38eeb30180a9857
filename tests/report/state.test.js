// What the page's address says and what is read of it.

import assert from "node:assert/strict";
import test from "node:test";

import { load, randomly } from "./load.js";

const { State, hashOf, valuesOf } = load("State", "hashOf", "valuesOf");
const ROUNDS = 500;
const TEXTS = ["", "scrub", "/^a|b&c=d$/", "file.py:42", "a b+c%20#?\u202e</script>", "ünïcødé 🚅"];

function anyValues(random) {
    const number = () => Math.floor(random() * 100_000);
    const either = (...choices) => choices[Math.floor(random() * choices.length)];
    const stretch = () => [Math.floor(random() * 1e9), Math.ceil(1e9 + random() * 1e9)];
    const list = () => Array.from({ length: Math.floor(random() * 5) }, number);
    return {
        range: either(null, stretch()),
        compare: either(null, "baseline", stretch()),
        worker: either(null, 0, number()),
        thread: either(null, 0, number()),
        find: either(...TEXTS),
        focus: either(...TEXTS),
        ignore: either(...TEXTS),
        zoom: list(),
        inverted: either(true, false),
        idle: either(true, false),
        colour: either("owner", "kind", "difference"),
        per: either("request", "second"),
        expanded: list(),
        picked: either(null, 0, number()),
        theme: "auto",
    };
}

test("what the address says is read as it was", () => {
    const random = randomly(3);
    for (let round = 0; round < ROUNDS; round += 1) {
        const values = anyValues(random);
        assert.deepEqual(valuesOf(hashOf(values)), values);
    }
});

test("a stretch is written in seconds, and what is as at first is not written", () => {
    assert.equal(hashOf(valuesOf("")), "");
    const values = { ...valuesOf(""), range: [12_500_000, 30_250_001], compare: [1_000_000, 5_000_000], worker: 2 };
    assert.equal(hashOf(values), "#t=12.5-30.250001&c=1-5&w=2");
});

test("an address that nobody wrote selects nothing", () => {
    const stretches = ["#t=", "#t=5-1", "#t=1-1", "#t=a-b", "#c=calm"];
    for (const hash of ["#", ...stretches, "#w=-1&th=1e9", "#z=1..2&x=a", "#col=%00&per=", "#flame"]) {
        assert.deepEqual(valuesOf(hash), valuesOf(""), hash);
    }
});

test("watchers hear once of all that changed, and not of what did not", async () => {
    const state = new State();
    const heard = [];
    state.watch(["range", "worker"], values => heard.push(["both", values.range, values.worker]));
    state.watch(["find"], () => heard.push(["find"]));
    const told = () => new Promise(resolve => setTimeout(resolve, 5));
    state.set({ range: [0, 1] });
    state.set({ worker: 3 });
    assert.deepEqual(state.get().range, [0, 1], "whoever asks is told at once");
    await told();
    assert.deepEqual(heard, [["both", [0, 1], 3]]);
    state.set({ range: [0, 1], inverted: true });
    await told();
    assert.equal(heard.length, 1);
    state.touch("find");
    await told();
    assert.deepEqual(heard[1], ["find"]);
});
