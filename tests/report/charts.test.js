// What the charts show: rates and not rows, the busiest workers by themselves, and why there is nothing.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const { Model, chartsOf, momentWords } = load("Model", "chartsOf", "momentWords");

const S = 1e6;
const MIB = 1024 ** 2;

function table(name, columns, rows) {
    return {
        table: name,
        columns,
        at: Float64Array.from(rows, row => row[0] * S),
        values: columns.map((_, index) => Float64Array.from(rows, row => row[index + 1] ?? NaN)),
    };
}

// A worker that uses a constant part of a core for ten seconds.
function worker(pid, cores) {
    const rows = Array.from({ length: 11 }, (_, second) => [second, second === 0 ? null : cores, 0, 100 * MIB]);
    return table(`worker-${pid}`, ["user_s", "system_s", "rss_bytes"], rows);
}

function charts(series, { fingerprint = {}, gaps = [], events = [], before = null } = {}) {
    const head = {
        capture: { from_us: 0, to_us: 10 * S },
        environment: { fingerprint },
        tables: { loads: { before } },
        gaps,
        events,
    };
    const model = Object.assign(Object.create(Model.prototype), { head, series });
    return Object.fromEntries(chartsOf(model).map(chart => [chart.id, chart]));
}

function legend(chart, stretch = [0, 10 * S]) {
    return chart.layers.map(layer => [layer.kind, layer.label, layer.figure(stretch)]);
}

test("CPU is cores: a band for each worker, the busiest first, and their sum", () => {
    const { cpu, memory } = charts([worker(41, 0.25), worker(42, 0.5)]);
    assert.deepEqual(legend(cpu), [
        ["band", "worker 42", 0.5],
        ["band", "worker 41", 0.25],
        ["line", "all workers", 0.75],
    ]);
    assert.deepEqual(
        cpu.layers.map(layer => layer.at(3.5 * S)),
        [0.5, 0.25, 0.75],
    );
    assert.equal(legend(memory)[2][2], 200 * MIB);
    assert.equal(cpu.missing, null);
});

test("of many workers the busiest are told apart, and the rest is one", () => {
    const { cpu } = charts(Array.from({ length: 16 }, (_, index) => worker(100 + index, (index + 1) / 16)));
    const labels = cpu.layers.map(layer => layer.label);
    assert.deepEqual(labels.slice(0, 2), ["worker 115", "worker 114"]);
    assert.deepEqual(labels.slice(-2), ["10 other workers", "all workers"]);
    assert.ok(Math.abs(cpu.layers.at(-2).figure([0, 10 * S]) - 55 / 16) < 1e-9);
});

test("a level or a machine far above the rest does not flatten it", () => {
    const host = table(
        "host",
        ["busy_s"],
        [
            [0, null],
            [1, 60],
            [2, 60],
        ],
    );
    const { cpu } = charts([worker(41, 0.5), host], {
        fingerprint: { cgroup: { cpu_quota_cores: 1 }, host: { cpus_online: 64 } },
    });
    assert.deepEqual(
        cpu.beyond.map(layer => layer.label),
        ["machine (64 CPUs)"],
    );
    assert.ok(cpu.layers.some(layer => layer.label === "quota"));
    assert.ok(cpu.scale.top < 2);
});

test("throttling is the share of its periods", () => {
    const cgroup = table(
        "cgroup",
        ["periods", "throttled_periods"],
        [
            [0, null, null],
            [1, 10, 5],
            [2, 10, 0],
        ],
    );
    const { cpu } = charts([worker(41, 0.5), cgroup]);
    assert.deepEqual(legend(cpu, [0, 2 * S]).at(-1), ["strip", "periods throttled", 0.25]);
});

test("traffic is requests per second by LiteLLM's counters, else by the log, else connections", () => {
    const rows = [
        [0, null, null],
        [2, 8, 2],
    ];
    const log = table(
        "access-log",
        ["requests", "errors"],
        [
            [0, 1, 0],
            [2, 4, 0],
        ],
    );
    const network = table(
        "network",
        ["connections_accepted"],
        [
            [0, null],
            [2, 6],
        ],
    );
    const told = series => legend(charts(series).traffic, [0, 2 * S]).map(([, label, value]) => [label, value]);
    assert.deepEqual(told([table("traffic", ["requests", "errors"], rows), log]), [
        ["requests", 4],
        ["failed (≥ 400)", 1],
    ]);
    assert.deepEqual(told([log, network]), [
        ["requests", 2],
        ["failed (≥ 400)", 0],
    ]);
    assert.deepEqual(told([network]), [["connections", 3]]);
    assert.equal(charts([network]).traffic.title, "Traffic, connections per second");
});

test("latency has the quantiles since the reading before, answers from the question on, and stalls", () => {
    const { latency } = charts(
        [
            table(
                "traffic",
                ["total_p50_s", "total_p99_s"],
                [
                    [0, null, null],
                    [5, 0.01, 0.2],
                    [9, null, null],
                ],
            ),
            table(
                "liveliness",
                ["latency_s", "failed"],
                [
                    [0, 0.004, 0],
                    [1, null, 1],
                    [2, 0.005, 0],
                ],
            ),
        ],
        { events: [{ kind: "stall", at_us: S, until_us: 1.5 * S, text: "" }] },
    );
    assert.deepEqual(legend(latency), [
        ["stretches", "longest stall", 0.5],
        ["line", "P99 of requests", 0.2],
        ["line", "P50 of requests", 0.01],
        ["line", "liveliness", 0.005],
        ["crosses", "failed probes", 1],
    ]);
    assert.equal(latency.layers[2].at(7 * S), null);
});

test("what was before is a level of each chart that has it", () => {
    const before = { source: "baseline", load: { cores: 0.2, rps: null, p50_seconds: 0.01 } };
    const { cpu, traffic } = charts([worker(41, 0.5)], { before });
    assert.deepEqual(legend(cpu).at(-1), ["before", "baseline", 0.2]);
    assert.equal(traffic.layers.length, 0);
});

test("where there is nothing the chart says why, by the gap that tells it", () => {
    const gaps = [{ what: "requests over time", why: "there is no access log", cure: "give it with `--log`" }];
    const { cpu, traffic } = charts([], { gaps });
    assert.equal(traffic.missing, "No data: there is no access log. To get it: give it with `--log`.");
    assert.equal(cpu.missing, "No data: the workers' CPU was not read over time.");
});

test("a moment tells what was read, and that nothing was", () => {
    const { cpu } = charts([worker(41, 0.5)]);
    assert.deepEqual(momentWords(cpu, 3.5 * S), ["worker 41: 0.500"]);
    assert.deepEqual(momentWords(cpu, 30 * S), ["nothing was read here"]);
});
