// The heatmap's cells: sums that agree with the samples, rows, and the ramp.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const {
    Model,
    cellLength,
    cellSums,
    cellsOver,
    cpuOfThreads,
    heatRows,
    rampBetween,
    rampLevel,
    sampledStretch,
    stacksThrough,
    tallyOf,
} = load(
    "Model",
    "cellLength",
    "cellSums",
    "cellsOver",
    "cpuOfThreads",
    "heatRows",
    "rampBetween",
    "rampLevel",
    "sampledStretch",
    "stacksThrough",
    "tallyOf",
);

const MS = 1000;

// Two workers; the first has two threads. Stacks: 0 is f, 1 is f > g, 2 is h.
function modelOf(samplesByThread) {
    const all = samplesByThread.flat();
    const starts = samplesByThread.reduce((sums, samples) => [...sums, sums.at(-1) + samples.length], [0]);
    return Object.assign(Object.create(Model.prototype), {
        head: {
            capture: { from_us: 0, to_us: 1000 * MS, interval_us: 10 * MS },
            workers: [{ pid: 41 }, { pid: 42 }],
            threads: [
                { worker: 0, tid: 41 },
                { worker: 0, tid: 43 },
                { worker: 1, tid: 42 },
            ],
        },
        // Each function has one frame.
        functionOf: Uint32Array.of(0, 1, 2),
        stacks: { parent: Int32Array.of(-1, 0, -1), frame: Uint32Array.of(0, 1, 2) },
        threadStart: Uint32Array.from(starts),
        samples: {
            at: Float64Array.from(all, sample => sample[0] * MS),
            stack: Int32Array.from(all, sample => sample[1]),
            cpu: Uint32Array.from(all, sample => sample[2] * MS),
        },
    });
}

const MODEL = modelOf([
    [
        [0, 0, 10],
        [10, 1, 10],
        [40, 1, 5],
        [90, -1, 7],
    ],
    [
        [15, 2, 20],
        [95, -2, 3],
    ],
    [],
]);

test("the CPU of a sample lies from where it begins on, as long as it is", () => {
    const sums = (threads, stretch) => Array.from(cellSums(MODEL, threads, cellsOver(stretch, 20 * MS)));
    assert.deepEqual(sums([0], [0, 100 * MS]), [20 * MS, 0, 5 * MS, 0, 7 * MS]);
    assert.deepEqual(sums([1], [0, 100 * MS]), [5 * MS, 15 * MS, 0, 0, 3 * MS]);
    assert.deepEqual(sums([0, 1], [20 * MS, 60 * MS]), [15 * MS, 5 * MS], "it reaches in from before");
});

test("all cells together are all CPU, whatever they are cut into, and no thread uses more than a core", () => {
    let seed = 7;
    const random = below => (seed = (seed * 48271) % 2147483647) % below;
    for (let round = 0; round < 50; round += 1) {
        const threads = [0, 1, 2].map(() => {
            let at = random(30);
            return Array.from({ length: random(200) }, () => {
                const step = 1 + random(25);
                at += step;
                return [at - step, random(3), random(step + 1)];
            });
        });
        const model = modelOf(threads);
        const length = (1 + random(9)) * 20 * MS;
        const cells = cellsOver([0, 10_000 * MS], length);
        const slow = threads.map(samples => samples.reduce((sum, [, , cpu]) => sum + cpu * MS, 0));
        assert.deepEqual(Array.from(cpuOfThreads(model, [0, 10_000 * MS])), slow);
        threads.forEach((_, thread) => {
            const sums = cellSums(model, [thread], cells);
            assert.equal(sums.reduce((sum, value) => sum + value, 0), slow[thread]);
            assert.ok(sums.every(sum => sum <= length));
        });
    }
});

test("what a cell tells of itself is what it is coloured by", () => {
    const sums = cellSums(MODEL, [0, 1], cellsOver([0, 100 * MS], 20 * MS));
    sums.forEach((sum, cell) => {
        assert.equal(tallyOf(MODEL, [0, 1], [cell * 20 * MS, (cell + 1) * 20 * MS]).total, sum);
    });
});

test("a cell is as fine as the samples are, and wide enough to be seen", () => {
    assert.equal(cellLength(100, 10 * MS), 20 * MS);
    assert.equal(cellLength(100, 23 * MS), 40 * MS);
    assert.equal(cellLength(33 * MS, 10 * MS), 80 * MS);
    assert.equal(cellLength(100, null), 20 * MS);
});

test("borders of cells stay when the view moves", () => {
    assert.deepEqual(cellsOver([30 * MS, 100 * MS], 20 * MS), { begin: 20 * MS, length: 20 * MS, count: 4 });
    assert.deepEqual(cellsOver([-30 * MS, 10 * MS], 20 * MS), { begin: -40 * MS, length: 20 * MS, count: 3 });
});

test("a function lights every cell in which it ran or called", () => {
    const isLit = stacksThrough(MODEL, 1);
    assert.deepEqual(Array.from(isLit), [0, 1, 0]);
    assert.deepEqual(Array.from(stacksThrough(MODEL, 0)), [1, 1, 0]);
    const cells = cellsOver([0, 100 * MS], 20 * MS);
    assert.deepEqual(Array.from(cellSums(MODEL, [0, 1], cells, isLit)), [10 * MS, 0, 5 * MS, 0, 0]);
});

test("a cell tells its CPU, its samples and the function on top", () => {
    const tally = tallyOf(MODEL, [0, 1], [0, 100 * MS]);
    assert.deepEqual(tally, {
        total: 55 * MS,
        samples: 6,
        native: 7 * MS,
        unsampled: 3 * MS,
        top: { number: 2, us: 20 * MS },
    });
    assert.equal(tallyOf(MODEL, [2], [0, 100 * MS]).top, null);
});

test("what was never sampled is known to be so", () => {
    assert.deepEqual(sampledStretch(MODEL, [0, 1]), [0, 98 * MS]);
    assert.equal(sampledStretch(MODEL, [2]), null);
});

test("an expanded worker shows its threads, the busiest first", () => {
    assert.deepEqual(
        heatRows(MODEL, []).map(row => [row.worker, row.thread]),
        [
            [0, null],
            [1, null],
        ],
    );
    assert.deepEqual(
        heatRows(MODEL, [0]).map(row => row.thread),
        [null, 0, 1, null],
    );
    assert.deepEqual(heatRows(MODEL, [])[0].threads, [0, 1]);
});

test("the ramp goes from stop to stop, and the least is seen", () => {
    assert.deepEqual(rampBetween(["rgb(0, 0, 0)", "rgb(255, 255, 255)"], 3), [
        "rgb(0, 0, 0)",
        "rgb(128, 128, 128)",
        "rgb(255, 255, 255)",
    ]);
    assert.deepEqual(
        [0, 0.0001, 0.5, 1, 7].map(share => rampLevel(share, 24)),
        [0, 1, 12, 23, 23],
    );
});
