// The tables: what the selection cost by function, by whose work, by thread and by worker, and what was asked for.

// Tables that nobody sees wait until what is selected has rested for so long; nearer to the window than this they are
// drawn at once.
const REST_MS = 250;
const NEAR_WINDOW = "50%";
const TABLE_KEYS = ["range", "compare", "worker", "thread", "per", "picked"];
// A cell of the matrix is shaded from such a share of the whole on, darker with each doubling.
const LEAST_SHADED = 0.02;
const SHADES = 5;

class TableView {
    #model;
    #state;
    #flame;
    #tabs;
    #open = 0;
    #isNear = false;
    #waiting = null;

    constructor(root, model, state) {
        this.#model = model;
        this.#state = state;
        this.#flame = flameModelOf(model);
        const { routes = [], models = [] } = model.head.tables ?? {};
        const hasStacks = model.head.capture.stacks_missing === null;
        this.#tabs = [
            ...(hasStacks ? [this.#functions(), this.#owners()] : []),
            this.#threads(),
            this.#workers(),
            ...(routes.length > 0 ? [askedTab("Routes", "route", routes)] : []),
            ...(models.length > 0 ? [askedTab("Models", "model", models)] : []),
        ];
        for (const [index, tab] of this.#tabs.entries()) {
            const [id, panel] = [`tab-${index}`, `tab-panel-${index}`];
            const attributes = { type: "button", role: "tab", id, "aria-controls": panel, text: tab.title };
            const act = { click: () => this.#choose(index) };
            tab.button = element("button", { ...attributes, on: act });
            const labelled = { role: "tabpanel", class: "tab-panel", "aria-labelledby": id };
            tab.panel = element("div", { ...labelled, id: panel }, tab.root);
        }
        const buttons = this.#tabs.map(tab => tab.button);
        const list = element("div", { class: "tabs", role: "tablist", "aria-label": "Tables" }, buttons);
        list.addEventListener("keydown", event => this.#key(event));
        this.note = element("p", { class: "warn" });
        root.append(list, this.note, ...this.#tabs.map(tab => tab.panel));
        this.#show(0);
        this.#update();
        const moved = seen => this.#moved(seen.at(-1).isIntersecting);
        new IntersectionObserver(moved, { rootMargin: NEAR_WINDOW }).observe(root);
        state.watch(TABLE_KEYS, () => this.#update());
        // On paper all of them stand below each other.
        addEventListener("beforeprint", () => this.#tabs.forEach(tab => tab.show(this.#costs())));
    }

    #costs() {
        return costsOf(this.#model, this.#state.get());
    }

    #update() {
        clearTimeout(this.#waiting);
        if (this.#isNear) {
            this.#draw();
        } else {
            this.#waiting = setTimeout(() => this.#draw(), REST_MS);
        }
    }

    #moved(isNear) {
        this.#isNear = isNear;
        if (isNear && this.#waiting !== null) {
            this.#update();
        }
    }

    #draw() {
        this.#waiting = null;
        const costs = this.#costs();
        // Without it one would look for what grew in vain.
        this.note.replaceChildren(prose(refusals(costs, this.#state.get().per).join(" ")));
        this.#tabs[this.#open].show(costs);
    }

    #choose(index) {
        this.#show(index);
        this.#draw();
    }

    #show(index) {
        this.#open = index;
        for (const [at, tab] of this.#tabs.entries()) {
            tab.button.setAttribute("aria-selected", String(at === index));
            tab.button.tabIndex = at === index ? 0 : -1;
            tab.panel.hidden = at !== index;
        }
    }

    #key(event) {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined) {
            return;
        }
        event.preventDefault();
        this.#choose((this.#open + step + this.#tabs.length) % this.#tabs.length);
        this.#tabs[this.#open].button.focus();
    }

    #functions() {
        const columns = costs => functionColumns(costs, row => this.#find(row));
        const grid = new Grid({ caption: "Functions", columns: columns(this.#costs()), sortedBy: "self" });
        const show = costs => {
            const { picked } = this.#state.get();
            const rows = functionRows(this.#flame, costs);
            grid.show(rows.map(row => ({ ...row, isChosen: row.key === picked })), columns(costs));
        };
        return { title: "Functions", root: grid.root, show };
    }

    // In the flamegraph and in the heatmap; a second time no longer.
    #find({ key, label, isChosen }) {
        this.#state.set(isChosen ? { find: "", picked: null } : { find: Term.function(label), picked: key });
        announce(isChosen ? "Nothing is marked." : `${label} is marked in the flamegraph and in the heatmap.`);
    }

    #owners() {
        const root = element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Whose work" });
        const only = owner => this.#only(owner);
        const show = costs => root.replaceChildren(matrixTable(ownerMatrix(this.#model, costs), only));
        return { title: "Whose work", root, show };
    }

    #only(owner) {
        const others = termsIn(this.#state.get().focus).filter(text => !text.startsWith("owner:"));
        this.#state.set({ focus: termsTogether([...others, `owner:${owner}`]), zoom: [] });
        announce(`The flamegraph shows only ${owner}.`);
    }

    #threads() {
        const columns = [
            wordColumn("name", "thread", row => row.name, row => this.#select(row)),
            wordColumn("worker", "worker", row => row.worker),
            figureColumn("tid", "thread id", null, row => row.tid, row => String(row.tid)),
        ];
        return this.#processes("Threads", columns, threadRows);
    }

    #workers() {
        const columns = [
            wordColumn("name", "worker", row => row.name, row => this.#select(row)),
            figureColumn("threads", "threads", null, row => row.threads, row => String(row.threads)),
        ];
        return this.#processes("Workers", columns, workerRows);
    }

    // All of them, whichever is selected: so that another one can be.
    #processes(title, columns, rowsOf) {
        const all = costs => [...columns, ...cpuColumns(costs)];
        const grid = new Grid({ caption: title, columns: all({ whole: 0, stretch: 0 }), sortedBy: "cpu" });
        const show = ({ now }) => {
            const { range, worker, thread } = this.#state.get();
            const isChosen = ({ selects }) => worker !== null && selects.worker === worker && selects.thread === thread;
            const rows = rowsOf(this.#model, range).map(row => ({ ...row, isChosen: isChosen(row) }));
            const whole = rows.reduce((sum, row) => sum + row.cpu, 0);
            grid.show(rows, all({ whole, stretch: now.seconds * 1e6 }));
        };
        return { title, root: grid.root, show };
    }

    // A second time: all again.
    #select({ isChosen, selects }) {
        this.#state.set(isChosen ? { worker: null, thread: null } : selects);
    }
}

function functionColumns({ now, then, per }, act) {
    const whole = now.total;
    const cpu = (id, title, hint) => figureColumn(id, title, hint, row => row[id], row => cpuText(row[id]));
    const share = (id, of, title) => ({
        ...figureColumn(id, title, "of all CPU of the selection", row => row[of], row => percentText(row[of], whole)),
        share: row => row[of] / whole,
    });
    const each = row => `${milliseconds(row.selfEach)} ms`;
    const growth = (id, title, hint) => ({
        ...figureColumn(id, title, hint, row => row[id], row => `${signedMilliseconds(row[id])} ms`),
        tone: row => toneOf(row[id]),
    });
    return [
        wordColumn("name", "function", row => row.name, act),
        wordColumn("file", "file", row => row.file),
        cpu("self", "self", "CPU in the function's own code"),
        share("selfShare", "self", "self share"),
        cpu("total", "total", "CPU in the function and all it called"),
        share("totalShare", "total", "total share"),
        figureColumn("selfEach", `self per ${per}`, `own CPU for each ${per}`, row => row.selfEach, each),
        ...(then === null ? [] : [
            growth("selfGrowth", `self grew per ${per}`, "own CPU, now less then"),
            growth("totalGrowth", `total grew per ${per}`, "CPU with all it called, now less then"),
        ]),
    ];
}

// `whole` is all CPU and `stretch` the time it was used in, both in microseconds.
function cpuColumns({ whole, stretch }) {
    const share = row => percentText(row.cpu, whole);
    const ofAll = figureColumn("share", "share", "of all threads' CPU", row => row.cpu, share);
    return [
        figureColumn("cpu", "CPU", null, row => row.cpu, row => cpuText(row.cpu)),
        { ...ofAll, share: row => row.cpu / whole },
        figureColumn("core", "of a core", "CPU by time", row => row.cpu, row => percentText(row.cpu, stretch)),
        figureColumn("samples", "samples", null, row => row.samples, row => String(row.samples)),
    ];
}

// Requests as they were counted for the whole stretch: the selection has no part in them.
function askedTab(title, name, rows) {
    const count = (id, hint) => figureColumn(id, id, hint, row => row[id], row => digits(row[id]));
    const columns = [
        wordColumn("name", name, row => oneLine(row.name)),
        wordColumn("from", "told by", row => String(row.from).replaceAll("_", " ")),
        count("before", "requests before the sampled stretch"),
        count("during", "requests in the sampled stretch"),
        count("failed", "of these with a status of 400 and above"),
    ];
    const grid = new Grid({ caption: `${title} of the whole stretch`, columns, sortedBy: "during" });
    return { title, root: grid.root, show: () => grid.show(rows) };
}

function matrixTable({ per, whole, mechanisms, owners }, only) {
    if (owners.length === 0) {
        return element("p", { text: "No stack used CPU in this selection." });
    }
    const isCompared = owners[0].growth !== null;
    const figure = (text, tone = "") => element("td", { class: `figure ${tone}`, text });
    const titles = ["share", "CPU", ...(isCompared ? [`grew per ${per}`] : []), ...mechanisms.map(({ name }) => name)];
    const heads = titles.map(text => element("th", { scope: "col", class: "figure", text }));
    const rows = owners.map(({ name, cpu, growth, cells }) => element(
        "tr",
        {},
        element("th", { scope: "row" }, actButton(name, () => only(name), "only this in the flamegraph")),
        element("td", { class: "figure" }, shareBar(cpu / whole), percentText(cpu, whole)),
        figure(cpuText(cpu)),
        isCompared && figure(`${signedMilliseconds(growth)} ms`, toneOf(growth)),
        cells.map(cell => figure(cell > 0 ? cpuText(cell) : "", `grid-shade-${shadeStep(cell / whole)}`)),
    ));
    const stacks = owners.reduce((sum, { cpu }) => sum + cpu, 0);
    const foot = [percentText(stacks, whole), cpuText(stacks), ...(isCompared ? [""] : [])];
    return element(
        "table",
        { class: "grid" },
        element("caption", { text: "Whose work, and by which mechanism" }),
        element("thead", {}, element("tr", {}, element("th", { scope: "col", text: "whose work" }), heads)),
        element("tbody", {}, rows),
        element("tfoot", {}, element(
            "tr",
            {},
            element("th", { scope: "row", text: "all stacks" }),
            foot.map(text => figure(text)),
            mechanisms.map(({ cpu }) => figure(cpuText(cpu))),
        )),
    );
}

function toneOf(growth) {
    if (growth === 0) {
        return "";
    }
    return growth > 0 ? "grew" : "shrank";
}

function shadeStep(share) {
    return share < LEAST_SHADED ? 0 : Math.min(SHADES, 1 + Math.floor(Math.log2(share / LEAST_SHADED)));
}
