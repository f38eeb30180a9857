// How charts are painted on a canvas. What was not read is hatched: it is no nought.

// A stretch without figures is marked where it is at least this wide, in pixels.
const LEAST_GAP_PIXELS = 3;
const STRIP_HEIGHT = 4;
// Steps that are narrower on average are drawn by a thin line.
const LEAST_STEP_PIXELS = 4;
const LABEL_HEIGHT = 12;
const CANVAS_FONT = "11px system-ui, sans-serif";

// Colours of the page's styles by their names, as a canvas needs them; each is read once until the scheme changes.
function ink(name) {
    if (!ink.known.has(name)) {
        // Only where it is used does a colour become that of the scheme.
        const probe = document.body.appendChild(element("span"));
        probe.style.color = `var(${name})`;
        ink.known.set(name, getComputedStyle(probe).color);
        probe.remove();
    }
    return ink.known.get(name);
}
ink.known = new Map();

// A canvas made as large as it is shown, in pixels of the screen, and wiped.
function fittedContext(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = canvas.getContext("2d");
    // On paper what was wiped is white, and hides what lies below; a canvas that gets its size anew has nothing on it.
    if (canvas.width !== wide || canvas.height !== high || matchMedia("print").matches) {
        canvas.width = wide;
        canvas.height = high;
        canvas.style.height = `${height}px`;
    } else {
        context.clearRect(0, 0, width, height);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
}

// Paints a chart into a canvas's context: `place` is `{scale, height, ticks}` with the scale of time and its ticks.
function paintChart(context, chart, { scale, height, ticks }) {
    const y = value => height - 1 - (height - 6) * chart.scale.share(value);
    context.font = CANVAS_FONT;
    context.textBaseline = "middle";
    context.textAlign = "right";
    if (chart.missing !== null) return paintMissing(context, chart.missing, scale, height);
    let free = height;
    for (const tick of chart.scale.ticks) {
        const line = Math.round(y(tick)) + 0.5;
        fillBox(context, ink("--line"), [scale.left, line - 0.5, scale.right - scale.left, 1]);
        const middle = Math.min(Math.max(line, LABEL_HEIGHT / 2), height - LABEL_HEIGHT / 2);
        // From the lowest upwards; where they stand close there is no room for each.
        if (middle + LABEL_HEIGHT / 2 > free) continue;
        free = middle - LABEL_HEIGHT / 2;
        context.fillStyle = ink("--pale");
        context.fillText(tickText(chart.unit, tick), scale.left - 6, middle);
    }
    for (const { at } of ticks) fillBox(context, ink("--line"), [Math.round(scale.x(at)), 0, 1, height]);
    context.save();
    context.beginPath();
    context.rect(scale.left, 0, scale.right - scale.left, height);
    context.clip();
    const widest = chart.layers.find(layer => layer.steps?.length > 0);
    if (widest) paintGaps(context, widest.steps, scale, height);
    for (const layer of chart.layers) paintLayer(context, layer, { scale, height, y });
    context.restore();
}

function paintLayer(context, layer, place) {
    const colour = ink(layer.ink);
    if (layer.kind === "band") return paintBand(context, layer.steps, place, colour);
    if (layer.kind === "line") return paintSteps(context, layer.steps, place, colour, 1.75);
    if (layer.kind === "thin") return paintSteps(context, layer.steps, place, colour, 1);
    if (layer.kind === "strip") return paintStrip(context, layer.steps, place, colour);
    if (layer.kind === "crosses") return paintCrosses(context, layer.moments, place, colour);
    if (layer.kind === "stretches") return paintStretches(context, layer.stretches, place, colour);
    if (layer.kind !== "told") paintLevel(context, layer, place, colour);
}

// Only what is on the paper.
function* visibleSteps(steps, scale) {
    for (
        let index = firstStepAfter(steps, scale.from);
        index < steps.length && steps[index].from < scale.to;
        index += 1
    ) {
        yield steps[index];
    }
}

// The outline of a band, one closed part for each stretch without a gap.
function paintBand(context, steps, { scale, y }, colour) {
    context.beginPath();
    let run = [];
    const close = () => {
        run.forEach((step, index) => {
            if (index === 0) context.moveTo(scale.x(step.from), y(step.low ?? 0));
            context.lineTo(scale.x(step.from), y(step.value));
            context.lineTo(scale.x(step.to), y(step.value));
        });
        for (const step of run.reverse()) {
            context.lineTo(scale.x(step.to), y(step.low ?? 0));
            context.lineTo(scale.x(step.from), y(step.low ?? 0));
        }
        run = [];
    };
    for (const step of visibleSteps(steps, scale)) {
        if (run.length > 0 && run.at(-1).to !== step.from) close();
        run.push(step);
    }
    close();
    context.fillStyle = colour;
    context.fill();
}

// A line of steps, broken where time is missing.
function paintSteps(context, steps, { scale, y }, colour, width) {
    context.beginPath();
    let end = null;
    let count = 0;
    for (const step of visibleSteps(steps, scale)) {
        const [left, right, top] = [scale.x(step.from), scale.x(step.to), y(step.value)];
        if (end === step.from) context.lineTo(left, top);
        else context.moveTo(left, top);
        context.lineTo(right, top);
        end = step.to;
        count += 1;
    }
    context.strokeStyle = colour;
    // Many steps would be one blot.
    context.lineWidth = count * LEAST_STEP_PIXELS > scale.right - scale.left ? 1 : width;
    context.lineJoin = "round";
    context.stroke();
}

function paintStrip(context, steps, { scale, height }, colour) {
    for (const step of visibleSteps(steps, scale)) {
        if (step.value <= 0) continue;
        const left = scale.x(step.from);
        // The least is to be seen as well.
        context.globalAlpha = 0.3 + 0.7 * Math.min(step.value, 1);
        fillBox(context, colour, [left, height - STRIP_HEIGHT, scale.x(step.to) - left, STRIP_HEIGHT]);
    }
    context.globalAlpha = 1;
}

function paintCrosses(context, moments, { scale }, colour) {
    context.beginPath();
    for (const at of moments) {
        const x = scale.x(at);
        context.moveTo(x - 4, 2);
        context.lineTo(x + 4, 10);
        context.moveTo(x + 4, 2);
        context.lineTo(x - 4, 10);
    }
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.stroke();
}

function paintStretches(context, stretches, { scale, height }, colour) {
    context.globalAlpha = 0.28;
    for (const [from, to] of stretches) {
        const left = scale.x(from);
        fillBox(context, colour, [left, 0, Math.max(scale.x(to) - left, 3), height]);
    }
    context.globalAlpha = 1;
}

function paintLevel(context, layer, { scale, y }, colour) {
    const line = Math.round(y(layer.value)) + 0.5;
    const stroke = (style, width) => {
        context.strokeStyle = style;
        context.lineWidth = width;
        context.beginPath();
        context.moveTo(scale.left, line);
        context.lineTo(scale.right, line);
        context.stroke();
    };
    if (layer.kind !== "before") return stroke(colour, 1.5);
    // Bands of any colour may lie below.
    context.globalAlpha = 0.6;
    stroke(ink("--paper"), 3.5);
    context.globalAlpha = 1;
    context.setLineDash([7, 5]);
    stroke(colour, 1.5);
    context.setLineDash([]);
}

// Where nothing was read, the paper is hatched: it is no nought.
function paintGaps(context, steps, scale, height) {
    for (const [from, to] of gapsBetween(steps)) {
        const [left, right] = [scale.x(from), scale.x(to)];
        if (right - left >= LEAST_GAP_PIXELS && right > scale.left && left < scale.right) {
            paintHatch(context, ink("--line"), [left, 0, right - left, height]);
        }
    }
}

// Slanted lines within a place: `[left, top, width, height]`.
function paintHatch(context, colour, [left, top, width, height]) {
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.beginPath();
    for (let x = left - height; x < left + width; x += 6) {
        context.moveTo(x, top + height);
        context.lineTo(x + height, top);
    }
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.stroke();
    context.restore();
}

// What was recorded before and after stands on another ground than what was sampled.
function paintGround(context, scale, [from, to], height) {
    const [left, right] = [scale.xWithin(from), scale.xWithin(to)];
    fillBox(context, ink("--unsampled"), [scale.left, 0, scale.right - scale.left, height]);
    fillBox(context, ink("--sampled"), [left, 0, right - left, height]);
}

function paintAxis(context, scale, ticks, height) {
    context.font = CANVAS_FONT;
    context.textBaseline = "alphabetic";
    context.fillStyle = ink("--pale");
    context.textAlign = "right";
    context.fillText("UTC", scale.left - 6, height - 6);
    context.textAlign = "center";
    for (const { at, text } of ticks) {
        const half = context.measureText(text).width / 2;
        context.fillText(text, Math.min(Math.max(scale.x(at), scale.left + half), scale.right - half), height - 6);
        fillBox(context, ink("--pale"), [Math.round(scale.x(at)), height - 3, 1, 3]);
    }
}

// The bar above the axis that tells what was sampled, in its slices, and what was only recorded.
function paintStretchBar(context, scale, { parts, cuts }) {
    context.font = CANVAS_FONT;
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const { from, to, ground, edge, words } of parts) {
        const [left, right] = [scale.xWithin(from), scale.xWithin(to)];
        if (right <= left) continue;
        fillBox(context, ink(ground), [left, 0, right - left, 16]);
        fillBox(context, ink(edge), [left, 14, right - left, 2]);
        context.fillStyle = ink("--ink");
        if (context.measureText(words).width < right - left - 8) context.fillText(words, (left + right) / 2, 11);
    }
    for (const at of cuts.filter(at => at > scale.from && at < scale.to)) {
        fillBox(context, ink("--accent"), [Math.round(scale.x(at)), 9, 1, 7]);
    }
}

function paintMissing(context, words, scale, height) {
    paintHatch(context, ink("--line"), [scale.left, 0, scale.right - scale.left, height]);
    context.fillStyle = ink("--ink");
    context.textAlign = "left";
    const lines = wrappedWords(context, words, scale.right - scale.left - 16).slice(0, Math.floor(height / 15));
    lines.forEach((line, index) => {
        const top = 10 + index * 15;
        fillBox(context, ink("--paper"), [scale.left + 4, top - 8, context.measureText(line).width + 8, 16]);
        context.fillStyle = ink("--ink");
        context.fillText(line, scale.left + 8, top);
    });
}

function wrappedWords(context, text, width) {
    const lines = [];
    let line = "";
    for (const word of text.split(" ")) {
        const longer = line === "" ? word : `${line} ${word}`;
        if (line !== "" && context.measureText(longer).width > width) {
            lines.push(line);
            line = word;
        } else {
            line = longer;
        }
    }
    return [...lines, line];
}

// A place is `[left, top, width, height]`.
function fillBox(context, colour, place) {
    context.fillStyle = colour;
    context.fillRect(...place);
}
