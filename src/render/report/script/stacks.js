// The stacks of a capture as numbers: which called which, what each costs with all below it, and which functions they
// are made of.

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
