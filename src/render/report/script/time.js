// The view over time: events, four charts and the heatmap on one axis. A drag selects a stretch for everything on the
// page, a drag with Shift one to hold against it; all of it can be done by keys as well.

// The gutter for labels at the left, in pixels, on a narrow screen and on others.
const GUTTER_NARROW = 104;
const GUTTER_WIDE = 168;
const NARROW = 640;
// Each chart's height in pixels, in their order: causes stand near to what they cause.
const CHART_HEIGHTS = { cpu: 112, traffic: 84, latency: 92, memory: 64 };
// From this width on they are higher by so much.
const WIDE = 1700;
const WIDE_FACTOR = 1.4;
// Where there is nothing to show, so high that two lines can say why.
const MISSING_HEIGHT = 36;
const AXIS_HEIGHT = 38;
const LOWER_AXIS_HEIGHT = 20;
// Events nearer than this share a marker.
const MARKER_PIXELS = 18;
const SHORTEST_VIEW_US = 50_000;
const SHORTEST_EVENT_US = 1_000_000;
const EVENT_SIGNS = {
    trigger: "▲",
    onset: "↗",
    worker: "●",
    rate: "▼",
    stall: "■",
    log: "✎",
    happening: "◆",
    throttled: "▬",
};
const POINTER_WORDS = "Drag selects a stretch, Shift and drag holds another against it, double click clears.";
const KEY_WORDS =
    "Arrows move the cursor, with Shift they mark; Enter selects what is marked, Shift and Enter compares, Escape " +
    "clears; + and − zoom, as Ctrl and the wheel do; up and down go through the rows.";

// Everything of which something is known over time.
function timeBounds(model) {
    const { from_us: from, to_us: to } = model.head.capture;
    const tables = model.series.filter(table => table.at.length > 0);
    const firsts = tables.map(table => table.at[0]);
    const lasts = tables.map(table => table.at.at(-1));
    return [Math.min(from, ...firsts), Math.max(to, from + SHORTEST_VIEW_US, ...lasts)];
}

// What is shown at first: the sampled stretch, the beginning of the spike, and a little around.
function spikeStretch(model, bounds) {
    const { from_us: from, to_us: to, spike_from_us: spike } = model.head.capture;
    const begin = Math.min(from, spike ?? from);
    const around = (to - begin) * 0.08;
    return orderedStretch(begin - around, to + around / 2, bounds);
}

// Events that would lie upon each other on the screen, as one marker: `{x, events}`.
function eventMarkers(events, scale) {
    const markers = [];
    for (const event of events) {
        const x = scale.x(event.at_us);
        if (x < scale.left || x > scale.right) continue;
        const last = markers.at(-1);
        if (last !== undefined && x - last.x < MARKER_PIXELS) last.events.push(event);
        else markers.push({ x, events: [event] });
    }
    return markers;
}

// The stretch of some events, long enough to be looked at.
function stretchOfEvents(events, bounds) {
    const from = Math.min(...events.map(event => event.at_us));
    const to = Math.max(...events.map(event => event.until_us ?? event.at_us));
    const missing = Math.max(SHORTEST_EVENT_US - (to - from), 0) / 2;
    return orderedStretch(from - missing, to + missing, bounds).map(Math.round);
}

class TimeView {
    constructor(root, model, state) {
        this.model = model;
        this.state = state;
        this.order = Object.keys(CHART_HEIGHTS);
        this.charts = chartsOf(model).sort((one, other) => this.order.indexOf(one.id) - this.order.indexOf(other.id));
        this.bounds = timeBounds(model);
        this.spike = spikeStretch(model, this.bounds);
        this.sampled = [model.head.capture.from_us, model.head.capture.to_us];
        this.stretch = this.firstStretch();
        // Of the lanes, in pixels; 0 until they are laid out.
        this.width = 0;
        this.isPainted = false;
        this.isWaiting = false;
        this.lit = { picked: null, stacks: null };
        this.build(root);
        this.cursor = new TimeCursor(this, this.overlay.canvas);
        this.pointer = new TimePointer(this, this.lanes);
        state.watch(["range", "compare", "worker", "thread"], () => this.update());
        state.watch(["picked", "expanded"], () => this.repaint());
        state.watch(["theme"], () => this.recolour());
        new ResizeObserver(() => this.resized()).observe(this.lanes);
        new EventPanel(root, model, state);
        this.update();
    }

    // The spike, and the selection that an address brought along.
    firstStretch() {
        const { range } = this.state.get();
        if (!range) return this.spike;
        return orderedStretch(Math.min(this.spike[0], range[0]), Math.max(this.spike[1], range[1]), this.bounds);
    }

