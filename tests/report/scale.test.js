// Axes: places, round ticks, and figures with their unit.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const { TimeScale, ValueScale, figureText, orderedStretch, stretchWithin, tickText, timeTicks, zoomedStretch } = load(
    "TimeScale",
    "ValueScale",
    "figureText",
    "orderedStretch",
    "stretchWithin",
    "tickText",
    "timeTicks",
    "zoomedStretch",
);

const S = 1e6;
const GIB = 1024 ** 3;
const ZERO = Date.UTC(2026, 10, 24, 6, 15, 3, 250) * 1e3;

test("a moment has a place, and a place its moment", () => {
    const scale = new TimeScale([10 * S, 20 * S], [100, 600]);
    assert.equal(scale.x(15 * S), 350);
    assert.equal(scale.at(350), 15 * S);
    assert.equal(scale.usPerPixel, 20000);
    assert.equal(scale.atWithin(-40), 10 * S);
    assert.equal(scale.atWithin(9999), 20 * S);
});

test("time is told at round moments of the clock, with the digits that it needs", () => {
    const words = stretch => timeTicks(stretch, ZERO, 7).map(tick => tick.text);
    assert.deepEqual(words([0, 60 * S]), ["06:15:10", "06:15:20", "06:15:30", "06:15:40", "06:15:50", "06:16:00"]);
    assert.deepEqual(words([0, 0.1 * S]).slice(0, 2), ["06:15:03.260", "06:15:03.280"]);
    assert.deepEqual(words([0, 3600 * S]).slice(0, 2), ["06:20", "06:30"]);
    assert.equal(timeTicks([0, 60 * S], ZERO, 7)[0].at, 6.75 * S);
});

test("ticks of time are few and within, however long the stretch", () => {
    for (let length = 1000; length < 1e13; length *= 1.7) {
        const ticks = timeTicks([7 * S, 7 * S + length], ZERO, 7);
        assert.ok(ticks.length <= 8, `${length}`);
        assert.ok(
            ticks.every(tick => tick.at >= 7 * S && tick.at <= 7 * S + length),
            `${length}`,
        );
    }
});

test("a zoom leaves the moment below the pointer where it is", () => {
    const [from, to] = zoomedStretch([20, 40], 0.5, 25, [0, 100], 1);
    assert.deepEqual([from, to], [22.5, 32.5]);
    assert.equal((25 - from) / (to - from), (25 - 20) / 20);
});

test("a zoom ends at what there is, and at the shortest stretch that shows anything", () => {
    assert.deepEqual(zoomedStretch([20, 40], 100, 25, [0, 100], 1), [0, 100]);
    assert.deepEqual(zoomedStretch([0, 10], 2, 5, [0, 100], 1), [0, 20]);
    const [from, to] = zoomedStretch([20, 40], 1e-9, 30, [0, 100], 2);
    assert.deepEqual([from, to], [29, 31]);
});

test("a stretch keeps its length when it is pushed back to where something is", () => {
    assert.deepEqual(stretchWithin([-5, 5], [0, 100]), [0, 10]);
    assert.deepEqual(stretchWithin([95, 105], [0, 100]), [90, 100]);
    assert.deepEqual(stretchWithin([-5, 205], [0, 100]), [0, 100]);
});

test("a drag to the left selects the same as one to the right", () => {
    assert.deepEqual(orderedStretch(8, 3, [0, 100]), [3, 8]);
    assert.deepEqual(orderedStretch(-8, 300, [0, 100]), [0, 100]);
});

test("axes have round ticks, and no line lies on an edge", () => {
    assert.deepEqual(ValueScale.linear("cores", 1.9, 5).ticks, [0, 0.5, 1, 1.5, 2]);
    assert.deepEqual(ValueScale.linear("bytes", 3 * GIB, 4).ticks, [0, GIB, 2 * GIB, 3 * GIB]);
    assert.equal(ValueScale.linear("cores", 0, 5).share(0), 0);
    for (const largest of [1e-6, 0.3, 1, 99, 12345, 1e12]) {
        const scale = ValueScale.linear("cores", largest, 4);
        assert.ok(scale.share(largest) > 0.4 && scale.share(largest) <= 0.96, `${largest}`);
    }
});

test("more than two decades are logarithmic", () => {
    const scale = ValueScale.spanning("seconds", 0.003, 0.984, 4);
    assert.equal(scale.ticks.length, 3);
    assert.ok(scale.share(0.003) > 0 && scale.share(0.984) < 1);
    assert.ok(Math.abs(scale.share(0.1) - scale.share(0.01) - (scale.share(1) - scale.share(0.1))) < 1e-9);
    assert.equal(ValueScale.spanning("seconds", 0.2, 3, 4).bottom, 0);
});

test("figures carry their unit, and what is not known is no nought", () => {
    assert.equal(figureText("seconds", 0.0042), "4.20 ms");
    assert.equal(figureText("seconds", 12), "12.0 s");
    assert.equal(figureText("bytes", 1.5 * GIB), "1.50 GiB");
    assert.equal(figureText("cores", 0.2342), "0.234");
    assert.equal(figureText("rate", 0), "0/s");
    assert.equal(figureText("share", 0.256), "26 %");
    assert.equal(figureText("cores", null), "–");
    assert.equal(figureText("cores", NaN), "–");
    assert.equal(tickText("seconds", 0.05), "50 ms");
    assert.equal(tickText("rate", 2.5), "2.5/s");
});
