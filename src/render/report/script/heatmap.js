// The heatmap: a row for each worker, or for each of its threads, and in it a cell for each stretch of time, the
// darker (on dark paper the brighter) the more of a core was used. What was not sampled is hatched: it is no nought.
//
// Everywhere else on the page a sample belongs to where it begins. A cell may be shorter than what a sample stands
// for, so that here its CPU lies from there on, as long as it is: a thread that ran all the time has no holes.

// The finest cells, in microseconds, unless samples are farther apart.
const FINEST_CELL_US = 20000;
// No sample stands for more CPU: what begins that long before a cell does not reach into it.
const LONGEST_SAMPLE_US = 2_000_000;
// A cell is at least so wide, in pixels.
const LEAST_CELL_PIXELS = 2;
const WORKER_ROW = 22;
const THREAD_ROW = 18;
const RAMP_LEVELS = 24;

// CPU in microseconds of each thread in a stretch.
function cpuOfThreads(model, stretch) {
    return Float64Array.from(model.head.threads, (_, thread) => model.sumOf(thread, stretch));
}

// How long a cell is where so many microseconds are a pixel: a multiple of the finest that is wide enough to be seen.
function cellLength(usPerPixel, intervalUs) {
    const finest = Math.max(Math.ceil((intervalUs || 0) / FINEST_CELL_US), 1) * FINEST_CELL_US;
    return Math.max(Math.ceil((usPerPixel * LEAST_CELL_PIXELS) / finest), 1) * finest;
}

// Cells of a length that cover a stretch: where the first begins, and how many they are. Their borders stay where they
// are when the stretch moves.
function cellsOver([from, to], length) {
    const begin = Math.floor(from / length) * length;
    return { begin, length, count: Math.ceil((to - begin) / length) };
}

// The samples of a thread that may reach into a stretch, as two bounds.
function boundsReaching(model, thread, [from, to]) {
    return model.bounds(thread, [from - LONGEST_SAMPLE_US, to]);
}

// CPU in microseconds of some threads in each cell; with `isLit` (one entry a stack) only that of stacks which are.
function cellSums(model, threads, { begin, length, count }, isLit = null) {
    const { at, stack, cpu } = model.samples;
    const end = begin + count * length;
    const sums = new Float64Array(count);
    for (const thread of threads) {
        const [first, last] = boundsReaching(model, thread, [begin, end]);
        // The cell in which the sample begins. Samples stand in the order of time, so that no division has to find it.
        let cell = 0;
        for (let sample = first; sample < last; sample += 1) {
            if (isLit !== null && (stack[sample] < 0 || isLit[stack[sample]] === 0)) continue;
            let from = Math.max(at[sample], begin);
            const to = Math.min(at[sample] + cpu[sample], end);
            while (begin + (cell + 1) * length <= from) cell += 1;
            for (let reached = cell; from < to; reached += 1) {
                const next = Math.min(begin + (reached + 1) * length, to);
                sums[reached] += next - from;
                from = next;
            }
        }
    }
    return sums;
}

// For each stack whether it goes through a function. Callers stand before what they call.
function stacksThrough(model, number) {
    const { parent, frame } = model.stacks;
    const isLit = new Uint8Array(parent.length);
    for (let stack = 0; stack < parent.length; stack += 1) {
        const isCallerLit = parent[stack] >= 0 && isLit[parent[stack]] === 1;
        isLit[stack] = isCallerLit || model.functionOf[frame[stack]] === number ? 1 : 0;
    }
    return isLit;
}

// What some threads did in a cell: CPU in microseconds, samples, and the function on top that used most of it.
function tallyOf(model, threads, [from, to]) {
    const { at, stack, cpu } = model.samples;
    const functions = new Map();
    let [total, samples, native, unsampled] = [0, 0, 0, 0];
    for (const thread of threads) {
        const [first, last] = boundsReaching(model, thread, [from, to]);
        for (let sample = first; sample < last; sample += 1) {
            const us = Math.min(at[sample] + cpu[sample], to) - Math.max(at[sample], from);
            if (us < 0 || (us === 0 && at[sample] < from)) continue;
            samples += 1;
            total += us;
            if (stack[sample] === -1) native += us;
            else if (stack[sample] < 0) unsampled += us;
            else {
                const number = model.functionOf[model.stacks.frame[stack[sample]]];
                functions.set(number, (functions.get(number) ?? 0) + us);
            }
        }
    }
    let top = null;
    for (const [number, us] of functions) {
        if (us > (top?.us ?? 0)) top = { number, us };
    }
    return { total, samples, native, unsampled, top };
}

