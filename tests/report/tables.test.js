// The tables of a capture: functions, owners by mechanism, threads and workers, and how a table is sorted and filtered.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fake } from "./fake.js";
import { load } from "./load.js";

const { flameModelOf, costsOf, functionRows, threadRows, workerRows, ownerMatrix, sortedRows, filteredRows } = load(
    "flameModelOf", "costsOf", "functionRows", "threadRows", "workerRows", "ownerMatrix", "sortedRows", "filteredRows",
);
const { wordColumn, figureColumn, functionColumns, shadeStep, milliseconds, signedMilliseconds, comparedText } = load(
    "wordColumn", "figureColumn", "functionColumns", "shadeStep", "milliseconds", "signedMilliseconds", "comparedText",
);

const SAMPLES = [
    { at: 0, stack: "main@app.py:1 > route@router.py:7", cpu: 1000, thread: 0 },
    { at: 1e6, stack: "main@app.py:1 > route@router.py:8 > dump@json.py:9 > dump@json.py:9", cpu: 3000, thread: 0 },
    { at: 2e6, stack: "main@app.py:2 > scrub@scrub.py:3", cpu: 4000, thread: 1 },
    { at: 3e6, stack: null, cpu: 2000, thread: 2 },
];
const BASELINE = { seconds: 2, requests: 4, stacks: [["main@app.py:1 > old@old.py:1", 800], ["main@app.py:1", 400]] };
const ALL = { range: null, worker: null, thread: null, compare: null, per: "request" };

function rowsOf(model, selection = {}) {
    const rows = functionRows(flameModelOf(model), costsOf(model, { ...ALL, ...selection }));
    return Object.fromEntries(rows.map(row => [row.name, row]));
}

test("a function has its own CPU and that of all it called, which counts once however deep it calls itself", () => {
    const rows = rowsOf(fake(SAMPLES, { requests: 10 }));
    const figures = name => [rows[name].self, rows[name].total, rows[name].selfEach];
    assert.deepEqual(figures("dump"), [3000, 3000, 300]);
    assert.deepEqual(figures("route"), [1000, 4000, 100]);
    assert.deepEqual(figures("main"), [0, 8000, 0]);
});

test("functions follow the selection", () => {
    const model = fake(SAMPLES);
    assert.deepEqual(Object.keys(rowsOf(model, { range: [2e6, 4e6] })).sort(), ["main", "scrub"]);
    assert.deepEqual(Object.keys(rowsOf(model, { thread: 0 })).sort(), ["dump", "main", "route"]);
    assert.deepEqual(Object.keys(rowsOf(model, { worker: 1 })), []);
});

test("growth is for each request, of what is new and of what is gone", () => {
    const rows = rowsOf(fake(SAMPLES, { requests: 10, baseline: BASELINE }), { compare: "baseline" });
    assert.equal(rows.dump.selfGrowth, 300);
    assert.equal(rows.old.selfGrowth, -200);
    assert.deepEqual([rows.main.selfGrowth, rows.main.totalGrowth], [-100, 800 - 300]);
    const columns = functionColumns({ now: { total: 10_000 }, then: {}, per: "request" }, null);
    const growth = columns.find(column => column.id === "selfGrowth");
    assert.deepEqual([rows.dump, rows.old].map(growth.text), ["+0.30 ms", "−0.20 ms"]);
    assert.deepEqual([rows.dump, rows.old].map(growth.tone), ["grew", "shrank"]);
});

test("without a comparison there are no columns of growth", () => {
    const grew = then => {
        const columns = functionColumns({ now: { total: 1 }, then, per: "second" }, null);
        return columns.map(column => column.title).filter(title => title.includes("grew"));
    };
    assert.deepEqual(grew(null), []);
    assert.deepEqual(grew({}), ["self grew per second", "total grew per second"]);
});

test("threads and workers have the CPU of the range, with stack and without", () => {
    const model = fake(SAMPLES);
    const threads = range => threadRows(model, range).map(row => [row.worker, row.name, row.cpu, row.samples]);
    assert.deepEqual(threads(null), [
        ["worker 41", "MainThread", 4000, 2],
        ["worker 41", "uvloop_0", 4000, 1],
        ["worker 42", "MainThread", 2000, 1],
    ]);
    assert.deepEqual(threads([1e6, 2e6]), [["worker 41", "MainThread", 3000, 1]]);
    const workers = workerRows(model, [1e6, 3e6]).map(row => [row.name, row.threads, row.cpu, row.selects]);
    assert.deepEqual(workers, [
        ["worker 41", 2, 7000, { worker: 0, thread: null }],
        ["worker 42", 0, 0, { worker: 1, thread: null }],
    ]);
});

test("owners stand against mechanisms, the largest first", () => {
    const model = fake(SAMPLES, { requests: 10, baseline: BASELINE });
    const matrix = ownerMatrix(model, costsOf(model, { ...ALL, compare: "baseline" }));
    assert.deepEqual(matrix.mechanisms, [{ name: "other Python", cpu: 5000 }, { name: "json", cpu: 3000 }]);
    assert.deepEqual(matrix.owners, [
        { name: "router", cpu: 4000, growth: 400 - 300, cells: [1000, 3000] },
        { name: "callback scrub.py", cpu: 4000, growth: 400, cells: [4000, 0] },
    ]);
});

test("rows are sorted in either direction, with what is unknown at the end", () => {
    const rows = [{ name: "b", cpu: 1 }, { name: "a", cpu: null }, { name: "c", cpu: 7 }];
    const cpu = figureColumn("cpu", "CPU", null, row => row.cpu, row => String(row.cpu));
    const name = wordColumn("name", "name", row => row.name);
    const names = (column, isDown) => sortedRows(rows, column, isDown).map(row => row.name).join("");
    assert.deepEqual([names(cpu, true), names(cpu, false), names(name, false)], ["cba", "bca", "abc"]);
    assert.deepEqual(rows.map(row => row.name).join(""), "bac", "the rows themselves stay as they are");
});

test("rows are filtered by their words and not by their figures", () => {
    const columns = [
        wordColumn("name", "name", row => row.name),
        figureColumn("cpu", "CPU", null, row => row.cpu, row => String(row.cpu)),
    ];
    const rows = [{ name: "Router.send", cpu: 12 }, { name: "dump", cpu: 3 }];
    assert.deepEqual(filteredRows(rows, columns, " router "), [rows[0]]);
    assert.deepEqual(filteredRows(rows, columns, "12"), []);
    assert.deepEqual(filteredRows(rows, columns, ""), rows);
});

test("a cell is shaded darker with each doubling", () => {
    assert.deepEqual([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 1].map(shadeStep), [0, 0, 1, 2, 3, 4, 5, 5]);
});

test("figures of each request have as many digits as count", () => {
    const figures = [0, 4, 60, 1234, 25_000, 199_400].map(milliseconds);
    assert.deepEqual(figures, ["0", "0.004", "0.06", "1.23", "25.0", "199"]);
    assert.deepEqual([1500, -1500].map(signedMilliseconds), ["+1.50", "−1.50"]);
    assert.equal(comparedText(3000, 2000), "3.00 ms now, 2.00 ms then: +1.00 ms, × 1.50");
    assert.equal(comparedText(3000, 0), "3.00 ms now, 0 ms then: +3.00 ms, new");
    assert.equal(comparedText(0, 2000), "0 ms now, 2.00 ms then: −2.00 ms, gone");
});
