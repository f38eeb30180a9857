// Series as stretches of time: rates, readings, gaps that stay gaps, and bands upon each other.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const {
    gapsBetween,
    meanWithin,
    mostWithin,
    ontoGrid,
    onwardSteps,
    rateSteps,
    ratioSteps,
    readingSteps,
    sharedGrid,
    sinceSteps,
    stackedSteps,
    stepAt,
} = load(
    "gapsBetween",
    "meanWithin",
    "mostWithin",
    "ontoGrid",
    "onwardSteps",
    "rateSteps",
    "ratioSteps",
    "readingSteps",
    "sharedGrid",
    "sinceSteps",
    "stackedSteps",
    "stepAt",
);

const S = 1e6;

function table(columns, ...rows) {
    return {
        table: "t",
        columns,
        at: Float64Array.from(rows, row => row[0] * S),
        values: columns.map((_, index) => Float64Array.from(rows, row => row[index + 1] ?? NaN)),
    };
}

function step(from, to, value) {
    return { from: from * S, to: to * S, value };
}

test("growth is a rate since the row before, and a failed reading is a gap", () => {
    const rates = rateSteps(table(["a"], [0, 9], [1, 0.5], [2, null], [4, 3]), "a");
    assert.deepEqual(rates, [step(0, 1, 0.5), step(2, 4, 1.5)]);
});

test("user and system time are one rate, where both were read", () => {
    const both = table(["user", "system"], [0, null, null], [1, 0.5, 0.25], [2, 0.5, null]);
    assert.deepEqual(rateSteps(both, "user", "system"), [step(0, 1, 0.75)]);
    assert.deepEqual(rateSteps(both, "user", "nobody"), []);
});

test("a reading does not reach over a gap", () => {
    const readings = readingSteps(table(["a"], [10, 1], [11, 2], [12, null], [13, 3], [30, 4]), "a");
    assert.deepEqual(readings, [step(8, 10, 1), step(10, 11, 2), step(11, 13, 3), step(28, 30, 4)]);
});

test("what begins with a row stands from there on", () => {
    const onward = onwardSteps(table(["a"], [10, 1], [11, 2], [12, null], [13, 3], [30, 4]), "a");
    assert.deepEqual(onward, [step(10, 11, 1), step(11, 12, 2), step(13, 15, 3), step(30, 31, 4)]);
});

test("what tells of the time since the row before reaches as far back as that is", () => {
    assert.deepEqual(sinceSteps(table(["a"], [0, 5], [10, 1], [11, null], [60, 2]), "a"), [
        step(0, 10, 1),
        step(11, 60, 2),
    ]);
});

test("a share needs both columns", () => {
    const rows = table(["part", "whole"], [0, 0, 10], [1, 5, 10], [2, 0, 0], [3, 1, null]);
    assert.deepEqual(ratioSteps(rows, "part", "whole"), [step(0, 1, 0.5)]);
});

test("a stretch has the mean and the largest of what is known in it", () => {
    const steps = [step(0, 1, 2), step(1, 2, 4), step(5, 6, 9)];
    assert.equal(meanWithin(steps, [0, 2 * S]), 3);
    assert.equal(meanWithin(steps, [0.5 * S, 1.25 * S]), (0.5 * 2 + 0.25 * 4) / 0.75);
    assert.equal(meanWithin(steps, [1.5 * S, 5.5 * S]), (0.5 * 4 + 0.5 * 9) / 1);
    assert.equal(meanWithin(steps, [3 * S, 4 * S]), null);
    assert.equal(mostWithin(steps, [0, 5.1 * S]), 9);
    assert.equal(mostWithin(steps, [3 * S, 4 * S]), null);
});

test("at a moment stands the value of its step, or nothing", () => {
    const steps = [step(0, 1, 2), step(3, 4, 4)];
    assert.deepEqual(
        [0, 0.99, 1, 2, 3, 4].map(at => stepAt(steps, at * S)),
        [2, 2, null, null, 4, null],
    );
});

test("workers that are read one after the other share a grid", () => {
    const one = [0, 1, 2, 3, 4].map(n => step(n, n + 1, 1));
    const other = one.map(({ from, to, value }) => ({ from: from + 900, to: to + 900, value }));
    const grid = sharedGrid([one, other]);
    assert.deepEqual(grid, [0, S, 2 * S, 3 * S, 4 * S, 5 * S + 900]);
    assert.deepEqual(Array.from(ontoGrid(other, grid)), [1, 1, 1, 1, 1]);
});

test("a cell that is half unknown is a gap, but before its birth and after its death a worker used nothing", () => {
    const grid = [0, 10 * S, 20 * S, 30 * S];
    assert.deepEqual(Array.from(ontoGrid([step(12, 20, 2)], grid)), [0, 2, 0]);
    assert.deepEqual(Array.from(ontoGrid([step(0, 4, 2), step(26, 30, 4)], grid)), [NaN, NaN, NaN]);
});

test("bands lie upon each other, and where one is not known none is drawn", () => {
    const grid = [0, S, 2 * S];
    const { bands, total } = stackedSteps([Float64Array.of(1, 2), Float64Array.of(3, NaN)], grid);
    assert.deepEqual(bands, [[{ ...step(0, 1, 1), low: 0 }], [{ ...step(0, 1, 4), low: 1 }]]);
    assert.deepEqual(total, [step(0, 1, 4)]);
});

test("a gap is between two steps that do not meet", () => {
    assert.deepEqual(gapsBetween([step(0, 1, 1), step(1, 2, 1), step(4, 5, 1)]), [[2 * S, 4 * S]]);
    assert.deepEqual(gapsBetween([]), []);
});
