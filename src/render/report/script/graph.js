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

// The stacks of a capture, linked from callers to what they called.
class FlameModel {
    #firstChild;
    #children;
    #slot;
    #first = null;
    #totals = new WeakMap();

    constructor(model, functions) {
        const { parent, frame } = model.stacks;
        this.model = model;
        this.functions = functions;
        this.parent = parent;
        this.keys = Uint32Array.from(frame, index => functions.ofFrame[index]);
        this.#slot = new Int32Array(functions.count).fill(-1);
        this.#link();
    }

    // Children of a stack stand side by side in one list.
    #link() {
        const { parent } = this;
        const first = new Uint32Array(parent.length + 1);
        for (let stack = 0; stack < parent.length; stack += 1) {
            if (parent[stack] >= 0) {
                first[parent[stack] + 1] += 1;
            }
        }
        for (let stack = 0; stack < parent.length; stack += 1) {
            first[stack + 1] += first[stack];
        }
        const next = first.slice();
        this.#children = new Uint32Array(parent.length);
        for (let stack = 0; stack < parent.length; stack += 1) {
            const above = parent[stack];
            if (above >= 0) {
                this.#children[next[above]] = stack;
                next[above] += 1;
            }
        }
        this.#firstChild = first;
    }

    called(stacks) {
        const called = [];
        for (const stack of stacks) {
            for (let at = this.#firstChild[stack]; at < this.#firstChild[stack + 1]; at += 1) {
                called.push(this.#children[at]);
            }
        }
        return called;
    }

    // CPU of each stack with all below it. Parents stand before their children.
    totals(own) {
        // The graph and the tables ask for the same.
        const known = this.#totals.get(own);
        if (known) {
            return known;
        }
        const { parent } = this;
        const total = own.slice();
        for (let stack = total.length - 1; stack >= 0; stack -= 1) {
            if (parent[stack] >= 0) {
                total[parent[stack]] += total[stack];
            }
        }
        this.#totals.set(own, total);
        return total;
    }

    // For each stack whether it or one that it was called from is named.
    inherited(named) {
        const { parent } = this;
        const within = Uint8Array.from(named);
        for (let stack = 0; stack < within.length; stack += 1) {
            if (parent[stack] >= 0 && within[parent[stack]] === 1) {
                within[stack] = 1;
            }
        }
        return within;
    }

    // The stacks that a term names, with all that they called where it reaches so far.
    within(term) {
        const named = term.stacks(this.model, this.functions);
        return term.reach === "callees" ? this.inherited(named) : named;
    }

    // Which stacks are left by what is looked at alone and what is left out (null: all), and where the graph begins: at
    // the outermost places of the function that was chosen last (null: at the roots).
    restriction(focus, ignore) {
        const terms = [...focus.map(term => [term, 1]), ...ignore.map(term => [term, 0])];
        const asked = terms.filter(([term]) => !term.isNothing);
        const left = asked.length === 0 ? null : new Uint8Array(this.parent.length).fill(1);
        let tops = null;
        for (const [term, wanted] of asked) {
            const within = this.within(term);
            for (let stack = 0; stack < left.length; stack += 1) {
                left[stack] &= within[stack] === wanted ? 1 : 0;
            }
            if (wanted === 1 && term.reach === "callees") {
                tops = this.#outermost(within);
            }
        }
        return { left, tops };
    }

    #outermost(within) {
        return within.map((is, stack) => {
            const above = this.parent[stack];
            return is === 1 && (above < 0 || within[above] === 0) ? 1 : 0;
        });
    }

    // The graph of the stacks that are left. It has no weights yet.
    graph({ focus = [], ignore = [], inverted = false } = {}) {
        return new FlameGraph(this, { ...this.restriction(focus, ignore), inverted });
    }

    // Stacks put together by their function, in the order of names: whatever is selected, a function keeps its place.
    // `placeOf` gives for each index where its stack has come to, −1 for nowhere.
    byFunction(parent, count, placeOf, put) {
        const nodes = [];
        for (let index = 0; index < count; index += 1) {
            const place = placeOf(index);
            if (place < 0) {
                continue;
            }
            const key = this.keys[place];
            if (this.#slot[key] < 0) {
                this.#slot[key] = nodes.length;
                nodes.push(new FlameNode(parent, key));
            }
            put(nodes[this.#slot[key]], place, index);
        }
        for (const node of nodes) {
            this.#slot[node.key] = -1;
        }
        const { rank } = this.functions;
        return nodes.length < 2 ? nodes : nodes.sort((a, b) => rank[a.key] - rank[b.key]);
    }

    // CPU of each function: its own, and with all it called. A function that calls itself counts once.
    functionCosts(own) {
        this.#first ??= this.#firstOfFunction();
        const total = this.totals(own);
        const costs = { self: new Float64Array(this.functions.count), total: new Float64Array(this.functions.count) };
        for (let stack = 0; stack < own.length; stack += 1) {
            const key = this.keys[stack];
            costs.self[key] += own[stack];
            if (this.#first[stack] === 1) {
                costs.total[key] += total[stack];
            }
        }
        return costs;
    }

    // For each stack whether its innermost function is not on it a second time further out.
    #firstOfFunction() {
        const { keys, parent } = this;
        return Uint8Array.from(keys, (key, stack) => {
            let at = parent[stack];
            while (at >= 0 && keys[at] !== key) {
                at = parent[at];
            }
            return at < 0 ? 1 : 0;
        });
    }

    // From the outermost frame to this one.
    pathOf(stack) {
        const path = [];
        for (let at = stack; at >= 0; at = this.parent[at]) {
            path.push(at);
        }
        return path.reverse();
    }
}

const flameModels = new WeakMap();

// One for each capture: the graph and the tables share it.
function flameModelOf(model) {
    if (!flameModels.has(model)) {
        flameModels.set(model, new FlameModel(model, new Functions(model)));
    }
    return flameModels.get(model);
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
