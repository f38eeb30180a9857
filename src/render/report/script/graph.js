// The flamegraph as numbers: which functions stand below which, how much they cost, and where they lie.
//
// A node is made when it is looked at, and stays: another range only gives it another weight. So 200,000 stacks cost
// nothing that is not seen, whichever way round they are read.

// What stands in a node's place of a function where there is none.
const WHOLE = -1;
const NATIVE = -2;
const NOT_SAMPLED = -3;
const WITHOUT_FUNCTION = {
    [WHOLE]: "all",
    [NATIVE]: "native code without a Python stack",
    [NOT_SAMPLED]: "not sampled",
};

// A function called along one path, whatever its lines. `stacks` are those that end there; in an inverted graph those
// that the CPU is of, and `places` how far towards its root each of them has come.
class FlameNode {
    constructor(parent, key) {
        this.parent = parent;
        this.key = key;
        this.depth = parent === null ? 0 : parent.depth + 1;
        this.stacks = [];
        this.places = null;
        this.children = null;
        // CPU in microseconds of what is selected and of what it is compared with.
        this.now = 0;
        this.then = 0;
        // Where it begins and how wide it is, in the graph's own measure.
        this.at = 0;
        this.size = 0;
        // Of which weights its children's figures are, and the place that most of them passed through.
        this.turn = 0;
        this.heaviest = { turn: 0, place: -1 };
    }
}

class FlameGraph {
    #flame;
    #left;
    #tops;
    #beside;
    #own = null;
    #weights = null;
    #scales = null;
    #turn = 0;

    constructor(flame, { left, tops, inverted }) {
        this.#flame = flame;
        this.#left = left;
        this.#tops = tops;
        this.inverted = inverted;
        this.root = new FlameNode(null, WHOLE);
        this.#beside = [NATIVE, NOT_SAMPLED].map(key => new FlameNode(this.root, key));
        this.root.children = [...(inverted ? this.#leaves() : this.#roots()), ...this.#beside];
    }

    // Gives it the weights of `costs` (see costsOf). `idle`: CPU without a stack stands beside the stacks. `both`: a
    // width is the mean of now and then for each request or second, so that what is gone is seen like what is new.
    weigh(costs, { idle = false, both = false } = {}) {
        const { now, then } = costs;
        this.#turn += 1;
        this.#own = { now: this.#kept(now.self), then: then && this.#kept(then.self) };
        this.#scales = both && then ? { now: now.each / 2, then: then.each / 2 } : { now: 1, then: 0 };
        this.#weights = this.inverted
            ? this.#own
            : { now: this.#flame.totals(this.#own.now), then: then && this.#flame.totals(this.#own.then) };
        const [native, unsampled] = this.#beside;
        const isBeside = idle && this.#left === null;
        [native.now, native.then] = isBeside ? [now.native, then?.native ?? 0] : [0, 0];
        [unsampled.now, unsampled.then] = isBeside ? [now.unsampled, then?.unsampled ?? 0] : [0, 0];
        this.root.now = 0;
        this.root.then = 0;
        for (const child of this.children(this.root)) {
            this.root.now += child.now;
            this.root.then += child.then;
        }
        this.root.size = this.#sizeOf(this.root);
        return this;
    }

    #kept(own) {
        if (this.#left === null) {
            return own;
        }
        const kept = new Float64Array(own.length);
        for (let stack = 0; stack < own.length; stack += 1) {
            kept[stack] = own[stack] * this.#left[stack];
        }
        return kept;
    }

    // What it called, or in an inverted graph what called it; with their weights.
    children(node) {
        node.children ??= this.inverted ? this.#callers(node) : this.#called(node, this.#flame.called(node.stacks));
        if (node.turn !== this.#turn) {
            node.turn = this.#turn;
            this.#place(node);
        }
        return node.children;
    }

    #roots() {
        const { parent } = this.#flame;
        const roots = [];
        for (let stack = 0; stack < parent.length; stack += 1) {
            if (this.#tops === null ? parent[stack] < 0 : this.#tops[stack] === 1) {
                roots.push(stack);
            }
        }
        return this.#called(this.root, roots);
    }

    #called(parent, stacks) {
        const put = (node, stack) => node.stacks.push(stack);
        return this.#flame.byFunction(parent, stacks.length, index => stacks[index], put);
    }

