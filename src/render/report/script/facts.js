// What is told of a node of the flamegraph: in the tooltip, in the line above the graph, and to who does not see it.

// Lines of a function that are told apart.
const LINES_TOLD = 3;

// [label, value] pairs, the most important first.
function factsOf({ model, graph, costs, zoomed }, node) {
    const { now, then, key } = node;
    const ofZoomed = zoomed.parent === null ? "" : `, ${percentText(now, zoomed.now)} of what is zoomed into`;
    const whole = costs.now.total;
    const facts = [["CPU", `${cpuText(now)}, ${percentText(now, whole)} of all${ofZoomed}`]];
    if (node.depth > 0 && (!graph.inverted || node.depth === 1)) {
        const own = graph.own(node).now;
        facts.push(["self", `${cpuText(own)}, ${percentText(own, whole)}`]);
    }
    if (costs.then) {
        facts.push([`per ${costs.per}`, comparedText(now * costs.now.each, then * costs.then.each)]);
    }
    if (key < 0) {
        return facts;
    }
    const place = graph.heaviest(node);
    const frame = model.stacks.frame[place];
    const { owners, mechanisms, kinds } = model.head;
    const owner = owners[model.stacks.owner[place]];
    if (owner) {
        facts.push(["whose work", `${owner}, ${mechanisms[model.stacks.mechanism[place]]}`]);
    }
    facts.push(["code", kinds[model.frames.kind[frame]]]);
    const file = oneLine(model.strings[model.frames.file[frame]]);
    if (file) {
        facts.push(["file", file]);
    }
    const lines = graph.lines(node);
    if (lines.length > 0) {
        facts.push([lines.length > 1 ? "lines" : "line", linesText(lines, now)]);
    }
    return facts;
}

function linesText(lines, whole) {
    if (lines.length === 1) {
        return String(lines[0][0]);
    }
    const told = lines.slice(0, LINES_TOLD).map(([line, now]) => `${line} (${percentText(now, whole)})`);
    const more = lines.length - told.length;
    return told.join(", ") + (more > 0 ? `, ${more} more` : "");
}

// Microseconds of each request or second, now and then.
function comparedText(now, then) {
    const change = `${milliseconds(now)} ms now, ${milliseconds(then)} ms then: ${signedMilliseconds(now - then)} ms`;
    if (then === 0) {
        return now === 0 ? change : `${change}, new`;
    }
    if (now === 0) {
        return `${change}, gone`;
    }
    return `${change}, × ${(now / then).toPrecision(3)}`;
}

// Microseconds as a figure of milliseconds.
function milliseconds(us) {
    const size = Math.abs(us) / 1e3;
    if (size === 0) {
        return "0";
    }
    if (size < 0.00995) {
        return (us / 1e3).toPrecision(1);
    }
    return (us / 1e3).toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

function signedMilliseconds(us) {
    return us < 0 ? `−${milliseconds(-us)}` : `+${milliseconds(us)}`;
}

function factsLine(view, node) {
    return factsOf(view, node).map(([label, value]) => `${label} ${value}`).join("; ");
}

function factsTip(view, node) {
    const rows = factsOf(view, node).flatMap(([label, value]) => [
        element("dt", { text: label }),
        element("dd", { text: value }),
    ]);
    return [element("strong", { text: view.graph.label(node) }), element("dl", {}, ...rows)];
}

// Beside a point of the window, and within the window.
function placeBeside(box, x, y) {
    const { offsetWidth: width, offsetHeight: height } = box;
    const left = x + 14 + width > innerWidth ? Math.max(4, Math.min(x - 14 - width, innerWidth - width - 4)) : x + 14;
    const top = y + 18 + height > innerHeight ? Math.max(4, y - 12 - height) : y + 18;
    box.style.left = `${left}px`;
    box.style.top = `${top}px`;
}
