// The flamegraph on the page: what is drawn from what is selected, and the pointer and the keys on it.
//
// Roots are on top. The page is read downwards, so that the hot end of a stack lies below what led to it, and a deeper
// stack makes the graph longer at its end instead of moving all that is above.

// Matches smaller than this share of the graph are not walked to.
const LEAST_MATCH = 1 / 4000;
// What makes another graph, and what gives it other weights.
const GRAPH_KEYS = ["focus", "ignore", "inverted"];
const WEIGHT_KEYS = [...GRAPH_KEYS, "range", "compare", "worker", "thread", "idle", "per", "colour"];
const FLAME_KEYS = [...WEIGHT_KEYS, "find", "zoom", "theme"];

class FlameView {
    #model;
    #state;
    #flame;
    #painter;
    #controls;
    #menu;
    #tip;
    #graph = null;
    #costs = null;
    #colourOf = null;
    #window;
    #cursor = null;
    #pointed = null;
    #found = null;
    #drawn = {};
    #shown = null;
    #isCompared;

    constructor(root, model, state) {
        this.#model = model;
        this.#state = state;
        this.#flame = flameModelOf(model);
        this.shades = new FlameShades(model, this.#flame);
        this.#controls = new FlameControls(model, state, this);
        this.#tip = element("div", { class: "flame-tip", "aria-hidden": "true" });
        this.#menu = new FlameMenu(this);
        this.canvas = element("canvas", { "aria-hidden": "true" });
        this.#window = new FlameWindow(this.canvas, () => this.#paint());
        this.items = [0, 1].map(index => element("div", { id: `flame-item-${index}`, role: "treeitem" }));
        this.tree = element("div", {
            class: "flame-tree",
            role: "tree",
            tabindex: "0",
            "aria-label": "Flamegraph. Arrow keys walk, Enter zooms, / searches, ? lists all keys.",
        }, this.#window.root, element("div", { class: "flame-items" }, ...this.items));
        this.told = element("p", { class: "flame-told" });
        this.#painter = new FlamePainter(this.canvas);
        root.append(this.#controls.root, this.told, this.tree, this.#tip, this.#menu.root, flameHelp());
        this.#listen(root);
        this.#isCompared = state.get().compare !== null;
        state.watch(FLAME_KEYS, () => this.update());
        this.update();
    }

    get model() {
        return this.#model;
    }

    get flame() {
        return this.#flame;
    }

    get graph() {
        return this.#graph;
    }

    get costs() {
        return this.#costs;
    }

    get zoomed() {
        return this.#window.zoomed;
    }

    // Draws what the state says.
    update() {
        this.#followComparison();
        const state = this.#state.get();
        this.#shown = state;
        const isOtherGraph = this.#isOther("graph", GRAPH_KEYS, state);
        if (isOtherGraph) {
            this.#makeGraph(state);
        }
        const isOtherWeight = this.#isOther("weight", WEIGHT_KEYS, state);
        if (isOtherWeight) {
            this.#costs = costsOf(this.#model, state);
            this.#graph.weigh(this.#costs, { idle: state.idle, both: state.colour === "difference" });
        }
        this.shades.read();
        this.#colourOf = this.shades.of(state.colour, this.#graph, this.#costs);
        if (isOtherWeight || state.find.trim() !== (this.#found?.term.text ?? "")) {
            this.#find(state.find, isOtherGraph);
        }
        this.#window.zoomTo(this.#graph, this.#graph.follow(state.zoom), isOtherWeight);
        this.#controls.show(state, this);
        this.#tell();
    }

    // A key may come before what the last one did is drawn.
    #catchUp() {
        if (this.#shown !== this.#state.get()) {
            this.update();
        }
    }

    #isOther(what, keys, state) {
        const drawn = JSON.stringify(keys.map(key => state[key]));
        const isOther = this.#drawn[what] !== drawn;
        this.#drawn[what] = drawn;
        return isOther;
    }

    // Who begins to compare wants to see the difference, and who ends it no longer can.
    #followComparison() {
        const { compare, colour } = this.#state.get();
        const isCompared = compare !== null;
        if (isCompared && !this.#isCompared) {
            this.#state.set({ colour: "difference" }, "silent");
        }
        if (!isCompared && colour === "difference") {
            this.#state.set({ colour: "owner" }, "silent");
        }
        this.#isCompared = isCompared;
    }

    #makeGraph(state) {
        this.#graph = this.#flame.graph({
            focus: termsIn(state.focus).map(text => Term.of(text)),
            ignore: termsIn(state.ignore).map(text => Term.of(text)),
            inverted: state.inverted,
        });
        this.#cursor = null;
        this.#pointed = null;
        this.#tip.hidden = true;
    }

    #find(text, isOtherGraph) {
        const term = Term.of(text);
        if (term.isNothing) {
            this.#found = null;
            return;
        }
        const isSame = !isOtherGraph && this.#found?.term.text === term.text;
        const { named, marks } = isSame
            ? this.#found
            : { named: term.stacks(this.#model, this.#flame.functions), marks: new Map() };
        this.#found = { term, named, marks, cpu: this.#graph.matched(term), matches: null, at: -1 };
    }

    // The search as it stands: the term, its CPU in microseconds, and which match of how many was gone to.
    get found() {
        return this.#found;
    }

    #marked = node => {
        const { marks, named } = this.#found;
        let mark = marks.get(node);
        if (mark === undefined) {
            mark = isNamed(node, named);
            marks.set(node, mark);
        }
        return mark;
    };

    goToMatch(step) {
        this.#catchUp();
        if (this.#found === null) {
            return;
        }
        const found = this.#found;
        found.matches ??= this.#graph.matches(found.named, LEAST_MATCH);
        if (found.matches.length === 0) {
            announce("No match is large enough to be seen.");
            return;
        }
        const count = found.matches.length;
        found.at = found.at < 0 && step < 0 ? count - 1 : (found.at + step + count) % count;
        const node = found.matches[found.at];
        this.#setCursor(node);
        this.zoomInto(node);
        this.#controls.show(this.#state.get(), this);
    }

    // To where a node is the whole width.
    zoomInto(node) {
        if (node.key !== NATIVE && node.key !== NOT_SAMPLED) {
            this.#state.set({ zoom: this.#graph.path(node) });
        }
    }

    reset() {
        this.#state.set({ zoom: [] });
    }

    #paint() {
        const { view, size, top, zoomed } = this.#window;
        this.#painter.resize(size.width, size.height);
        this.#painter.paint({
            graph: this.#graph,
            view,
            top,
            colourOf: this.#colourOf,
            marked: this.#found && this.#marked,
            cursor: this.#cursor,
            pointed: this.#pointed,
            zoomed,
            colours: this.shades.colours,
        });
    }

    #listen(root) {
        const at = event => this.#window.nodeUnder(event);
        this.#window.root.addEventListener("scroll", () => this.#scrolled(), { passive: true });
        new ResizeObserver(() => this.#window.resized()).observe(this.tree);
        this.canvas.addEventListener("pointermove", event => this.#point(at(event), event));
        this.canvas.addEventListener("pointerleave", () => this.#point(null));
        this.canvas.addEventListener("click", event => {
            const node = at(event);
            if (!node || event.detail > 1) {
                return;
            }
            this.#point(null);
            this.#setCursor(node);
            this.zoomInto(node);
        });
        this.canvas.addEventListener("dblclick", () => this.reset());
        this.canvas.addEventListener("contextmenu", event => {
            const node = at(event);
            if (!node) {
                return;
            }
            event.preventDefault();
            this.#setCursor(node);
            this.#point(null);
            this.#menu.open(node, event.clientX, event.clientY);
        });
        this.tree.addEventListener("keydown", event => this.#key(event));
        this.tree.addEventListener("focus", () => this.#setCursor(this.#cursor ?? this.zoomed));
        document.addEventListener("keydown", event => {
            const isTyping = event.target.closest?.("input, textarea, select");
            if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) {
                return;
            }
            event.preventDefault();
            root.scrollIntoView({ block: "nearest" });
            this.#controls.search.focus();
        });
        matchMedia("print").addEventListener("change", event => this.#unroll(event.matches));
    }

    #scrolled() {
        this.#window.scrolled();
        this.#point(null);
    }

    // On paper nothing can be scrolled.
    #unroll(whole) {
        this.tree.classList.toggle("flame-whole", whole);
        this.#window.resized();
    }

    #point(node, event) {
        if (node !== this.#pointed) {
            this.#pointed = node;
            this.#tip.hidden = node === null;
            if (node) {
                this.#tip.replaceChildren(...factsTip(this, node));
            }
            this.#paint();
            this.#tell();
        }
        if (node) {
            placeBeside(this.#tip, event.clientX, event.clientY);
        }
    }

    // The line above the graph: what is pointed at, else what the keys are on, else the whole.
    #tell() {
        const node = this.#pointed ?? this.#cursor ?? this.zoomed;
        this.told.replaceChildren(element("strong", { text: this.#graph.label(node) }), ` ${factsLine(this, node)}`);
    }

    #setCursor(node) {
        this.#cursor = node;
        const [item, other] = this.items;
        this.items.reverse();
        const siblings = node.parent ? this.#graph.children(node.parent) : [node];
        const said = {
            "aria-level": node.depth + 1,
            "aria-posinset": siblings.indexOf(node) + 1,
            "aria-setsize": siblings.length,
            "aria-selected": "true",
            "aria-expanded": this.#graph.children(node).length > 0,
        };
        for (const [name, value] of Object.entries(said)) {
            item.setAttribute(name, value);
        }
        item.textContent = `${this.#graph.label(node)}, ${factsLine(this, node)}`;
        other.textContent = "";
        this.tree.setAttribute("aria-activedescendant", item.id);
        this.#window.reveal(node);
        this.#paint();
        this.#tell();
    }

    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        this.#catchUp();
        const node = this.#cursor ?? this.zoomed;
        const act = this.#acts[event.key];
        if (!act) {
            return;
        }
        event.preventDefault();
        this.#point(null);
        act(node);
    }

    #acts = {
        ArrowUp: node => this.#walk(node.parent),
        ArrowDown: node => this.#walk(largest(this.#graph.children(node))),
        ArrowLeft: node => this.#walk(this.#sibling(node, -1)),
        ArrowRight: node => this.#walk(this.#sibling(node, 1)),
        Home: () => this.#walk(this.#graph.root),
        Enter: node => this.zoomInto(node),
        " ": node => this.zoomInto(node),
        Backspace: () => this.zoomInto(this.zoomed.parent ?? this.zoomed),
        Escape: () => this.#escape(),
        n: () => this.goToMatch(1),
        N: () => this.goToMatch(-1),
        i: () => this.toggle("inverted"),
        f: node => this.focusOn(node),
        x: node => this.leaveOut(node),
        c: node => this.copy(node, "name"),
        s: node => this.copy(node, "lines"),
        S: node => this.copy(node, "collapsed"),
        h: node => this.light(node),
        m: node => this.#openMenu(node),
        ContextMenu: node => this.#openMenu(node),
        "?": () => document.getElementById("flame-help").toggleAttribute("open"),
    };

    #walk(node) {
        if (!node) {
            return;
        }
        this.#setCursor(node);
        if (!this.#window.holds(node)) {
            this.zoomInto(node);
        }
    }

    // The next one that is not too small to be seen.
    #sibling(node, step) {
        if (!node.parent) {
            return null;
        }
        const siblings = this.#graph.children(node.parent);
        const least = this.#window.leastSize;
        for (let at = siblings.indexOf(node) + step; at >= 0 && at < siblings.length; at += step) {
            if (siblings[at].size >= least) {
                return siblings[at];
            }
        }
        return null;
    }

    #openMenu(node) {
        const { x, y } = this.#window.cornerOf(node);
        this.#menu.open(node, x, y);
    }

    // One step back at a time: the zoom, the search, what is looked at alone or left out.
    #escape() {
        const { zoom, find } = this.#state.get();
        if (zoom.length > 0) {
            this.reset();
        } else if (find) {
            this.#state.set({ find: "" });
        } else {
            this.#state.set({ focus: "", ignore: "", picked: null });
        }
    }

    toggle(key) {
        this.#state.set({ [key]: !this.#state.get()[key], zoom: [] });
    }

    focusOn(node) {
        this.#restrict("focus", node);
    }

    leaveOut(node) {
        this.#restrict("ignore", node);
    }

    #restrict(key, node) {
        if (node.key < 0) {
            return;
        }
        const term = Term.function(this.#graph.label(node));
        const others = termsIn(this.#state.get()[key]).filter(text => text !== term);
        this.#cursor = null;
        this.#state.set({ [key]: termsTogether([...others, term]), zoom: [] });
    }

    search(node) {
        this.#state.set({ find: Term.function(this.#graph.label(node)) });
    }

    light(node) {
        if (node.key >= 0) {
            this.#state.set({ picked: node.key });
        }
    }

    async copy(node, form) {
        const text = form === "name" ? this.#graph.label(node) : stackText(this.#flame, this.#graph, node, form);
        announce(await copyText(text) ? "Copied." : "The browser does not let this page copy.");
    }
}

function largest(nodes) {
    return nodes.reduce((best, node) => (best === null || node.size > best.size ? node : best), null);
}
