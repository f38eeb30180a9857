// The flamegraph's colours: by whose work a stack is, by whose code a function is, or by how much it changed.

// Owners with a colour of their own: those with most CPU in the whole capture, so that a colour stays with its owner.
const OWNER_COLOURS = 10;

// Owners in the order of their colours.
function ownersOfColours(model) {
    const cpu = ownerCpu(model, model.weigh({}).self);
    return Array.from(cpu.keys())
        .filter(owner => owner > 0 && cpu[owner] > 0)
        .sort((a, b) => cpu[b] - cpu[a])
        .slice(0, OWNER_COLOURS);
}

// CPU of each owner, by their stacks' own.
function ownerCpu(model, own) {
    const cpu = new Float64Array(model.head.owners.length);
    const { owner } = model.stacks;
    for (let stack = 0; stack < own.length; stack += 1) {
        cpu[owner[stack]] += own[stack];
    }
    return cpu;
}

// CPU of each kind of code, by their stacks' innermost frames.
function kindCpu(model, own) {
    const cpu = new Float64Array(model.head.kinds.length);
    const { frame } = model.stacks;
    for (let stack = 0; stack < own.length; stack += 1) {
        cpu[model.frames.kind[frame[stack]]] += own[stack];
    }
    return cpu;
}

class FlameShades {
    #model;
    #flame;
    #places;
    #legend;
    #colours = null;
    #plain = null;
    #owners = [];
    #kinds = [];
    #changes = [];

    constructor(model, flame) {
        this.#model = model;
        this.#flame = flame;
        const owners = ownersOfColours(model);
        const kinds = kindCpu(model, model.weigh({}).self);
        this.#legend = { owner: owners, kind: Array.from(kinds.keys()).filter(kind => kinds[kind] > 0) };
        this.#places = new Int8Array(model.head.owners.length).fill(-1);
        for (const [place, owner] of owners.entries()) {
            this.#places[owner] = place;
        }
        this.read();
    }

    // The page's colours as they are now: they are others in the dark and on paper.
    read() {
        const colours = theme();
        const shade = fill => shadeOf(fill, colours);
        this.#colours = colours;
        this.#plain = shade(colours.same);
        this.#owners = Array.from({ length: OWNER_COLOURS }, (_, place) => shade(colours.owners[place]));
        this.#kinds = this.#model.head.kinds.map((_, kind) => shade(colours.kinds[kind % colours.kinds.length]));
        this.#changes = changeShades(colours);
    }

    get colours() {
        return this.#colours;
    }

    // Owners or kinds of code with a colour of their own: the same in every selection.
    legend(colour) {
        return this.#legend[colour].map(index => ({ index, shade: this.#shadeOf(colour, index) }));
    }

    #shadeOf(colour, index) {
        if (colour === "kind") {
            return this.#kinds[index];
        }
        const place = this.#places[index];
        return place < 0 ? this.#plain : this.#owners[place];
    }

    get plain() {
        return this.#plain;
    }

    change(change) {
        return this.#changes[Math.round((change + 1) * CHANGE_STEPS)];
    }

    // What gives a node of this graph its colour.
    of(colour, graph, costs) {
        if (colour === "difference" && costs.then) {
            return node => this.change(changeOf(node, costs));
        }
        const { owner } = this.#model.stacks;
        const { kind } = this.#flame.functions;
        const indexOf = colour === "kind" ? node => kind[node.key] : node => owner[graph.heaviest(node)];
        return node => (node.key < 0 ? this.#plain : this.#shadeOf(colour, indexOf(node)));
    }
}
