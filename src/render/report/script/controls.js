// Above the flamegraph: the search, what is shown and in which colours, what restricts it, the way in, and the legend.

const COLOUR_CHOICES = [["owner", "whose work"], ["kind", "whose code"], ["difference", "difference"]];
const PER_CHOICES = [["request", "per request"], ["second", "per second"]];
// Steps of the way in that are named, from its end.
const CRUMBS = 4;

class FlameControls {
    #model;
    #state;
    #view;

    constructor(model, state, view) {
        this.#model = model;
        this.#state = state;
        this.#view = view;
        this.search = element("input", {
            type: "search",
            class: "flame-search",
            placeholder: "text, /regex/ or file.py:42",
            "aria-label": "Search the flamegraph: text, /regex/, file.py:42 or \"function (file.py)\"",
            spellcheck: "false",
            autocomplete: "off",
            on: {
                input: () => state.set({ find: this.search.value }),
                keydown: event => this.#searchKey(event),
            },
        });
        this.matched = element("output", { class: "flame-matched" });
        this.previous = this.#button("↑", "Previous match (Shift N)", () => view.goToMatch(-1));
        this.next = this.#button("↓", "Next match (N)", () => view.goToMatch(1));
        this.inverted = this.#toggle("inverted", "Inverted", "Callers below what they called (I)");
        this.idle = this.#toggle("idle", "Without stack", "Show CPU in native code and CPU that was not sampled");
        this.colour = this.#select("Colour by", COLOUR_CHOICES, value => state.set({ colour: value }));
        this.per = this.#select("Compared", PER_CHOICES, value => state.set({ per: value }));
        const workers = model.head.workers.map(({ label }, index) => [String(index), label]);
        this.worker = this.#select("Worker", [["", "all workers"], ...workers], value => {
            state.set({ worker: value === "" ? null : Number(value), thread: null });
        });
        this.thread = this.#select("Thread", [], value => state.set({ thread: value === "" ? null : Number(value) }));
        this.reset = this.#button("Reset", "Whole graph: no zoom, no search, no restriction", () => {
            state.set({ zoom: [], find: "", focus: "", ignore: "", worker: null, thread: null });
        });
        this.chips = element("span", { class: "flame-chips" });
        this.crumbs = element("nav", { class: "flame-crumbs", "aria-label": "Way in" });
        this.legend = element("div", { class: "flame-legend wide", role: "group", "aria-label": "Colours" });
        this.note = element("p", { class: "flame-note" });
        this.root = element("div", { class: "flame-controls" },
            element("div", { class: "flame-bar" }, this.search, this.previous, this.next, this.matched),
            element("div", { class: "flame-bar" },
                this.colour.label, this.per.label, this.worker.label, this.thread.label, this.inverted, this.idle,
                this.reset),
            this.note,
            this.legend,
            element("div", { class: "flame-way wide" }, this.chips, this.crumbs));
    }

    #button(text, title, click) {
        return element("button", { type: "button", text, title, "aria-label": title, on: { click } });
    }

    #toggle(key, text, title) {
        return element("button", { type: "button", text, title, on: { click: () => this.#view.toggle(key) } });
    }

    #select(text, choices, chosen) {
        const select = element("select", { on: { change: () => chosen(select.value) } });
        fillSelect(select, choices);
        return { select, label: element("label", { class: "flame-select" }, element("span", { text }), select) };
    }

    #searchKey(event) {
        if (event.key === "Enter") {
            this.#view.goToMatch(event.shiftKey ? -1 : 1);
        } else if (event.key === "Escape" && this.search.value === "") {
            this.#view.tree.focus();
        } else if (event.key === "Escape") {
            this.#state.set({ find: "" });
        } else {
            return;
        }
        event.preventDefault();
    }

    // As the state says.
    show(state, view) {
        if (this.search.value !== state.find && document.activeElement !== this.search) {
            this.search.value = state.find;
        }
        if (state.find === "") {
            this.search.value = "";
        }
        this.#showMatched(view);
        this.inverted.setAttribute("aria-pressed", state.inverted);
        this.idle.setAttribute("aria-pressed", state.idle);
        const isCompared = state.compare !== null;
        this.colour.select.value = state.colour;
        this.colour.select.options[2].disabled = !isCompared;
        this.per.label.hidden = !isCompared;
        this.per.select.value = view.costs.per;
        this.worker.select.value = state.worker ?? "";
        this.#showThreads(state);
        this.#showNote(state, view);
        this.#showChips();
        this.#showCrumbs(view);
        this.#showLegend(state, view);
    }

    #showMatched({ found, graph }) {
        const problem = Term.of(this.search.value).problem;
        this.search.setAttribute("aria-invalid", problem !== null);
        this.previous.disabled = found === null;
        this.next.disabled = found === null;
        if (found === null) {
            this.matched.textContent = problem ?? "";
            return;
        }
        if (found.cpu === 0) {
            this.matched.textContent = "nothing matched";
            return;
        }
        const which = found.at < 0 ? "" : `, ${found.at + 1} of ${found.matches.length}`;
        this.matched.textContent = `${percentText(found.cpu, graph.root.now)} matched, ${cpuText(found.cpu)}${which}`;
    }

    #showThreads({ worker, thread }) {
        const { threads } = this.#model.head;
        const shown = worker ?? (thread === null ? null : threads[thread].worker);
        const choices = threads.map((one, index) => ({ ...one, index })).filter(one => one.worker === shown);
        fillSelect(this.thread.select, [
            ["", shown === null ? "choose a worker first" : "all threads"],
            ...choices.map(({ index, name, tid }) => [String(index), `${oneLine(name)} (${tid})`]),
        ]);
        this.thread.select.disabled = shown === null;
        this.thread.select.value = thread ?? "";
    }

    #showNote({ per }, { costs, graph }) {
        const notes = [];
        if (costs.now.seconds === 0) {
            notes.push("Nothing was sampled in this range.");
        } else if (graph.root.size === 0) {
            notes.push("No stack that is left used CPU in this selection.");
        }
        notes.push(...refusals(costs, per));
        this.note.replaceChildren(prose(notes.join(" ")));
        this.note.hidden = notes.length === 0;
    }

    #showChips() {
        const chip = (key, words, terms = termsIn(this.#state.get()[key])) => terms.map(text => element("button", {
            type: "button",
            class: `flame-chip flame-chip-${key}`,
            title: "Remove",
            on: { click: () => this.#without(key, text) },
        }, `${words} ${Term.of(text).words}`, element("span", { "aria-hidden": "true", text: " ×" })));
        this.chips.replaceChildren(...chip("focus", "only"), ...chip("ignore", "without"));
    }

    #without(key, text) {
        const terms = termsIn(this.#state.get()[key]).filter(term => term !== text);
        this.#state.set({ [key]: termsTogether(terms), zoom: [] });
    }

    #showCrumbs({ graph, zoomed }) {
        const way = [];
        for (let node = zoomed; node !== null; node = node.parent) {
            way.push(node);
        }
        const named = way.length > CRUMBS + 1 ? [way.at(-1), null, ...way.slice(0, CRUMBS).reverse()] : way.reverse();
        const crumbs = named.map(node => {
            if (node === null) {
                return element("span", { text: `… ${way.length - CRUMBS - 1} more` });
            }
            const text = graph.label(node);
            if (node === zoomed) {
                return element("span", { "aria-current": "true", text });
            }
            return element("button", { type: "button", text, on: { click: () => this.#view.zoomInto(node) } });
        });
        this.crumbs.replaceChildren(...crumbs);
    }

    #showLegend(state, view) {
        if (state.colour === "difference" && view.costs.then) {
            this.legend.replaceChildren(...this.#changeLegend(view));
            return;
        }
        const colour = state.colour === "kind" ? "kind" : "owner";
        const own = view.costs.now.self;
        const whole = view.costs.now.total;
        const cpu = colour === "kind" ? kindCpu(this.#model, own) : ownerCpu(this.#model, own);
        const names = colour === "kind" ? this.#model.head.kinds : this.#model.head.owners;
        const shown = view.shades.legend(colour);
        const keys = shown.map(({ index, shade }) => {
            return this.#legendKey(`${colour}:${names[index]}`, shade, percentText(cpu[index], whole), state);
        });
        const others = whole - shown.reduce((sum, { index }) => sum + cpu[index], 0);
        const share = element("span", { class: "flame-share", text: percentText(Math.max(0, others), whole) });
        const rest = element("span", { class: "flame-key" }, swatch(view.shades.plain.fill), "all else", share);
        this.legend.replaceChildren(...keys, rest);
    }

    #legendKey(term, shade, share, { focus }) {
        const terms = termsIn(focus);
        const isOn = terms.includes(term);
        const others = terms.filter(text => !/^(owner|kind):/.test(text));
        return element("button", {
            type: "button",
            class: "flame-key",
            title: isOn ? "Show all again" : "Show only these stacks",
            "aria-pressed": String(isOn),
            on: { click: () => this.#state.set({ focus: termsTogether(isOn ? others : [...others, term]), zoom: [] }) },
        }, swatch(shade.fill), Term.of(term).value, element("span", { class: "flame-share", text: share }));
    }

    #changeLegend({ costs, shades, graph }) {
        const steps = [-1, -0.6, -0.3, 0, 0.3, 0.6, 1];
        const whole = comparedText(graph.root.now * costs.now.each, graph.root.then * costs.then.each);
        return [
            element("span", { text: "gone" }),
            ...steps.map(change => swatch(shades.change(change).fill)),
            element("span", { text: "new" }),
            element("span", { class: "flame-share" }, `A width is the mean of both. All, per ${costs.per}: ${whole}`),
        ];
    }
}

function swatch(fill) {
    const box = element("span", { class: "flame-swatch", "aria-hidden": "true" });
    box.style.backgroundColor = fill;
    return box;
}

function fillSelect(select, choices) {
    select.replaceChildren(...choices.map(([value, text]) => element("option", { value, text })));
}