    build(root) {
        this.markers = element("div", { class: "time-markers" });
        this.axis = element("canvas", { class: "time-canvas" });
        this.lowerAxis = element("canvas", { class: "time-canvas" });
        this.chartLanes = this.charts.map(chart => this.chartLane(chart));
        this.heatCanvas = element("canvas", { class: "time-canvas", role: "img", "aria-label": "samples over time" });
        const labels = element("div", { class: "heat-labels" });
        this.labels = new HeatLabels(labels, this.model, this.state);
        this.litNote = element("span", { class: "heat-lit" });
        const heat = element(
            "div",
            { class: "lane" },
            element("div", { class: "lane-head" }, element("h3", { text: "Samples" }), this.heatLegend(), this.litNote),
            element("div", { class: "heat" }, this.heatCanvas, labels),
        );
        const canvas = element("canvas", {
            class: "time-overlay",
            tabindex: "0",
            role: "slider",
            "aria-label": "moment",
            "aria-describedby": "time-keys",
            "aria-valuemin": "0",
            "aria-valuemax": "1000",
            "aria-valuenow": "0",
        });
        this.tip = element("div", { class: "time-tip", hidden: true });
        this.lanes = element(
            "div",
            { class: "time-lanes" },
            this.markers,
            this.axis,
            this.chartLanes.map(lane => lane.box),
            heat,
            this.lowerAxis,
            canvas,
            this.tip,
        );
        const papers = [...this.chartLanes.map(lane => lane.canvas), this.heatCanvas];
        this.overlay = new TimeOverlay(canvas, this.lanes, this.axis, papers);
        root.append(this.tools(), this.lanes);
    }

    chartLane(chart) {
        const words = `${chart.title} over time${chart.missing === null ? "" : `: ${chart.missing}`}`;
        const canvas = element("canvas", { class: "time-canvas", role: "img", "aria-label": words });
        const figures = [...chart.layers, ...chart.beyond].map(layer => this.legendEntry(layer, chart));
        const legend = element(
            "ul",
            { class: "lane-legend" },
            figures.map(figure => figure.entry),
        );
        const told = element("span", { class: "pale" });
        const head = element("div", { class: "lane-head" }, element("h3", { text: chart.title }), told, legend);
        return { chart, canvas, told, figures, box: element("div", { class: "lane" }, head, canvas) };
    }

    legendEntry(layer, chart) {
        const isBeyond = chart.beyond.includes(layer);
        const swatch = element("span", { class: `swatch swatch-${layer.kind}`, "aria-hidden": "true" });
        swatch.style.setProperty("--swatch", `var(${layer.ink})`);
        const now = element("b");
        const then = element("span", { class: "figure-then" });
        const name = element("span", { text: isBeyond ? `${layer.label} ↑` : layer.label });
        const title = isBeyond ? "above the scale" : null;
        return { layer, now, then, entry: element("li", { title }, swatch, name, " ", now, " ", then) };
    }

    heatLegend() {
        const swatch = name => element("span", { class: name, "aria-hidden": "true" });
        return element(
            "span",
            { class: "heat-legend" },
            "no CPU",
            swatch("heat-ramp"),
            "a core or more",
            swatch("heat-hatch"),
            "not sampled",
        );
    }

    tools() {
        const button = (text, title, click) => element("button", { type: "button", text, title, on: { click } });
        this.spikeButton = button("spike", "the sampled stretch", () => this.show(this.spike));
        this.allButton = button("all", "with all that was recorded before and after", () => this.show(this.bounds));
        this.selectionButton = button("to selection", "zoom to what is selected", () => this.showSelection());
        const hasMore = this.spike[0] - this.bounds[0] > 1e6 || this.bounds[1] - this.spike[1] > 1e6;
        const keys = element("p", { id: "time-keys", text: KEY_WORDS });
        const group = { class: "switch", role: "group", "aria-label": "shown stretch" };
        const views = hasMore && element("span", group, this.spikeButton, this.allButton);
        return element(
            "div",
            { class: "time-tools screen" },
            views,
            button("−", "zoom out", () => this.zoom(2, this.middle())),
            button("+", "zoom in", () => this.zoom(0.5, this.middle())),
            this.selectionButton,
            element("p", { class: "pale", text: POINTER_WORDS }),
            element("details", { class: "pale" }, element("summary", { text: "Keys" }), keys),
        );
    }

    // A legend that wraps otherwise makes the lanes higher, and what is on them stays as it is.
    resized() {
        const width = this.lanes.clientWidth;
        if (width !== this.width) this.isPainted = false;
        this.width = width;
        this.schedule();
    }

    get gutter() {
        return this.width < NARROW ? GUTTER_NARROW : GUTTER_WIDE;
    }