    #leaves() {
        const put = (node, stack) => {
            node.stacks.push(stack);
            node.places.push(stack);
        };
        return this.#flame.byFunction(this.root, this.#flame.parent.length, stack => stack, inverting(put));
    }

    #callers(node) {
        const { parent } = this.#flame;
        const { stacks, places } = node;
        const isTop = place => this.#tops !== null && this.#tops[place] === 1;
        const put = (caller, place, index) => {
            caller.stacks.push(stacks[index]);
            caller.places.push(place);
        };
        const placeOf = index => (isTop(places[index]) ? -1 : parent[places[index]]);
        return places === null ? [] : this.#flame.byFunction(node, stacks.length, placeOf, inverting(put));
    }

    #place(parent) {
        const { now, then } = this.#weights;
        let { at } = parent;
        for (const child of parent.children) {
            if (child.key >= 0) {
                child.now = sumOf(now, child.stacks);
                child.then = then === null ? 0 : sumOf(then, child.stacks);
            }
            child.at = at;
            child.size = this.#sizeOf(child);
            at += child.size;
        }
    }

    #sizeOf({ now, then }) {
        return now * this.#scales.now + then * this.#scales.then;
    }

    label({ key }) {
        return key < 0 ? WITHOUT_FUNCTION[key] : this.#flame.functions.label[key];
    }

    // CPU in microseconds in its own code. In an inverted graph a caller has none: it is a part of others' CPU.
    own(node) {
        if (node.key === WHOLE || (this.inverted && node.depth > 1)) {
            return { now: 0, then: 0 };
        }
        if (node.key < 0) {
            return node;
        }
        const { now, then } = this.#own;
        return { now: sumOf(now, node.stacks), then: then === null ? 0 : sumOf(then, node.stacks) };
    }

    // Where most of its CPU passed through: a place in the table of stacks.
    heaviest(node) {
        if (node.heaviest.turn !== this.#turn) {
            node.heaviest = { turn: this.#turn, place: this.#heaviestOf(node) };
        }
        return node.heaviest.place;
    }

    #heaviestOf({ stacks, places }) {
        const { now, then } = this.#weights;
        let best = 0;
        let most = -1;
        for (let index = 0; index < stacks.length; index += 1) {
            const weight = now[stacks[index]] + (then === null ? 0 : then[stacks[index]]);
            if (weight > most) {
                best = index;
                most = weight;
            }
        }
        return (places ?? stacks)[best];
    }

    // Microseconds by line, the most first: [line, now].
    lines({ stacks, places }) {
        const { model } = this.#flame;
        const lines = new Map();
        stacks.forEach((stack, index) => {
            const line = model.frames.line[model.stacks.frame[places === null ? stack : places[index]]];
            lines.set(line, (lines.get(line) ?? 0) + this.#weights.now[stack]);
        });
        return [...lines].filter(([line, now]) => line > 0 && now > 0).sort((a, b) => b[1] - a[1]);
    }

    // Calls `draw(node, from, width)` in pixels for each node that is at least so many of them wide, and
    // `blur(depth, from, width)` for runs of siblings that are not. `view` is {from, to} in the graph's own measure.
    layout(view, { width, least, rows = Infinity, draw, blur = () => {} }) {
        const scale = width / (view.to - view.from);
        const waiting = [this.root];
        draw(this.root, (0 - view.from) * scale, this.root.size * scale);
        while (waiting.length > 0) {
            const node = waiting.pop();
            if (node.depth + 1 >= rows) {
                continue;
            }
            let blurredFrom = 0;
            let blurredTo = 0;
            for (const child of this.children(node)) {
                const from = (child.at - view.from) * scale;
                const to = from + child.size * scale;
                if (child.size === 0 || to <= 0) {
                    continue;
                }
                if (from >= width) {
                    break;
                }
                if (to - from >= least) {
                    draw(child, from, to - from);
                    waiting.push(child);
                    continue;
                }
                if (from - blurredTo > 0.01 && blurredTo > blurredFrom) {
                    blur(child.depth, blurredFrom, blurredTo - blurredFrom);
                }
                if (from - blurredTo > 0.01 || blurredTo === blurredFrom) {
                    blurredFrom = from;
                }
                blurredTo = to;
            }
            if (blurredTo > blurredFrom) {
                blur(node.depth + 1, blurredFrom, blurredTo - blurredFrom);
            }
        }
    }

    // The node at a depth that covers a point in the graph's measure.
    nodeAt(point, depth) {
        let node = this.root;
        while (node && node.depth < depth) {
            node = this.children(node).find(child => child.at <= point && point < child.at + child.size) ?? null;
        }
        return node;
    }

    // The node at the end of a path of functions, or the last one on it that has CPU.
    follow(path) {
        let node = this.root;
        for (const key of path) {
            const next = this.children(node).find(child => child.key === key);
            if (!next || next.size === 0) {
                break;
            }
            node = next;
        }
        return node;
    }

    // The functions from the root's child to the node.
    path(node) {
        const path = [];
        for (let at = node; at.parent !== null; at = at.parent) {
            path.push(at.key);
        }
        return path.reverse();
    }

    // The outermost nodes of named stacks, the largest first, of those that are at least such a share of the whole.
    matches(named, least) {
        const matches = [];
        const waiting = [this.root];
        const smallest = this.root.size * least;
        while (waiting.length > 0) {
            for (const child of this.children(waiting.pop())) {
                if (child.size === 0 || child.size < smallest) {
                    continue;
                }
                (isNamed(child, named) ? matches : waiting).push(child);
            }
        }
        return matches.sort((a, b) => b.size - a.size);
    }

    // CPU now of all stacks that a term names with what they called: once each.
    matched(term) {
        const within = this.#flame.within(term);
        const { now } = this.#own;
        let cpu = 0;
        for (let stack = 0; stack < now.length; stack += 1) {
            cpu += now[stack] * within[stack];
        }
        return cpu;
    }
}

