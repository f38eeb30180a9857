// The four charts over time: what each of them shows of the series.
//
// A chart is `{id, title, told, unit, scale, layers, beyond, missing}`. A layer is what is painted and stands in the
// legend: `kind` says how, `ink` is the custom property of its colour, `figure(stretch)` is what the legend tells of
// a stretch of time and `at(moment)` what stands at one moment, both null where nothing is known. `missing` says why
// there is nothing.

const WORKER_TABLE = "worker-";
// Workers up to here are all shown by themselves, else so many and the rest as one.
const WORKERS_ALL_SHOWN = 8;
const WORKERS_SHOWN = 6;
// A level this many times above everything else is not drawn, but told in the legend.
const NEAR = 2.5;
const BEFORE_NAMES = { recorder: "just before", baseline: "baseline", lifetime: "until now" };

// What is measured: its unit, and what the legend tells of a stretch.
const CORES = { unit: "cores", told: "mean", over: meanWithin };
const MEMORY = { unit: "bytes", told: "most", over: mostWithin };
const RATE = { unit: "rate", told: "mean", over: meanWithin };
const LATENCY = { unit: "seconds", told: "worst", over: mostWithin };
const SHARE = { unit: "share", told: "mean", over: meanWithin };
const COUNT = { unit: "count", told: "mean", over: meanWithin };

function chartsOf(model) {
    return [cpuChart(model), memoryChart(model), trafficChart(model), latencyChart(model)];
}

// Cores used by each worker, against the quota and the machine.
function cpuChart(model) {
    const { cgroup, host } = fingerprintOf(model);
    const { layers, isEmpty } = workerStack(model, table => rateSteps(table, "user_s", "system_s"), CORES);
    const machine = model.table("host");
    if (machine !== undefined) {
        const label = host?.cpus_online ? `machine (${host.cpus_online} CPUs)` : "machine";
        layers.push(lineLayer({ kind: "thin", label, ink: "--pale" }, rateSteps(machine, "busy_s"), CORES));
    }
    if (cgroup?.cpu_quota_cores) layers.push(levelLayer("quota", cgroup.cpu_quota_cores, CORES));
    layers.push(...beforeLayers(model, "", load => load.cores, CORES));
    const held = model.table("cgroup");
    const shares = held === undefined ? [] : ratioSteps(held, "throttled_periods", "periods");
    if (shares.length > 0) {
        layers.push(lineLayer({ kind: "strip", label: "periods throttled", ink: "--limit" }, shares, SHARE));
    }
    const why = whyMissing(model, ["cpu", "kernel's counters", "readings"], "the workers' CPU was not read over time");
    return chart("cpu", "CPU, cores", CORES, { layers, missing: isEmpty ? why : null });
}

// Memory of each worker, of their cgroup, and the limit.
function memoryChart(model) {
    const { cgroup } = fingerprintOf(model);
    const { layers, isEmpty } = workerStack(model, table => readingSteps(table, "rss_bytes"), MEMORY);
    const used = model.table("cgroup");
    if (used !== undefined) {
        const look = { kind: "thin", label: "cgroup", ink: "--pale" };
        layers.push(lineLayer(look, readingSteps(used, "memory_bytes"), MEMORY));
    }
    if (cgroup?.memory_limit_bytes) layers.push(levelLayer("limit", cgroup.memory_limit_bytes, MEMORY));
    const why = whyMissing(model, ["memory", "rss", "readings"], "the workers' memory was not read over time");
    return chart("memory", "Memory", MEMORY, { layers, missing: isEmpty ? why : null });
}

