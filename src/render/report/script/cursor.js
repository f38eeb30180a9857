// The cursor of the view over time, for who uses keys: a moment that is told in words, and what is marked from it on.

// How far an arrow key moves the cursor.
const KEY_PIXELS = 8;

class TimeCursor {
    // It acts on the view; the canvas has the focus, and tells as a slider does.
    constructor(view, canvas) {
        this.view = view;
        this.canvas = canvas;
        // Moments: where it is, and the other end of what is marked.
        this.at = null;
        this.anchor = null;
        // The place among the heatmap's rows of the one that is told; null where it is the charts.
        this.row = null;
        canvas.addEventListener("keydown", event => this.key(event));
        canvas.addEventListener("focus", () => this.focused());
        canvas.addEventListener("blur", () => view.schedule());
    }

    // Only who uses the keys needs to see where it is.
    get isShown() {
        return document.activeElement === this.canvas && !this.canvas.classList.contains("by-pointer");
    }

    get marked() {
        return this.anchor === null ? null : orderedStretch(this.anchor, this.at, this.view.bounds);
    }

    // The keys go on from where the pointer was.
    takeFromPointer(at) {
        this.at = at;
        this.anchor = null;
        this.canvas.classList.add("by-pointer");
        this.canvas.focus({ preventScroll: true });
        this.tell();
    }

    focused() {
        const { state, sampled, stretch } = this.view;
        this.at ??= state.get().range?.[0] ?? Math.max(sampled[0], stretch[0]);
        this.tell();
        this.view.schedule();
    }

    key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const [from, to] = this.view.stretch;
        const step = KEY_PIXELS * this.view.scale().usPerPixel;
        const page = (to - from) / 10;
        const isMarking = event.shiftKey;
        const acts = {
            ArrowLeft: () => this.move(this.at - step, isMarking),
            ArrowRight: () => this.move(this.at + step, isMarking),
            PageUp: () => this.move(this.at - page, isMarking),
            PageDown: () => this.move(this.at + page, isMarking),
            Home: () => this.move(from, isMarking),
            End: () => this.move(to, isMarking),
            ArrowUp: () => this.moveRow(-1),
            ArrowDown: () => this.moveRow(1),
            Enter: () => this.selectMarked(event.shiftKey ? "compare" : "range"),
            Escape: () => this.view.clear(),
            "+": () => this.view.zoom(0.5, this.at),
            "=": () => this.view.zoom(0.5, this.at),
            "-": () => this.view.zoom(2, this.at),
        };
        if (!Object.hasOwn(acts, event.key)) return;
        event.preventDefault();
        this.canvas.classList.remove("by-pointer");
        acts[event.key]();
        this.view.schedule();
    }

    move(at, isMarking) {
        const { bounds } = this.view;
        this.anchor = isMarking ? (this.anchor ?? this.at) : null;
        this.at = Math.min(Math.max(at, bounds[0]), bounds[1]);
        // What is told has to be seen as well.
        const [from, to] = this.view.stretch;
        if (this.at < from) this.view.move(this.at - from);
        if (this.at > to) this.view.move(this.at - to);
        this.tell();
    }

    // Through the heatmap's rows, and beyond either end back to the charts.
    moveRow(by) {
        const count = this.view.labels.labels.length + 1;
        const next = ((this.row ?? -1) + 1 + by + count) % count;
        this.row = next === 0 ? null : next - 1;
        this.tell();
    }

    selectMarked(kind) {
        const around = KEY_PIXELS * this.view.scale().usPerPixel;
        const marked = this.marked ?? [this.at - around, this.at + around];
        this.anchor = null;
        this.view.select(kind, marked, "step");
    }

    tell() {
        const { bounds, labels } = this.view;
        const share = (this.at - bounds[0]) / (bounds[1] - bounds[0]);
        const row = labels.labels[this.row]?.row;
        const figures = row ? this.view.wordsOfCell(row, this.at) : this.view.wordsOfMoment(this.at);
        const marked = this.anchor === null ? [] : [`${span(Math.abs(this.at - this.anchor))} marked`];
        this.canvas.setAttribute("aria-valuenow", String(Math.round(share * 1000)));
        this.canvas.setAttribute("aria-valuetext", [`${clock(this.at)} UTC`, ...marked, ...figures].join(", "));
    }
}