function inverting(put) {
    return (node, place, index) => {
        node.places ??= [];
        put(node, place, index);
    };
}

function sumOf(weights, stacks) {
    let sum = 0;
    for (let index = 0; index < stacks.length; index += 1) {
        sum += weights[stacks[index]];
    }
    return sum;
}

function isNamed({ stacks, places }, named) {
    return (places ?? stacks).some(place => named[place] === 1);
}

// How much a node changed, from −1 (gone) over 0 (the same) to 1 (new), for each request or second.
function changeOf({ now, then }, costs) {
    if (!costs.then) {
        return 0;
    }
    const after = now * costs.now.each;
    const before = then * costs.then.each;
    return after + before === 0 ? 0 : (after - before) / (after + before);
}

// A stack as text: collapsed, as flamegraph tools read it, or a line for each frame, the outermost first.
function stackText(flame, graph, node, form) {
    const { functions, model } = flame;
    const { frame } = model.stacks;
    const path = flame.pathOf(graph.heaviest(node)).map(stack => frame[stack]);
    if (graph.inverted) {
        for (let at = node.parent; at.parent !== null; at = at.parent) {
            path.push(frame[graph.heaviest(at)]);
        }
    }
    if (form === "collapsed") {
        const names = path.map(index => functions.label[functions.ofFrame[index]].replaceAll(";", ":"));
        return `${names.join(";")} ${Math.round(node.now)}`;
    }
    const line = index => {
        const key = functions.ofFrame[index];
        const number = model.frames.line[index];
        const place = `${functions.file[key]}${number > 0 ? `:${number}` : ""}`;
        return place === "" ? functions.name[key] : `${functions.name[key]} (${place})`;
    };
    return path.map(line).join("\n");
}