// Requests a second, those that failed, and those in flight, by the best source there is.
function trafficChart(model) {
    const sources = [
        ["traffic", "requests"],
        ["access-log", "requests"],
        ["network", "connections_accepted"],
    ];
    const tables = sources.map(([name, column]) => ({ table: model.table(name), column }));
    const known = tables.find(({ table, column }) => table !== undefined && rateSteps(table, column).length > 0);
    if (known === undefined) {
        const words = ["request", "metrics", "traffic", "access log", "connections"];
        const missing = whyMissing(model, words, "no counter of requests could be read");
        return chart("traffic", "Traffic", RATE, { layers: [], missing });
    }
    const isRequests = known.column === "requests";
    const fill = (label, ink, column) => lineLayer({ kind: "band", label, ink }, rateSteps(known.table, column), RATE);
    const layers = [fill(isRequests ? "requests" : "connections", "--traffic", known.column)];
    if (isRequests) layers.push(fill("failed (≥ 400)", "--limit", "errors"));
    const flying = known.table.table === "traffic" ? readingSteps(known.table, "in_flight") : [];
    // Another unit has no place on this axis.
    if (flying.length > 0) layers.push(lineLayer({ kind: "told", label: "in flight", ink: "--pale" }, flying, COUNT));
    if (isRequests) layers.push(...beforeLayers(model, "", load => load.rps, RATE));
    const title = isRequests ? "Traffic, requests per second" : "Traffic, connections per second";
    return chart("traffic", title, RATE, { layers, missing: null });
}

// How long requests took, and how long `/health/liveliness`, which is answered on the event loop, had to be waited for.
function latencyChart(model) {
    const layers = [];
    const stalls = model.head.events.filter(event => event.kind === "stall" && event.until_us !== null);
    if (stalls.length > 0) layers.push(stallLayer(stalls.map(event => [event.at_us, event.until_us])));
    layers.push(...beforeLayers(model, "P50, ", load => load.p50_seconds, LATENCY));
    const line = (label, ink, steps) => lineLayer({ kind: "line", label, ink }, steps, LATENCY);
    const traffic = model.table("traffic");
    if (traffic !== undefined) {
        layers.push(line("P99 of requests", "--series-2", sinceSteps(traffic, "total_p99_s")));
        layers.push(line("P50 of requests", "--series-1", sinceSteps(traffic, "total_p50_s")));
    }
    const probes = model.table("liveliness");
    if (probes !== undefined) {
        layers.push(line("liveliness", "--series-3", onwardSteps(probes, "latency_s")));
        const failed = columnOf(probes, "failed") ?? [];
        layers.push(
            crossesLayer(
                "failed probes",
                Array.from(probes.at).filter((_, row) => failed[row] > 0),
            ),
        );
    }
    const why = whyMissing(model, ["latenc", "liveliness", "probe", "metrics"], "no latency was read over time");
    const known = layers.filter(layer => layer.steps === undefined || layer.steps.length > 0);
    const isEmpty = !known.some(layer => layer.steps);
    return chart("latency", "Latency", LATENCY, { layers: known, missing: isEmpty ? why : null });
}

// The scale is made for what the chart is about. What it is held against (levels, thin lines) widens it where it is
// near, else it is `beyond`, and stands in the legend alone.
function chart(id, title, { unit, told }, { layers, missing }) {
    const isBeside = layer => layer.value !== undefined || layer.kind === "thin";
    const isScaled = layer => isBeside(layer) || (layer.steps && !["strip", "told"].includes(layer.kind));
    const values = layers.filter(layer => isScaled(layer) && !isBeside(layer)).flatMap(layerValues);
    const largest = values.reduce((most, value) => Math.max(most, value), 0);
    const isNear = layer => !isBeside(layer) || values.length === 0 || layerMost(layer) <= largest * NEAR;
    const shown = layers.filter(isNear);
    const top = shown.filter(isScaled).reduce((most, layer) => Math.max(most, layerMost(layer)), largest);
    const smallest = values.reduce((least, value) => (value > 0 ? Math.min(least, value) : least), Infinity);
    const scale = unit === "seconds" ? ValueScale.spanning(unit, smallest, top, 3) : ValueScale.linear(unit, top, 3);
    return { id, title, told, unit, scale, layers: shown, beyond: layers.filter(layer => !isNear(layer)), missing };
}

function layerValues(layer) {
    return layer.value === undefined ? layer.steps.map(step => step.value) : [layer.value];
}

function layerMost(layer) {
    return layerValues(layer).reduce((most, value) => Math.max(most, value), 0);
}

function lineLayer(look, steps, { unit, over }) {
    return { ...look, unit, steps, figure: stretch => over(steps, stretch), at: moment => stepAt(steps, moment) };
}

