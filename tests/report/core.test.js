// What the script makes of the page's data, held against plain sums over the samples of the bundle.

import assert from "node:assert/strict";
import test from "node:test";

import { load, pageData, pageSamples, randomly } from "./load.js";

const { Model, cpuText, percentText, digits, span, clock } = load(
    "Model", "cpuText", "percentText", "digits", "span", "clock",
);
const model = new Model(pageData());
const stored = pageSamples();
const ROUNDS = 50;

// Selections of all kinds: no range, a short one, one of no time at all, of one worker, of one thread.
function selections() {
    const random = randomly(7);
    const { from_us: from, to_us: to } = model.head.capture;
    const moment = () => Math.floor(from + random() * (to - from));
    const some = (list, chance) => (random() < chance ? Math.floor(random() * list.length) : null);
    return Array.from({ length: ROUNDS }, () => ({
        range: random() < 0.2 ? null : [moment(), moment()].sort((one, other) => one - other),
        worker: some(model.head.workers, 0.4),
        thread: some(model.head.threads, 0.3),
    }));
}

function isIn(index, { range, worker, thread }) {
    const { at_us: at, thread: threads } = stored.samples;
    return (range === null || (at[index] >= range[0] && at[index] < range[1]))
        && (thread === null || threads[index] === thread)
        && (worker === null || model.head.threads[threads[index]].worker === worker);
}

// By the bundle's own nanoseconds.
function plainWeights(selection) {
    const self = new Float64Array(stored.stacks.length);
    let [native, unsampled, samples] = [0, 0, 0];
    stored.samples.stack.forEach((stack, index) => {
        if (!isIn(index, selection)) {
            return;
        }
        const us = stored.samples.cpu_ns[index] / 1e3;
        samples += 1;
        if (stack >= 0) {
            self[stack] += us;
        } else if (stack === -1) {
            native += us;
        } else {
            unsampled += us;
        }
    });
    return { self, native, unsampled, samples, total: self.reduce((sum, us) => sum + us, native + unsampled) };
}

test("any selection weighs what its samples weigh", () => {
    for (const selection of selections()) {
        const weights = model.weigh(selection);
        const plain = plainWeights(selection);
        assert.equal(weights.samples, plain.samples);
        // Every thread's sum is exact to a microsecond at each of its ends.
        const slack = 2 * model.head.threads.length;
        for (const part of ["total", "native", "unsampled"]) {
            assert.ok(Math.abs(weights[part] - plain[part]) <= slack + plain.samples, part);
        }
        assert.ok(Math.abs(weights.total - plain.total) <= slack, `${weights.total} and ${plain.total}`);
        plain.self.forEach((us, stack) => {
            assert.ok(Math.abs(weights.self[stack] - us) <= 1 + us / 100, `stack ${stack}`);
        });
    }
});

test("the same selection is weighed once", () => {
    const range = [model.head.capture.from_us, model.head.capture.from_us + 5_000_000];
    assert.equal(model.weigh({ range }), model.weigh({ range: [...range], worker: null }));
    assert.notEqual(model.weigh({ range }), model.weigh({ range, worker: 0 }));
});

test("a range that is drawn on, back and away weighs what it weighs by itself", () => {
    const { from_us: from, to_us: to } = model.head.capture;
    const at = share => from + Math.floor(share * (to - from));
    for (const [worker, begin, end] of [
        [null, 0.2, 0.3], [null, 0.2, 0.5], [null, 0.2, 0.2], [0, 0.2, 0.4], [null, 0.1, 0.4], [0, 0.6, 0.9],
        [0, 0.7, 0.8],
    ]) {
        const selection = { range: [at(begin), at(end)], worker };
        assert.deepEqual(model.weigh(selection), new Model(pageData()).weigh(selection));
    }
});

test("stretches side by side weigh together what the whole weighs", () => {
    const { from_us: from, to_us: to } = model.head.capture;
    const middle = from + Math.floor((to - from) / 3);
    const parts = [[from, middle], [middle, to]].map(range => model.weigh({ range }));
    const whole = model.weigh({ range: [from, to] });
    assert.equal(parts[0].total + parts[1].total, whole.total);
    assert.equal(parts[0].samples + parts[1].samples, whole.samples);
});

test("a growth is summed over a range, and of nothing read it is none", () => {
    const { requests, from_us: from, to_us: to } = model.head.capture;
    assert.equal(model.requests(null), requests);
    assert.equal(model.requests([from, to]), requests);
    const table = model.table("traffic") ?? model.table("access-log");
    if (!table) {
        assert.equal(model.requests([from + 1, from + 2]), null);
        return;
    }
    const values = table.values[table.columns.indexOf("requests")];
    const [row] = Array.from(values.keys()).filter(index => !Number.isNaN(values[index]));
    assert.equal(model.requests([table.at[row] - 1, table.at[row]]), values[row]);
    assert.equal(model.requests([table.at[row], table.at[row]]), null);
});

test("figures have the unit that suits them and no more digits than they are worth", () => {
    assert.deepEqual([0, 7, 320, 35_040, 999_600, 1_240_000, 123_456_789].map(cpuText), [
        "0 ms", "7 µs", "320 µs", "35.0 ms", "1.00 s", "1.24 s", "123 s",
    ]);
    assert.deepEqual([[948, 1000], [1, 10_000], [0, 5], [1, 0]].map(pair => percentText(...pair)), [
        "94.8 %", "< 0.1 %", "0.0 %", "–",
    ]);
    assert.deepEqual([20_000, 12_500_000, 200_000_000, 7_500_000_000].map(span), [
        "20.0 ms", "12.5 s", "3 min 20 s", "2 h 5 min",
    ]);
    assert.deepEqual([0, 0.2346, 9.999, -56.78, 12_345].map(digits), ["0.00", "0.235", "10.0", "-56.8", "12,345"]);
    clock.zeroUtcUs = Date.UTC(2026, 10, 24, 6, 15) * 1e3;
    assert.equal(clock(1_234_567), "06:15:01.234");
});
