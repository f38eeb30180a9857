// The flamegraph as pixels: one pass for the boxes, one for their names. What is not within the scrolled window is not
// drawn, and no name is measured twice.

const ROW = 19;
const FONT = "12px system-ui, \"DejaVu Sans\", sans-serif";
// A box narrower than this is part of a pale run.
const LEAST_WIDTH = 0.5;
// A name is written from here on.
const LEAST_NAMED = 22;
const NAME_INDENT = 4;
const ELLIPSIS = "…";
// So many colours stand between grown and shrunk.
const CHANGE_STEPS = 24;
// Of a colour that dark letters stand on better than light ones: both have the same contrast at 0.18.
const LIGHT = 0.18;
const DARK_INK = "rgb(0, 0, 0)";
const LIGHT_INK = "rgb(255, 255, 255)";

class FlamePainter {
    #canvas;
    #context;
    #widths = new Map();

    constructor(canvas) {
        this.#canvas = canvas;
        this.#context = canvas.getContext("2d", { alpha: false });
    }

    // As many pixels as the screen has for this size.
    resize(width, height) {
        const ratio = globalThis.devicePixelRatio || 1;
        const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
        if (this.#canvas.width !== wide) {
            this.#canvas.width = wide;
        }
        if (this.#canvas.height !== high) {
            this.#canvas.height = high;
        }
        this.#canvas.style.height = `${height}px`;
        this.width = width;
        this.height = height;
        this.ratio = ratio;
    }

    // `scene`: {graph, view, top, colourOf(node), marked(node) or null, cursor, pointed, zoomed, colours}; `top` is how
    // many pixels it is scrolled down.
    paint(scene) {
        const context = this.#context;
        const { colours, top, graph, view } = scene;
        context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
        context.fillStyle = colours.paper;
        context.fillRect(0, 0, this.width, this.height);
        if (!(view.to > view.from)) {
            return;
        }
        const named = [];
        const last = Math.ceil((top + this.height) / ROW);
        graph.layout(view, {
            width: this.width,
            least: LEAST_WIDTH,
            rows: last,
            draw: (node, from, width) => this.#box(scene, node, from, width, named),
            blur: (depth, from, width) => {
                context.fillStyle = colours.line;
                context.fillRect(from, depth * ROW - top, Math.max(width, LEAST_WIDTH), ROW - 1);
            },
        });
        this.#names(scene, named);
        for (const node of [scene.pointed, scene.cursor]) {
            if (node) {
                this.#outline(scene, node, node === scene.cursor ? 2 : 1);
            }
        }
    }

    #box(scene, node, from, width, named) {
        const y = node.depth * ROW - scene.top;
        if (y + ROW < 0) {
            return;
        }
        const context = this.#context;
        const left = Math.max(from, 0);
        const right = Math.min(from + width, this.width);
        const gap = right - left > 3 ? 1 : 0;
        const colour = scene.colourOf(node);
        const faded = (scene.marked && !scene.marked(node)) || node.depth < scene.zoomed.depth;
        context.fillStyle = faded ? colour.faded : colour.fill;
        context.fillRect(left, y, Math.max(right - left - gap, LEAST_WIDTH), ROW - 1);
        if (right - left >= LEAST_NAMED) {
            named.push(node, left, right - left, y, faded ? colour.fadedInk : colour.ink);
        }
    }

    #names({ graph }, named) {
        const context = this.#context;
        context.font = FONT;
        context.textBaseline = "middle";
        context.direction = "ltr";
        for (let at = 0; at < named.length; at += 5) {
            const text = this.#fitting(graph.label(named[at]), named[at + 2] - 2 * NAME_INDENT);
            if (text === "") {
                continue;
            }
            context.fillStyle = named[at + 4];
            context.fillText(text, named[at + 1] + NAME_INDENT, named[at + 3] + ROW / 2);
        }
    }

    // The name, or as much of its beginning as there is room for.
    #fitting(name, room) {
        const ellipsis = this.#widthOf(ELLIPSIS);
        let width = 0;
        let kept = "";
        for (const character of name) {
            width += this.#widthOf(character);
            if (width > room) {
                return kept.length > 1 ? kept + ELLIPSIS : "";
            }
            if (width + ellipsis <= room) {
                kept += character;
            }
        }
        return name;
    }

    #widthOf(character) {
        let width = this.#widths.get(character);
        if (width === undefined) {
            width = this.#context.measureText(character).width;
            this.#widths.set(character, width);
        }
        return width;
    }

    #outline({ view, top, colours }, node, thickness) {
        const context = this.#context;
        const scale = this.width / (view.to - view.from);
        const left = Math.max((node.at - view.from) * scale, 0);
        const right = Math.min((node.at + node.size - view.from) * scale, this.width);
        if (right <= left) {
            return;
        }
        context.strokeStyle = colours.ink;
        context.lineWidth = thickness;
        const inset = thickness / 2;
        const y = node.depth * ROW - top + inset;
        context.strokeRect(left + inset, y, Math.max(right - left - thickness, 1), ROW - 1 - thickness);
    }
}

// A colour with the ink that can be read on it, and both as they are where something else is looked for.
function shadeOf(fill, { paper, pale }) {
    const ink = brightness(fill) > LIGHT ? DARK_INK : LIGHT_INK;
    return { fill, ink, faded: mixed(paper, fill, 0.3), fadedInk: pale };
}

// From all shrunk to all grown, with what stayed the same in the middle.
function changeShades(colours) {
    return Array.from({ length: 2 * CHANGE_STEPS + 1 }, (_, index) => {
        const change = (index - CHANGE_STEPS) / CHANGE_STEPS;
        const end = change < 0 ? colours.shrank : colours.grew;
        return shadeOf(mixed(colours.same, end, Math.abs(change)), colours);
    });
}

// Between two colours like `rgb(0, 114, 178)`.
function mixed(from, to, share) {
    const [a, b] = [channels(from), channels(to)];
    return `rgb(${a.map((value, index) => Math.round(value + (b[index] - value) * share)).join(", ")})`;
}

// Relative luminance as WCAG defines it, from 0 to 1.
function brightness(colour) {
    const [red, green, blue] = channels(colour).map(value => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function channels(colour) {
    return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}