function levelLayer(label, value, { unit }) {
    return { kind: "level", label, ink: "--limit", unit, value, figure: () => value, at: () => value };
}

function crossesLayer(label, moments) {
    const count = ([from, to]) => moments.filter(at => at >= from && at < to).length;
    return { kind: "crosses", label, ink: "--ink", unit: "count", moments, figure: count, at: () => null };
}

function stallLayer(stretches) {
    const seconds = ([from, to]) => Math.max(from, to) / 1e6 - Math.min(from, to) / 1e6;
    const longest = ([from, to]) => {
        const within = stretches.filter(stretch => stretch[0] < to && stretch[1] > from).map(seconds);
        return within.length > 0 ? Math.max(...within) : null;
    };
    const at = moment => longest([moment, moment + 1]);
    return {
        kind: "stretches",
        label: "longest stall",
        ink: "--stall",
        unit: "seconds",
        stretches,
        figure: longest,
        at,
    };
}

// The level of before, as a dashed line.
function beforeLayers(model, prefix, valueOf, measure) {
    const { before } = model.head.tables.loads;
    const value = (before && valueOf(before.load)) ?? null;
    if (value === null) return [];
    const label = prefix + (BEFORE_NAMES[before.source] ?? "before");
    return [{ ...levelLayer(label, value, measure), kind: "before", ink: "--before" }];
}

// A band for each worker, the busiest at the bottom, and the line of their sum. The order, and so the colours, are the
// same in every chart.
function workerStack(model, stepsOf, measure) {
    const tables = model.series.filter(table => table.table.startsWith(WORKER_TABLE));
    const sampled = [model.head.capture.from_us, model.head.capture.to_us];
    const workers = tables
        .map(table => ({
            pid: table.table.slice(WORKER_TABLE.length),
            steps: stepsOf(table),
            busy: meanWithin(rateSteps(table, "user_s", "system_s"), sampled) ?? -1,
        }))
        .filter(worker => worker.steps.length > 0)
        .sort((one, other) => other.busy - one.busy);
    const grid = sharedGrid(workers.map(worker => worker.steps));
    const values = workers.map(worker => ontoGrid(worker.steps, grid));
    const shown = workers.length > WORKERS_ALL_SHOWN ? WORKERS_SHOWN : workers.length;
    const named = workers
        .slice(0, shown)
        .map(({ pid, steps }, index) => ({
            look: { kind: "band", label: `worker ${pid}`, ink: `--worker-${index + 1}` },
            steps,
            values: values[index],
        }));
    if (shown < workers.length) {
        const sum = values.slice(shown).reduce((all, list) => all.map((value, cell) => value + list[cell]));
        const look = { kind: "band", label: `${workers.length - shown} other workers`, ink: "--worker-rest" };
        named.push({ look, steps: stackedSteps([sum], grid).total, values: sum });
    }
    const { bands, total } = stackedSteps(
        named.map(band => band.values),
        grid,
    );
    // What is told of a band is its own, what is painted lies upon those below.
    const layers = named.map(({ look, steps }, index) => ({ ...lineLayer(look, steps, measure), steps: bands[index] }));
    if (workers.length > 1)
        layers.push(lineLayer({ kind: "line", label: "all workers", ink: "--ink" }, total, measure));
    return { layers, isEmpty: total.length === 0 };
}

function fingerprintOf(model) {
    return model.head.environment?.fingerprint ?? {};
}

// Why there are no such figures, by the gaps of the capture that speak of one of these words.
function whyMissing(model, words, otherwise) {
    const speaks = gap => words.some(word => gap.what.toLowerCase().includes(word));
    const gap = model.head.gaps.find(speaks);
    return gap === undefined ? `No data: ${otherwise}.` : `No data: ${gap.why}. To get it: ${gap.cure}.`;
}

// What stands at a moment, layer by layer.
function momentWords(chart, at) {
    const figures = chart.layers.filter(layer => layer.value === undefined).map(layer => [layer, layer.at(at)]);
    const known = figures.filter(([, value]) => value !== null);
    if (known.length === 0) return ["nothing was read here"];
    return known.map(([layer, value]) => `${layer.label}: ${figureText(layer.unit, value)}`);
}
