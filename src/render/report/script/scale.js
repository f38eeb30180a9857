// From figures and moments to places on the screen, with ticks at round ones, and figures with their unit.

const MICROS_PER_SECOND = 1e6;
const MICROS_PER_MS = 1e3;

// Distances between ticks of time, in microseconds.
const TIME_STEPS = [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map(ms => ms * MICROS_PER_MS),
    ...[1, 2, 5, 10, 15, 30].map(seconds => seconds * MICROS_PER_SECOND),
    ...[1, 2, 5, 10, 15, 30].map(minutes => minutes * 60 * MICROS_PER_SECOND),
    ...[1, 2, 3, 6, 12, 24, 48, 168].map(hours => hours * 3600 * MICROS_PER_SECOND),
];

// The axis of time: microseconds since time zero on one side, pixels on the other.
class TimeScale {
    constructor([from, to], [left, right]) {
        this.from = from;
        this.to = Math.max(to, from + 1);
        this.left = left;
        this.right = Math.max(right, left + 1);
    }

    get usPerPixel() {
        return (this.to - this.from) / (this.right - this.left);
    }

    x(at) {
        return this.left + (at - this.from) / this.usPerPixel;
    }

    at(x) {
        return this.from + (x - this.left) * this.usPerPixel;
    }

    // The place of a moment, at the edge where it is beside the paper.
    xWithin(at) {
        return this.x(Math.min(Math.max(at, this.from), this.to));
    }

    // The moment below a pixel, on the paper even where the pixel is beside it.
    atWithin(x) {
        return this.at(Math.min(Math.max(x, this.left), this.right));
    }
}

// A stretch made longer or shorter around a moment that keeps its place, and kept within bounds.
function zoomedStretch([from, to], factor, around, bounds, shortest) {
    const longest = bounds[1] - bounds[0];
    const length = Math.min(Math.max((to - from) * factor, shortest), longest);
    const share = (around - from) / (to - from);
    return stretchWithin([around - share * length, around + (1 - share) * length], bounds);
}

// A stretch pushed to where it lies within bounds; its length stays unless they are shorter.
function stretchWithin([from, to], bounds) {
    const length = Math.min(to - from, bounds[1] - bounds[0]);
    const begin = Math.min(Math.max(from, bounds[0]), bounds[1] - length);
    return [begin, begin + length];
}

// Both moments in order, within bounds.
function orderedStretch(one, other, bounds) {
    const clamp = at => Math.min(Math.max(at, bounds[0]), bounds[1]);
    return [clamp(Math.min(one, other)), clamp(Math.max(one, other))];
}

// Round moments of a stretch in UTC, at most so many: `{at, text}`. The text has no more digits than the distance
// needs.
function timeTicks([from, to], zeroUtcUs, most) {
    const step = TIME_STEPS.find(step => (to - from) / step < most) ?? TIME_STEPS.at(-1);
    const first = Math.ceil((zeroUtcUs + from) / step) * step;
    const ticks = [];
    for (let utc = first; utc <= zeroUtcUs + to && ticks.length <= most; utc += step) {
        ticks.push({ at: utc - zeroUtcUs, text: utcText(utc, step) });
    }
    return ticks;
}

function utcText(utcUs, step) {
    const iso = new Date(Math.round(utcUs / MICROS_PER_MS)).toISOString();
    if (step < MICROS_PER_SECOND) return iso.slice(11, 23);
    if (step < 60 * MICROS_PER_SECOND) return iso.slice(11, 19);
    if (step < 24 * 3600 * MICROS_PER_SECOND) return iso.slice(11, 16);
    return iso.slice(5, 10);
}

// From so many decades on, ticks in between would stand too close.
const MANY_DECADES = 2.9;
// The edges are by so much beyond the figures, so that no line lies upon them.
const HEADROOM = 1.06;
// Spans of more than this many decades are drawn on a logarithmic scale.
const LINEAR_DECADES = 2;

// The vertical scale of a chart: `share(value)` is 0 at the lower edge and 1 at the upper.
class ValueScale {
    constructor(bottom, top, ticks, share) {
        this.bottom = bottom;
        this.top = top;
        this.ticks = ticks;
        this.share = value => Math.min(Math.max(share(value), 0), 1);
    }

    // From nought to a figure, with about so many ticks.
    static linear(unit, largest, tickCount) {
        const most = largest > 0 ? largest : 1;
        const raw = (most * HEADROOM) / tickCount;
        const step = unit === "bytes" ? 2 ** Math.ceil(Math.log2(Math.max(raw, 1))) : roundStep(raw);
        const top = Math.max(Math.ceil((most * HEADROOM * 2) / step) / 2, 1) * step;
        const ticks = [];
        for (let n = 0; n * step <= top * 1.000001; n += 1) ticks.push(n * step);
        return new ValueScale(0, top, ticks, value => value / top);
    }

    // Each decade as high as the next where figures span more than two, else from nought.
    static spanning(unit, smallest, largest, tickCount) {
        const isLong = smallest > 0 && Math.log10(largest / smallest) > LINEAR_DECADES;
        if (!isLong) return ValueScale.linear(unit, largest, tickCount);
        const [bottom, top] = [roundStepBelow(smallest / HEADROOM), roundStep(largest * HEADROOM)];
        const decades = Math.log10(top / bottom);
        const steps = decades < MANY_DECADES ? [1, 2, 5] : [1];
        const ticks = [];
        for (let power = Math.floor(Math.log10(bottom)); power <= Math.ceil(Math.log10(top)); power += 1) {
            ticks.push(...steps.map(step => step * 10 ** power));
        }
        const within = ticks.filter(tick => tick >= bottom * 0.999999 && tick <= top * 1.000001);
        return new ValueScale(bottom, top, within, value => Math.log10(Math.max(value, 1e-300) / bottom) / decades);
    }
}

// The next of 1, 2, 5, 10 … that is not smaller.
function roundStep(raw) {
    const decade = 10 ** Math.floor(Math.log10(raw));
    return ([1, 2, 5].find(step => step * decade >= raw * 0.999999) ?? 10) * decade;
}

// The next of 1, 2, 5, 10 … that is not larger.
function roundStepBelow(raw) {
    const decade = 10 ** Math.floor(Math.log10(raw));
    return ([5, 2].find(step => step * decade <= raw * 1.000001) ?? 1) * decade;
}

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

// A figure with its unit ("cores", "bytes", "rate", "seconds", "share", "count"), with three digits.
function figureText(unit, value) {
    if (value === null || Number.isNaN(value)) return "–";
    if (unit === "share") return `${(value * 100).toFixed(0)} %`;
    return withUnit(unit, value, threeDigits);
}

// A round figure, for an axis.
function tickText(unit, value) {
    if (value === 0) return "0";
    if (unit === "share") return `${trimmedNumber(value * 100)} %`;
    return withUnit(unit, value, trimmedNumber);
}

function withUnit(unit, value, digits) {
    if (unit === "bytes") return value >= GIB ? `${digits(value / GIB)} GiB` : `${digits(value / MIB)} MiB`;
    if (unit === "seconds") return value >= 1 ? `${digits(value)} s` : `${digits(value * 1e3)} ms`;
    if (unit === "rate") return `${digits(value)}/s`;
    return digits(value);
}

function threeDigits(value) {
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 99.95) return value.toFixed(0);
    if (size >= 9.995) return value.toFixed(1);
    return value.toFixed(size >= 0.9995 ? 2 : 3);
}

function trimmedNumber(value) {
    return String(Number(value.toFixed(6)));
}
