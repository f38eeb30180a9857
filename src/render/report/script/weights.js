// CPU by stack over any part of the samples. A range that is drawn on costs what came in and what went out, not what it
// holds.

// Results that are kept: a drag comes back to few of them.
const WEIGHTS_KEPT = 8;
// Of a thread that is not selected: two bounds with nothing between them.
const NO_SAMPLES = [0, 0];

// Weighs the samples of a model. What is selected is told by two bounds for each thread.
class Weigher {
    #stack;
    #cpu;
    #stacks;
    #upTo = null;
    #kept = [];

    constructor({ samples, stacks }) {
        this.#stack = samples.stack;
        this.#cpu = samples.cpu;
        this.#stacks = stacks.parent.length;
    }

    // CPU of the samples between two bounds, in microseconds.
    sumOf([from, to]) {
        this.#upTo ??= runningSums(this.#cpu);
        return this.#upTo[to] - this.#upTo[from];
    }

    // {self: by stack, native, unsampled, total, samples}, CPU in microseconds.
    weigh(bounds) {
        const known = this.#kept.find(one => distance(one.bounds, bounds) === 0);
        const latest = known ?? this.#weighFrom(this.#nearest(bounds), bounds);
        this.#kept = [latest, ...this.#kept.filter(one => one !== known)].slice(0, WEIGHTS_KEPT);
        return latest.weights;
    }

    // What is known of the samples that differ least from these; else nothing.
    #nearest(bounds) {
        // What has no stack comes first, so that the loops ask nothing.
        const nothing = { bounds: bounds.map(() => NO_SAMPLES), sums: new Float64Array(this.#stacks + 2) };
        const distances = [nothing, ...this.#kept].map(one => [distance(one.bounds, bounds), one]);
        return distances.reduce((least, other) => (other[0] < least[0] ? other : least))[1];
    }

    #weighFrom(near, bounds) {
        const sums = near.sums.slice();
        bounds.forEach((now, thread) => {
            const [[from, to], [from0, to0]] = besideEachOther(now, near.bounds[thread]);
            this.#add(sums, from, from0, 1);
            this.#add(sums, from0, from, -1);
            this.#add(sums, to0, to, 1);
            this.#add(sums, to, to0, -1);
        });
        const total = bounds.reduce((sum, one) => sum + this.sumOf(one), 0);
        const samples = bounds.reduce((sum, [from, to]) => sum + to - from, 0);
        const weights = { self: sums.subarray(2), native: sums[1], unsampled: sums[0], total, samples };
        return { bounds, sums, weights };
    }

    // Whole microseconds: what was added and is taken away again leaves nothing.
    #add(sums, from, to, sign) {
        const [stack, cpu] = [this.#stack, this.#cpu];
        for (let index = from; index < to; index += 1) {
            sums[stack[index] + 2] += sign * cpu[index];
        }
    }
}

const weighers = new WeakMap();

// One for each capture.
function weigherOf(model) {
    if (!weighers.has(model)) {
        weighers.set(model, new Weigher(model));
    }
    return weighers.get(model);
}

// How many samples one selection has and the other has not, at most.
function distance(some, others) {
    return some.reduce((sum, bounds, thread) => {
        const [[from, to], [from0, to0]] = besideEachOther(bounds, others[thread]);
        return sum + Math.abs(from - from0) + Math.abs(to - to0);
    }, 0);
}

// Two bounds twice. Where there is nothing between one pair it may as well be where the other is.
function besideEachOther(one, other) {
    const isNothing = ([from, to]) => from === to;
    if (isNothing(one)) {
        return [[other[0], other[0]], other];
    }
    return [one, isNothing(other) ? [one[0], one[0]] : other];
}

function runningSums(numbers) {
    const sums = new Float64Array(numbers.length + 1);
    for (let index = 0; index < numbers.length; index += 1) {
        sums[index + 1] = sums[index] + numbers[index];
    }
    return sums;
}