    scale() {
        return new TimeScale(this.stretch, [this.gutter, this.width - 6]);
    }

    cells() {
        const scale = this.scale();
        const length = cellLength(scale.usPerPixel, this.model.head.capture.interval_us);
        return cellsOver([scale.from, scale.to], length);
    }

    middle() {
        return this.cursor.at ?? (this.stretch[0] + this.stretch[1]) / 2;
    }

    show([from, to]) {
        const half = Math.max(to - from, SHORTEST_VIEW_US) / 2;
        const middle = (from + to) / 2;
        this.stretch = stretchWithin([middle - half, middle + half], this.bounds);
        this.repaint();
    }

    showSelection() {
        const { range } = this.state.get();
        if (!range) return;
        const around = (range[1] - range[0]) * 0.05;
        this.show([range[0] - around, range[1] + around]);
    }

    zoom(factor, around) {
        this.show(zoomedStretch(this.stretch, factor, around, this.bounds, SHORTEST_VIEW_US));
    }

    move(us) {
        this.show([this.stretch[0] + us, this.stretch[1] + us]);
    }

    // `ends` in any order; `step`: "drag" while it goes on, "step" at its end.
    select(kind, ends, step) {
        const stretch = orderedStretch(...ends, this.bounds).map(Math.round);
        if (stretch[0] < stretch[1]) this.state.set({ [kind]: stretch }, step);
    }

    clear() {
        this.cursor.anchor = null;
        this.state.set({ range: null, compare: null });
        this.schedule();
    }

    // One figure of each chart at a moment.
    wordsOfMoment(at) {
        return this.charts.flatMap(chart => {
            const main = chart.layers.find(layer => layer.kind === "line") ?? chart.layers[0];
            const value = main?.at(at) ?? null;
            return value === null ? [] : [`${chart.title}: ${figureText(main.unit, value)}`];
        });
    }

    wordsOfCell(row, at) {
        return cellWords(this.model, row, this.cells(), at);
    }

    repaint() {
        this.isPainted = false;
        this.schedule();
    }

    // At once, with the colours and as wide as it is now: paper has others, and does not wait.
    recolour() {
        ink.known.clear();
        this.width = this.lanes.clientWidth;
        if (this.width === 0) return;
        this.paint();
        this.paintOverlay();
    }

    schedule() {
        if (this.isWaiting) return;
        this.isWaiting = true;
        requestAnimationFrame(() => {
            this.isWaiting = false;
            if (this.width === 0) return;
            if (!this.isPainted) this.paint();
            this.paintOverlay();
            this.paintTip();
        });
    }

    paint() {
        this.isPainted = true;
        const scale = this.scale();
        const most = Math.max((scale.right - scale.left) / 90, 2);
        const ticks = timeTicks(this.stretch, this.model.head.capture.zero_utc_us, most);
        for (const { canvas, chart } of this.chartLanes) {
            const height = this.heightOf(chart);
            const context = fittedContext(canvas, this.width, height);
            paintGround(context, scale, this.sampled, height);
            paintChart(context, chart, { scale, height, ticks });
        }
        const axis = fittedContext(this.axis, this.width, AXIS_HEIGHT);
        paintAxis(axis, scale, ticks, AXIS_HEIGHT);
        paintStretchBar(axis, scale, this.barOfStretches());
        paintAxis(fittedContext(this.lowerAxis, this.width, LOWER_AXIS_HEIGHT), scale, ticks, LOWER_AXIS_HEIGHT);
        this.paintRows(scale);
        const markers = eventMarkers(this.model.head.events, scale);
        this.markers.replaceChildren(...markers.map(marker => this.markerButton(marker)));
        const isShown = stretch => String(this.stretch[0] === stretch[0] && this.stretch[1] === stretch[1]);
        this.spikeButton.setAttribute("aria-pressed", isShown(this.spike));
        this.allButton.setAttribute("aria-pressed", isShown(this.bounds));
    }

    heightOf(chart) {
        if (chart.missing !== null) return MISSING_HEIGHT;
        return Math.round(CHART_HEIGHTS[chart.id] * (this.width < WIDE ? 1 : WIDE_FACTOR));
    }

    paintRows(scale) {
        const { expanded, picked } = this.state.get();
        const rows = heatRows(this.model, expanded);
        const height = rows.reduce((sum, row) => sum + row.height, 0);
        const { stacks_missing: missing } = this.model.head.capture;
        const context = fittedContext(this.heatCanvas, this.width, Math.max(height, 1));
        paintHeat(context, this.model, rows, { scale, cells: this.cells(), isLit: this.litStacks(picked) });
        this.labels.show(rows, this.gutter - 6);
        const lit = picked === null ? "" : `lit: ${functionWords(this.model, picked)}`;
        setText(this.litNote, missing === null ? lit : `no stacks: ${missing}`);
    }

