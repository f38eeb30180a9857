// Series as stretches of time with a value each, `{from, to, value}`, which is what a chart draws.
//
// A counter's growth belongs to the time since the row before; a reading stands for the time since the row before,
// but not for longer than rows usually are apart. Where nothing was read there is no stretch, so that a gap stays
// one. A table is `{table, columns, at, values}` with a typed array for the times and one for each column, NaN where
// missing.

// A reading stands for this many usual distances between rows at most; what is longer was a gap.
const LONGEST_REACH = 2;

function columnOf(table, name) {
    const index = table.columns.indexOf(name);
    return index < 0 ? null : table.values[index];
}

// Columns of growth as one rate: what they grew by together, for each second. The first row has no time it belongs to.
function rateSteps(table, ...names) {
    return growthSteps(table, names, (growth, seconds) => growth / seconds);
}

// The growth of one column for each unit that another one grew by.
function ratioSteps(table, part, whole) {
    const wholes = new Map(growthSteps(table, [whole], growth => growth).map(step => [step.to, step.value]));
    const parts = growthSteps(table, [part], growth => growth);
    return parts
        .filter(step => wholes.get(step.to) > 0)
        .map(step => ({ ...step, value: step.value / wholes.get(step.to) }));
}

function growthSteps(table, names, valueOf) {
    const columns = names.map(name => columnOf(table, name));
    if (columns.includes(null)) return [];
    const steps = [];
    for (let row = 1; row < table.at.length; row += 1) {
        const [from, to] = [table.at[row - 1], table.at[row]];
        const growth = columns.reduce((sum, column) => sum + column[row], 0);
        if (from < to && !Number.isNaN(growth)) steps.push({ from, to, value: valueOf(growth, (to - from) / 1e6) });
    }
    return steps;
}

// A column of what was found out about the time since the row before, however long that was.
function sinceSteps(table, name) {
    return growthSteps(table, [name], value => value);
}

// A column of readings.
function readingSteps(table, name) {
    const column = columnOf(table, name);
    if (column === null) return [];
    const reach = LONGEST_REACH * usualDistance(table.at);
    const steps = [];
    let before = -Infinity;
    for (let row = 0; row < table.at.length; row += 1) {
        if (Number.isNaN(column[row])) continue;
        const to = table.at[row];
        steps.push({ from: Math.max(before, to - reach), to, value: column[row] });
        before = to;
    }
    return steps;
}

// A column of readings of what began with each row, and so stands for the time from there on: until the next row, but
// not for longer than rows usually are apart.
function onwardSteps(table, name) {
    const column = columnOf(table, name);
    if (column === null) return [];
    const usual = usualDistance(table.at);
    const steps = [];
    for (let row = 0; row < table.at.length; row += 1) {
        if (Number.isNaN(column[row])) continue;
        const from = table.at[row];
        const next = row + 1 < table.at.length ? table.at[row + 1] : from + usual;
        steps.push({ from, to: Math.min(next, from + LONGEST_REACH * usual), value: column[row] });
    }
    return steps;
}

// The median distance between neighbours; 0 where there are none.
function usualDistance(times) {
    const distances = [];
    for (let row = 1; row < times.length; row += 1) {
        if (times[row] > times[row - 1]) distances.push(times[row] - times[row - 1]);
    }
    distances.sort((one, other) => one - other);
    return distances[Math.floor(distances.length / 2)] ?? 0;
}

// The first step that ends after a moment; steps stand in the order of time.
function firstStepAfter(steps, at) {
    let [low, high] = [0, steps.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (steps[middle].to <= at) low = middle + 1;
        else high = middle;
    }
    return low;
}

// The value at a moment; null where nothing is known.
function stepAt(steps, at) {
    const step = steps[firstStepAfter(steps, at)];
    return step !== undefined && step.from <= at ? step.value : null;
}

// The mean over a stretch, weighed by time; null where nothing of it is known.
function meanWithin(steps, [from, to]) {
    let [known, sum] = [0, 0];
    for (let index = firstStepAfter(steps, from); index < steps.length && steps[index].from < to; index += 1) {
        const overlap = Math.min(steps[index].to, to) - Math.max(steps[index].from, from);
        known += overlap;
        sum += overlap * steps[index].value;
    }
    return known > 0 ? sum / known : null;
}

// The largest value that touches a stretch: where it is the worst that counts.
function mostWithin(steps, [from, to]) {
    let most = null;
    for (let index = firstStepAfter(steps, from); index < steps.length && steps[index].from < to; index += 1) {
        if (most === null || steps[index].value > most) most = steps[index].value;
    }
    return most;
}

// The times at which several lists of steps meet, so that they can be put upon each other: where steps begin and end,
// but no closer than half of the usual length of a step.
function sharedGrid(lists) {
    const steps = lists.flat();
    if (steps.length === 0) return [];
    const times = Float64Array.from(steps.flatMap(step => [step.from, step.to])).sort();
    const lengths = Float64Array.from(steps, step => step.to - step.from).sort();
    const closest = Math.max(lengths[Math.floor(lengths.length / 2)] / 2, 1);
    const grid = [times[0]];
    for (const time of times) {
        if (time >= grid.at(-1) + closest) grid.push(time);
    }
    const last = times.at(-1);
    // The last stretch would be cut off where it is shorter than the others.
    if (grid.length > 1) grid[grid.length - 1] = last;
    return grid;
}

// The values of steps in the cells of a grid: NaN where less than half of a cell is known, nought before the first step
// and after the last, as a worker that is not there uses nothing.
function ontoGrid(steps, grid) {
    const values = new Float64Array(Math.max(grid.length - 1, 0)).fill(NaN);
    if (steps.length === 0) return values;
    const lived = [steps[0].from, steps.at(-1).to];
    for (let cell = 0; cell < values.length; cell += 1) {
        const [from, to] = [grid[cell], grid[cell + 1]];
        let [known, sum] = [0, 0];
        for (let index = firstStepAfter(steps, from); index < steps.length && steps[index].from < to; index += 1) {
            const overlap = Math.min(steps[index].to, to) - Math.max(steps[index].from, from);
            known += overlap;
            sum += overlap * steps[index].value;
        }
        const alive = Math.min(lived[1], to) - Math.max(lived[0], from);
        if (known * 2 >= to - from) values[cell] = sum / known;
        else if (alive * 2 < to - from) values[cell] = 0;
    }
    return values;
}

// Bands upon each other: for each list of values one of `{from, to, low, value}`, and their sum as steps. A cell in
// which one of them is not known is a gap in all of them.
function stackedSteps(valueLists, grid) {
    const bands = valueLists.map(() => []);
    const total = [];
    for (let cell = 0; cell + 1 < grid.length; cell += 1) {
        if (valueLists.some(values => Number.isNaN(values[cell]))) continue;
        const [from, to] = [grid[cell], grid[cell + 1]];
        let low = 0;
        valueLists.forEach((values, index) => {
            bands[index].push({ from, to, low, value: low + values[cell] });
            low += values[cell];
        });
        total.push({ from, to, value: low });
    }
    return { bands, total };
}

// Stretches between the first step and the last in which nothing is known.
function gapsBetween(steps) {
    const gaps = [];
    for (let index = 1; index < steps.length; index += 1) {
        const [from, to] = [steps[index - 1].to, steps[index].from];
        if (to > from) gaps.push([from, to]);
    }
    return gaps;
}
