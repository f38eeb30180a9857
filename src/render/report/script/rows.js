// The labels of the heatmap's rows: a worker's expands its threads, and each can be chosen for everything on the page.

class HeatLabels {
    constructor(root, model, state) {
        this.root = root;
        this.model = model;
        this.state = state;
        this.labels = [];
    }

    // One label for each row, as high as it.
    show(rows, width) {
        const { expanded } = this.state.get();
        const active = this.root.contains(document.activeElement) ? document.activeElement.dataset.row : null;
        this.labels = rows.map(row => this.label(row, expanded.includes(row.worker)));
        this.root.style.width = `${width}px`;
        this.root.replaceChildren(...this.labels.map(label => label.box));
        const buttons = Array.from(this.root.querySelectorAll("button"));
        buttons.find(button => button.dataset.row === active)?.focus({ preventScroll: true });
        this.update();
    }

    label(row, isExpanded) {
        const name = rowName(this.model, row);
        const share = element("span", { class: "heat-share" });
        const choose = () => this.choose(row);
        const isWorker = row.thread === null;
        const main = element(
            "button",
            {
                type: "button",
                class: "heat-name",
                title: isWorker ? `${name}: show its threads` : name,
                "aria-expanded": isWorker ? String(isExpanded) : null,
                on: { click: isWorker ? () => this.expand(row.worker) : choose },
            },
            element("span", { text: isWorker ? name.replace(/^worker /, "") : name }),
            " ",
            share,
        );
        const only = element("button", {
            type: "button",
            class: "heat-only",
            text: "◎",
            "aria-label": `only ${name}`,
            title: `only ${name}`,
            on: { click: choose },
        });
        main.dataset.row = `${row.worker} ${row.thread}`;
        only.dataset.row = `${row.worker} ${row.thread} only`;
        const box = element("div", { class: isWorker ? "heat-label" : "heat-label heat-thread" }, main, only);
        box.style.height = `${row.height}px`;
        return { row, box, share, only };
    }

    // What part of a core each row used in the selected stretch, and which is chosen.
    update() {
        const { range } = this.state.get();
        const { from_us: from, to_us: to } = this.model.head.capture;
        const stretch = range ?? [from, to];
        const cpu = cpuOfThreads(this.model, stretch);
        for (const { row, share, only } of this.labels) {
            const sum = row.threads.reduce((all, thread) => all + cpu[thread], 0);
            const isSampled = sampledStretch(this.model, row.threads) !== null;
            const core = isSampled ? sum / Math.max(stretch[1] - stretch[0], 1) : null;
            setText(share, figureText("share", core));
            only.setAttribute("aria-pressed", String(this.isChosen(row)));
        }
    }

    isChosen(row) {
        const { worker, thread } = this.state.get();
        return row.thread === null ? worker === row.worker && thread === null : thread === row.thread;
    }

    // The place of each row in the heatmap, from its upper edge: `[top, height]`.
    places() {
        let top = 0;
        return this.labels.map(({ row }) => {
            top += row.height;
            return [top - row.height, row.height];
        });
    }

    // Whether something is chosen of which a row is no part.
    isBeside(index) {
        const { worker, thread } = this.state.get();
        const { row } = this.labels[index];
        if (thread !== null && row.thread !== null) return row.thread !== thread;
        const chosen = thread === null ? worker : this.model.head.threads[thread].worker;
        return chosen !== null && row.worker !== chosen;
    }

    choose(row) {
        if (this.isChosen(row)) this.state.set({ worker: null, thread: null });
        else this.state.set({ worker: row.worker, thread: row.thread });
    }

    expand(worker) {
        const { expanded } = this.state.get();
        const isOpen = expanded.includes(worker);
        this.state.set({ expanded: isOpen ? expanded.filter(other => other !== worker) : [...expanded, worker] });
    }
}

function rowName(model, row) {
    if (row.thread === null) return model.head.workers[row.worker].label;
    const { name, tid } = model.head.threads[row.thread];
    return name ? `${name} (${tid})` : `thread ${tid}`;
}

// What a row did in the cell of a moment, in words.
function cellWords(model, row, cells, at) {
    const from = cells.begin + Math.floor((at - cells.begin) / cells.length) * cells.length;
    const tally = tallyOf(model, row.threads, [from, from + cells.length]);
    const words = [rowName(model, row), `${span(cells.length)} from ${clock(from)} on`];
    if (tally.samples === 0) return [...words, "no sample, and no CPU in those around"];
    words.push(`${cpuText(tally.total)} of CPU, ${percentText(tally.total, cells.length)} of a core`);
    if (tally.top !== null) {
        const { number, us } = tally.top;
        words.push(`most in ${functionWords(model, number)}: ${percentText(us, tally.total)}`);
    }
    if (tally.native > 0) words.push(`outside of Python: ${cpuText(tally.native)}`);
    if (tally.unsampled > 0) words.push(`without a stack: ${cpuText(tally.unsampled)}`);
    return words;
}

function functionWords(model, number) {
    const file = model.fileOf(number);
    return file ? `${model.nameOf(number)} (${file})` : model.nameOf(number);
}

// Writing what stands there already costs a layout.
function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
}