    // What was sampled, cut into its slices, and what was only recorded.
    barOfStretches() {
        const { stacks_missing: missing, spike_from_us: spike } = this.model.head.capture;
        const [from, to] = this.sampled;
        const begins = Math.min(spike ?? from, from);
        const words = missing === null ? "stacks sampled" : "captured without stacks";
        const recorded = { ground: "--unsampled", edge: "--pale" };
        return {
            parts: [
                { ...recorded, from: this.bounds[0], to: begins, words: "recorded before" },
                { ...recorded, from: begins, to: from, edge: "--limit", words: "spike begins" },
                { from, to, ground: "--sampled", edge: "--accent", words },
                { ...recorded, from: to, to: this.bounds[1], words: "recorded after" },
            ],
            cuts: this.model.head.slices.map(slice => slice[0]).slice(1),
        };
    }

    // Which stacks go through the picked function; null where none is picked.
    litStacks(picked) {
        if (picked !== this.lit.picked) {
            this.lit = { picked, stacks: picked === null ? null : stacksThrough(this.model, picked) };
        }
        return this.lit.stacks;
    }

    paintOverlay() {
        const { range, compare } = this.state.get();
        const scale = this.scale();
        const { isShown, row } = this.cursor;
        const places = this.labels.places();
        this.overlay.paint({
            scale,
            range,
            compare,
            marked: this.cursor.marked,
            pointer: this.pointer.at,
            cursor: isShown ? this.cursor.at : null,
            row: isShown ? (places[row] ?? null) : null,
            dimmed: places.filter((_, index) => this.labels.isBeside(index)),
            events: this.model.head.events,
        });
    }

    // What follows the selection: figures in the legends, shares of the rows.
    update() {
        const { range, compare } = this.state.get();
        const now = range ?? this.sampled;
        for (const { layer, now: first, then } of this.chartLanes.flatMap(lane => lane.figures)) {
            setText(first, figureText(layer.unit, layer.figure(now)));
            const hasThen = Array.isArray(compare) && layer.value === undefined;
            setText(then, hasThen ? figureText(layer.unit, layer.figure(compare)) : "");
        }
        const when = range === null ? "while sampled" : "in the selection";
        for (const { told, chart } of this.chartLanes)
            setText(told, chart.missing === null ? `${chart.told} ${when}:` : "");
        this.selectionButton.disabled = range === null;
        this.labels.update();
        this.schedule();
    }

    markerButton({ x, events }) {
        const words = events.map(event => `${clock(event.at_us)} ${event.text}`);
        const { kind } = events[0];
        const show = () => this.showTip(words, x, 24);
        const button = element("button", {
            type: "button",
            class: `marker marker-${kind}`,
            text: events.length > 1 ? String(events.length) : (EVENT_SIGNS[kind] ?? "●"),
            "aria-label": words.join("; "),
            on: {
                mouseenter: show,
                focus: show,
                mouseleave: () => this.hideTip(),
                blur: () => this.hideTip(),
                click: () => this.select("range", stretchOfEvents(events, this.bounds), "step"),
            },
        });
        button.style.left = `${x}px`;
        return button;
    }

    paintTip() {
        const { last, isDragging } = this.pointer;
        if (last === null || this.markers.contains(last.target)) return;
        const words = isDragging ? null : this.wordsBelow(last);
        if (words === null) return this.hideTip();
        const top = last.clientY - this.lanes.getBoundingClientRect().top;
        this.showTip(words, this.pointer.xOf(last), top + 16);
    }

    wordsBelow(event) {
        const paper = this.pointer.paperBelow(event);
        const at = this.pointer.momentOf(event);
        const lane = this.chartLanes.find(({ canvas }) => canvas === paper);
        if (lane) return [`${clock(at)} UTC`, ...momentWords(lane.chart, at)];
        if (paper !== this.heatCanvas) return null;
        let below = event.clientY - this.heatCanvas.getBoundingClientRect().top;
        const label = this.labels.labels.find(({ row }) => (below -= row.height) < 0);
        return label ? this.wordsOfCell(label.row, at) : null;
    }

    showTip(words, x, top) {
        this.tip.replaceChildren(...words.map(text => element("div", { text })));
        this.tip.hidden = false;
        const wide = this.tip.offsetWidth;
        // Beside the pointer, on the side where there is room.
        const left = x + 14 + wide <= this.width ? x + 14 : Math.max(x - wide - 14, 0);
        this.tip.style.left = `${left}px`;
        this.tip.style.top = `${top}px`;
    }

    hideTip() {
        this.tip.hidden = true;
    }
}