// The stretch from the first to the last sample of some threads; null where there are none.
function sampledStretch(model, threads) {
    let [from, to] = [Infinity, -Infinity];
    for (const thread of threads) {
        const [low, high] = [model.threadStart[thread], model.threadStart[thread + 1]];
        if (low === high) continue;
        from = Math.min(from, model.samples.at[low]);
        to = Math.max(to, model.samples.at[high - 1] + model.samples.cpu[high - 1]);
    }
    return from <= to ? [from, to] : null;
}

// The rows that are shown: workers in their order, each followed by its threads where it is expanded, the busiest
// first.
function heatRows(model, expanded) {
    const threads = model.head.workers.map(() => []);
    model.head.threads.forEach((thread, index) => threads[thread.worker].push(index));
    const capture = [model.head.capture.from_us, model.head.capture.to_us + 1];
    const busy = expanded.length > 0 ? cpuOfThreads(model, capture) : null;
    return model.head.workers.flatMap((worker, index) => {
        const row = { worker: index, thread: null, threads: threads[index], height: WORKER_ROW };
        if (!expanded.includes(index)) return [row];
        const sorted = [...threads[index]].sort((one, other) => busy[other] - busy[one]);
        const below = sorted.map(thread => ({ worker: index, thread, threads: [thread], height: THREAD_ROW }));
        return [row, ...below];
    });
}

// Colours between the stops (`rgb(r, g, b)`), evenly apart.
function rampBetween(stops, levels) {
    const parts = stops.map(stop => stop.match(/[\d.]+/g).map(Number));
    return Array.from({ length: levels }, (_, level) => {
        const place = (level / (levels - 1)) * (stops.length - 1);
        const below = Math.min(Math.floor(place), stops.length - 2);
        const mixed = parts[below].map((part, index) => part + (parts[below + 1][index] - part) * (place - below));
        return `rgb(${mixed.map(Math.round).join(", ")})`;
    });
}

// The level of the ramp for a share of a core: whatever there is stands out from nothing.
function rampLevel(share, levels) {
    if (share <= 0) return 0;
    return Math.min(1 + Math.floor(share * (levels - 1)), levels - 1);
}

// Paints rows into a canvas's context, one below the other.
function paintHeat(context, model, rows, { scale, cells, isLit }) {
    const ramp = rampBetween(theme().heat, RAMP_LEVELS);
    context.save();
    const height = rows.reduce((sum, row) => sum + row.height, 0);
    context.beginPath();
    context.rect(scale.left, 0, scale.right - scale.left, height);
    context.clip();
    let top = 0;
    for (const row of rows) {
        paintHeatRow(context, model, { row, top, cells, ramp, isLit }, scale);
        top += row.height;
    }
    context.restore();
}

function paintHeatRow(context, model, { row, top, cells, ramp, isLit }, scale) {
    const height = row.height - 2;
    paintHatch(context, ink("--line"), [scale.left, top, scale.right - scale.left, height]);
    const sampled = sampledStretch(model, row.threads);
    if (sampled === null) return;
    // Whole pixels: a border between two of them would be as pale as what is below.
    const x = cell => Math.round(scale.x(cells.begin + cell * cells.length));
    const first = Math.max(Math.floor((sampled[0] - cells.begin) / cells.length), 0);
    const last = Math.min(Math.floor((sampled[1] - cells.begin) / cells.length), cells.count - 1);
    if (first > last) return;
    context.globalAlpha = 1;
    fillBox(context, ramp[0], [x(first), top, x(last + 1) - x(first), height]);
    const sums = cellSums(model, row.threads, cells);
    // Where a function is lit the rest steps back.
    context.globalAlpha = isLit === null ? 1 : 0.35;
    for (let cell = first; cell <= last; cell += 1) {
        const level = rampLevel(sums[cell] / cells.length, ramp.length);
        if (level === 0) continue;
        fillBox(context, ramp[level], [x(cell), top, x(cell + 1) - x(cell), height]);
    }
    context.globalAlpha = 1;
    if (isLit === null) return;
    const lit = cellSums(model, row.threads, cells, isLit);
    for (let cell = first; cell <= last; cell += 1) {
        if (lit[cell] <= 0) continue;
        const high = Math.max(Math.min(lit[cell] / cells.length, 1) * height, 2);
        fillBox(context, ink("--lit"), [x(cell), top + height - high, x(cell + 1) - x(cell), high]);
    }
}
