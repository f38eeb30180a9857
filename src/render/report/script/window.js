// The window on the flamegraph: which part of the graph is seen through it, how high it stands on the page, and how it
// moves from one part to another.

// How long a zoom takes, and how many rows stay above what was zoomed into.
const ZOOM_MS = 180;
const ROWS_ABOVE = 2;
// What is at least such a share of the width decides how high the window is.
const LEAST_READ = 1 / 20;
// Rows below the last one that can be read, and rows of a graph however small it is.
const ROWS_BELOW = 3;
const LEAST_ROWS = 10;

class FlameWindow {
    #canvas;
    #paint;
    #spacer;
    #graph = null;
    #rows = LEAST_ROWS;
    #frame = 0;

    // `paint` is called whenever something else is to be seen.
    constructor(canvas, paint) {
        this.#canvas = canvas;
        this.#paint = paint;
        this.#spacer = element("div", { class: "flame-spacer" }, canvas);
        this.root = element("div", { class: "flame-scroller" }, this.#spacer);
        // The node that is as wide as the window, or will be when it has come to rest.
        this.zoomed = null;
        // What is seen, in the graph's own measure.
        this.view = { from: 0, to: 0 };
        // In pixels, and how far it is scrolled down; asked for only where it may have changed, as the answer costs a
        // layout.
        this.size = { width: 0, height: 0 };
        this.top = 0;
    }

    // Goes to where a node of a graph is the whole width.
    zoomTo(graph, node, atOnce) {
        const isSame = this.zoomed === node;
        this.#graph = graph;
        this.zoomed = node;
        if (!isSame) {
            this.#rows = LEAST_ROWS;
        }
        const target = { from: node.at, to: node.at + node.size };
        const top = Math.max(0, (node.depth - ROWS_ABOVE) * ROW);
        if (!atOnce && !isSame && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
            this.#animate(target, top);
            return;
        }
        cancelAnimationFrame(this.#frame);
        this.view = target;
        this.#fit();
        if (!isSame) {
            this.#scrollTo(top);
        }
        this.#paint();
    }

    #animate(target, top) {
        cancelAnimationFrame(this.#frame);
        const start = performance.now();
        const [from, scrolled] = [{ ...this.view }, this.top];
        const step = now => {
            const share = Math.min(1, Math.max(0, (now - start) / ZOOM_MS));
            const eased = 1 - (1 - share) ** 3;
            this.view = {
                from: from.from + (target.from - from.from) * eased,
                to: from.to + (target.to - from.to) * eased,
            };
            if (share === 1) {
                this.view = target;
                this.#fit();
            }
            this.#scrollTo(scrolled + (top - scrolled) * eased);
            this.#paint();
            if (share < 1) {
                this.#frame = requestAnimationFrame(step);
            }
        };
        this.#frame = requestAnimationFrame(step);
    }

    // As high as what is wide enough to be read; the rest is scrolled to. While a range is drawn it only grows: what is
    // below shall not jump.
    #fit() {
        if (this.size.width === 0) {
            this.#measure();
        }
        const { width } = this.size;
        let deepest = 0;
        let read = 0;
        if (this.view.to > this.view.from) {
            const draw = (node, from, wide) => {
                deepest = Math.max(deepest, node.depth);
                if (wide >= width * LEAST_READ) {
                    read = Math.max(read, node.depth);
                }
            };
            this.#graph.layout(this.view, { width, least: LEAST_WIDTH, draw });
        }
        this.#rows = Math.max(this.#rows, read + ROWS_BELOW);
        const height = `${this.#rows * ROW}px`;
        if (this.root.style.height !== height) {
            this.root.style.height = height;
            this.#measure();
        }
        // Room below, so that what is zoomed into can always be scrolled to the top.
        const rows = Math.max(deepest + 1, this.zoomed.depth - ROWS_ABOVE + this.#rows);
        const whole = (this.zoomed.depth > ROWS_ABOVE ? rows : deepest + 1) * ROW;
        this.#spacer.style.height = `${whole}px`;
        this.top = Math.min(this.top, Math.max(0, whole - this.size.height));
    }

    #measure() {
        this.size = { width: this.root.clientWidth, height: this.root.clientHeight };
    }

    // The page gave it another size.
    resized() {
        this.#measure();
        this.#fit();
        this.#paint();
    }

    // A person scrolled it.
    scrolled() {
        this.top = this.root.scrollTop;
        this.#paint();
    }

    #scrollTo(top) {
        this.root.scrollTop = top;
        this.top = this.root.scrollTop;
    }

    // Scrolls no further than it takes to see a node's row.
    reveal(node) {
        const top = node.depth * ROW;
        if (top < this.top) {
            this.#scrollTo(top);
        }
        if (top + ROW > this.top + this.size.height) {
            this.#scrollTo(top + ROW - this.size.height);
        }
    }

    // Whether a node has its whole width in it.
    holds(node) {
        return node.at >= this.view.from && node.at + node.size <= this.view.to * (1 + 1e-12);
    }

    // The smallest size, in the graph's measure, of a node that can be seen.
    get leastSize() {
        return LEAST_WIDTH / this.size.width * (this.view.to - this.view.from);
    }

    // The node under the pointer.
    nodeUnder(event) {
        const box = this.#canvas.getBoundingClientRect();
        const depth = Math.floor((event.clientY - box.top + this.top) / ROW);
        const share = (event.clientX - box.left) / box.width;
        return this.#graph.nodeAt(this.view.from + share * (this.view.to - this.view.from), depth);
    }

    // Where on the screen a node's lower left corner is, or would be if it were within the window's width.
    cornerOf(node) {
        const box = this.#canvas.getBoundingClientRect();
        const share = (node.at - this.view.from) / (this.view.to - this.view.from);
        return {
            x: box.left + Math.min(Math.max(share, 0), 0.9) * box.width,
            y: box.top + (node.depth + 1) * ROW - this.top,
        };
    }
}
