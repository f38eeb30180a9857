// What lies above the charts and the heatmap and follows the pointer: the selection, what it is held against, cursors,
// and the events that concern every lane. What is below is not painted again for it.

class TimeOverlay {
    // The canvas, and the canvases of the lanes that it lies above; the first is the axis.
    constructor(canvas, box, axis, lanes) {
        this.canvas = canvas;
        this.box = box;
        this.axis = axis;
        this.lanes = lanes;
    }

    // `seen`: {scale, range, compare, marked, pointer (moment), cursor (moment), row and dimmed (places in the
    // last lane: `[top, height]`), events}.
    paint(seen) {
        this.context = fittedContext(this.canvas, this.box.clientWidth, this.box.clientHeight);
        this.scale = seen.scale;
        this.papers = this.placesOfLanes();
        const compare = Array.isArray(seen.compare) ? seen.compare : null;
        if (seen.range) this.veil([seen.range, compare].filter(Boolean));
        seen.dimmed.forEach(place => this.dim(place));
        seen.events.forEach(event => this.event(event));
        if (seen.range) this.selection(seen.range, ink("--accent"), []);
        if (compare) this.selection(compare, ink("--before"), [6, 4]);
        if (seen.marked) this.selection(seen.marked, ink("--ink"), [2, 3]);
        if (seen.pointer !== null) this.line(seen.pointer, ink("--pale"), []);
        if (seen.cursor !== null) this.line(seen.cursor, ink("--ink"), [3, 2]);
        if (seen.row !== null) this.row(seen.row);
    }

    placesOfLanes() {
        const { top } = this.box.getBoundingClientRect();
        return this.lanes.map(lane => {
            const place = lane.getBoundingClientRect();
            return [place.top - top, place.height];
        });
    }

    // What is not selected steps back.
    veil(kept) {
        const { context, scale, papers } = this;
        context.globalAlpha = 0.62;
        let from = scale.from;
        for (const [begin, end] of [...kept.sort((one, other) => one[0] - other[0]), [scale.to, scale.to]]) {
            const [left, right] = [scale.x(from), scale.x(Math.min(begin, scale.to))];
            for (const [top, height] of right > left ? papers : []) {
                fillBox(context, ink("--paper"), [left, top, right - left, height]);
            }
            from = Math.max(from, end);
        }
        context.globalAlpha = 1;
    }

    dim([below, height]) {
        const { context, scale } = this;
        context.globalAlpha = 0.7;
        fillBox(context, ink("--paper"), [scale.left, this.papers.at(-1)[0] + below, scale.right - scale.left, height]);
        context.globalAlpha = 1;
    }

    // Two edges through all lanes, and above them how long it is.
    selection([from, to], colour, dash) {
        const { context, scale } = this;
        if (to < scale.from || from > scale.to) return;
        this.line(from, colour, dash);
        this.line(to, colour, dash);
        const [left, right] = [scale.xWithin(from), scale.xWithin(to)];
        const top = this.axis.offsetTop + 18;
        fillBox(context, colour, [left, top, Math.max(right - left, 1), 3]);
        const words = span(to - from);
        context.font = CANVAS_FONT;
        context.textAlign = "center";
        context.textBaseline = "alphabetic";
        const half = context.measureText(words).width / 2 + 5;
        const middle = Math.min(Math.max((left + right) / 2, scale.left + half), scale.right - half);
        fillBox(context, colour, [middle - half, top, half * 2, 15]);
        context.fillStyle = ink("--paper");
        context.fillText(words, middle, top + 11);
    }

    line(at, colour, dash) {
        const { context, scale } = this;
        if (at < scale.from || at > scale.to) return;
        const x = Math.round(scale.x(at)) + 0.5;
        context.strokeStyle = colour;
        context.lineWidth = 1;
        context.setLineDash(dash);
        context.beginPath();
        for (const [top, height] of this.papers) {
            context.moveTo(x, top);
            context.lineTo(x, top + height);
        }
        context.stroke();
        context.setLineDash([]);
    }

    // What set the capture off, or the rise of the CPU, is a line through everything; where the event loop stood still the
    // heatmap has a frame.
    event({ kind, at_us: from, until_us: to }) {
        const { context, scale } = this;
        if (kind === "trigger" || kind === "onset") this.line(from, ink("--limit"), [1, 2]);
        if (kind !== "stall" || to === null || to < scale.from || from > scale.to) return;
        const [top, height] = this.papers.at(-1);
        const [left, right] = [scale.xWithin(from), scale.xWithin(to)];
        context.strokeStyle = ink("--stall");
        context.lineWidth = 2;
        context.strokeRect(left - 1, top, Math.max(right - left, 2) + 2, height - 1);
    }

    row([below, height]) {
        const { context, scale } = this;
        const [top] = this.papers.at(-1);
        context.strokeStyle = ink("--ink");
        context.lineWidth = 1;
        context.strokeRect(scale.left - 0.5, top + below - 0.5, scale.right - scale.left + 1, height - 1);
    }
}
