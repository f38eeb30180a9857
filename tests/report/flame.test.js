// What the flamegraph shows of a capture: terms, restrictions, both directions, differences, and where things lie.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fake } from "./fake.js";
import { load, randomly } from "./load.js";

const { Term, Functions, FlameModel, costsOf, changeOf, stackText, shadeOf, brightness, mixed } = load(
    "Term", "Functions", "FlameModel", "costsOf", "changeOf", "stackText", "shadeOf", "brightness", "mixed",
);

const WHOLE = { range: null, worker: null, thread: null, compare: null, per: "second" };

const SAMPLES = [
    { at: 0, stack: "main@app.py:1 > route@router.py:7", cpu: 100, thread: 0 },
    { at: 1e6, stack: "main@app.py:1 > route@router.py:8 > scrub@scrub.py:3", cpu: 500, thread: 0 },
    { at: 2e6, stack: "main@app.py:2 > route@router.py:7 > dump@json.py:9 > dump@json.py:9", cpu: 300, thread: 0 },
    { at: 3e6, stack: "main@app.py:2 > dump@json.py:9", cpu: 60, thread: 0 },
    { at: 3e6, stack: null, cpu: 40, thread: 0 },
];

function flameOf(model) {
    return new FlameModel(model, new Functions(model));
}

function graphOf(model, options = {}, selection = {}) {
    return flameOf(model).graph(options).weigh(costsOf(model, { ...WHOLE, ...selection }), options);
}

// The graph as lines, a level indented by a space, with CPU now and, where there is any, then.
function drawn(graph, node = graph.root) {
    const then = node.then ? ` / ${node.then}` : "";
    const own = `${" ".repeat(node.depth)}${graph.label(node)} ${node.now}${then}`;
    const below = graph.children(node).filter(child => child.size > 0 || child.then > 0);
    return [own, ...below.flatMap(child => drawn(graph, child))];
}

function nodeOf(graph, ...labels) {
    const below = (node, label) => graph.children(node).find(child => graph.label(child) === label);
    return labels.reduce(below, graph.root);
}

function namesOf(graph, node) {
    return node.parent === null ? [] : [...namesOf(graph, node.parent), graph.label(node)];
}

test("functions stand below their callers, whatever their lines, in the order of names", () => {
    assert.deepEqual(drawn(graphOf(fake(SAMPLES))), [
        "all 960",
        " main (app.py) 960",
        "  dump (json.py) 60",
        "  route (router.py) 900",
        "   dump (json.py) 300",
        "    dump (json.py) 300",
        "   scrub (scrub.py) 500",
    ]);
});

test("inverted, callers stand below what they called, each with its share", () => {
    assert.deepEqual(drawn(graphOf(fake(SAMPLES), { inverted: true })), [
        "all 960",
        " dump (json.py) 360",
        "  dump (json.py) 300",
        "   route (router.py) 300",
        "    main (app.py) 300",
        "  main (app.py) 60",
        " route (router.py) 100",
        "  main (app.py) 100",
        " scrub (scrub.py) 500",
        "  route (router.py) 500",
        "   main (app.py) 500",
    ]);
});

test("CPU without a stack stands beside the stacks where it is asked for", () => {
    const lines = drawn(graphOf(fake(SAMPLES), { idle: true }));
    assert.equal(lines[0], "all 1000");
    assert.equal(lines.at(-1), " native code without a Python stack 40");
});

test("a function looked at alone is the root, whoever called it", () => {
    const focus = [Term.of("\"dump (json.py)\"")];
    assert.deepEqual(drawn(graphOf(fake(SAMPLES), { focus })), [
        "all 360",
        " dump (json.py) 360",
        "  dump (json.py) 300",
    ]);
    assert.deepEqual(drawn(graphOf(fake(SAMPLES), { focus, inverted: true })), [
        "all 360",
        " dump (json.py) 360",
        "  dump (json.py) 300",
    ]);
});

test("a second function narrows the first", () => {
    const focus = [Term.of("route"), Term.of("scrub.py")];
    assert.deepEqual(drawn(graphOf(fake(SAMPLES), { focus })), ["all 500", " scrub (scrub.py) 500"]);
});

test("what is left out takes all it called with it", () => {
    const ignore = [Term.of("route")];
    assert.deepEqual(drawn(graphOf(fake(SAMPLES), { ignore })), [
        "all 60",
        " main (app.py) 60",
        "  dump (json.py) 60",
    ]);
});

test("an owner and a kind of code are told by the innermost frame", () => {
    for (const term of ["owner:callback scrub.py", "kind:user code"]) {
        assert.deepEqual(drawn(graphOf(fake(SAMPLES), { focus: [Term.of(term)] })), [
            "all 500",
            " main (app.py) 500",
            "  route (router.py) 500",
            "   scrub (scrub.py) 500",
        ]);
    }
});

test("a term is a text, a pattern, a line or a name", () => {
    const model = fake(SAMPLES);
    const functions = new Functions(model);
    const labels = typed => {
        const named = Term.of(typed).stacks(model, functions);
        const lines = Array.from(named.keys()).filter(stack => named[stack]).map(stack => {
            const frame = model.stacks.frame[stack];
            return `${functions.label[functions.ofFrame[frame]]}:${model.frames.line[frame]}`;
        });
        return [...new Set(lines)].sort();
    };
    assert.deepEqual(labels("ROUTE"), ["route (router.py):7", "route (router.py):8"]);
    assert.deepEqual(labels("router.py:8"), ["route (router.py):8"]);
    assert.deepEqual(labels("/^(dump|scrub)/"), ["dump (json.py):9", "scrub (scrub.py):3"]);
    assert.deepEqual(labels("\"dump (json.py)\""), ["dump (json.py):9"]);
    assert.deepEqual(labels("\"dump\""), []);
    assert.deepEqual(labels(" "), []);
});

test("a pattern that is none names nothing and says why", () => {
    const term = Term.of("/(/");
    assert.ok(term.isNothing);
    assert.match(term.problem, /Invalid regular expression/);
});

test("nested matches count once", () => {
    const model = fake(SAMPLES);
    const graph = graphOf(model);
    const matched = typed => graph.matched(Term.of(typed));
    assert.equal(matched("dump"), 360);
    assert.equal(matched("main"), 960);
    assert.equal(matched("/route|dump/"), 960);
    assert.equal(matched("owner:callback scrub.py"), 500);
});

test("matches are found outermost, the largest first", () => {
    const model = fake(SAMPLES);
    const graph = graphOf(model);
    const named = Term.of("dump").stacks(model, new Functions(model));
    const found = graph.matches(named, 0).map(node => `${namesOf(graph, node).join(" > ")} ${node.now}`);
    assert.deepEqual(found, [
        "main (app.py) > route (router.py) > dump (json.py) 300",
        "main (app.py) > dump (json.py) 60",
    ]);
});

test("each pixel belongs to one node, and what is too narrow is told as a run", () => {
    const graph = graphOf(fake(SAMPLES));
    const boxes = [];
    const runs = [];
    const draw = (node, ...pixels) => boxes.push([graph.label(node), node.depth, ...pixels.map(Math.round)]);
    const blur = (depth, ...pixels) => runs.push([depth, ...pixels.map(Math.round)]);
    graph.layout({ from: 0, to: 960 }, { width: 96, least: 7, draw, blur });
    assert.deepEqual(boxes, [
        ["all", 0, 0, 96],
        ["main (app.py)", 1, 0, 96],
        ["route (router.py)", 2, 6, 90],
        ["dump (json.py)", 3, 6, 30],
        ["scrub (scrub.py)", 3, 36, 50],
        ["dump (json.py)", 4, 6, 30],
    ]);
    assert.deepEqual(runs, [[2, 0, 6]]);
    assert.equal(graph.label(graph.nodeAt(400, 3)), "scrub (scrub.py)");
    assert.equal(graph.nodeAt(900, 3), null);
});

test("a view that is zoomed lays out what it can see alone", () => {
    const graph = graphOf(fake(SAMPLES));
    const boxes = [];
    graph.layout({ from: 360, to: 860 }, { width: 100, least: 0.5, draw: node => boxes.push(graph.label(node)) });
    assert.deepEqual(boxes, ["all", "main (app.py)", "route (router.py)", "scrub (scrub.py)"]);
});

test("a path is followed as far as there is one", () => {
    const graph = graphOf(fake(SAMPLES));
    const way = ["main (app.py)", "route (router.py)", "scrub (scrub.py)"];
    const node = nodeOf(graph, ...way);
    assert.deepEqual(namesOf(graph, node), way);
    assert.equal(graph.follow(graph.path(node)), node);
    assert.equal(graph.follow([...graph.path(node).slice(0, 2), 999]), nodeOf(graph, ...way.slice(0, 2)));
});

test("a comparison is made for each second, with what is gone and what is new", () => {
    const baseline = {
        seconds: 2,
        requests: null,
        stacks: [["main@app.py:1 > route@router.py:7", 50], ["main@app.py:1 > old@old.py:4", 200]],
    };
    const model = fake(SAMPLES, { baseline });
    const costs = costsOf(model, { ...WHOLE, compare: "baseline" });
    const graph = flameOf(model).graph().weigh(costs, { both: true });
    assert.deepEqual(drawn(graph), [
        "all 960 / 250",
        " main (app.py) 960 / 250",
        "  dump (json.py) 60",
        "  old (old.py) 0 / 200",
        "  route (router.py) 900 / 50",
        "   dump (json.py) 300",
        "    dump (json.py) 300",
        "   scrub (scrub.py) 500",
    ]);
    const change = (...labels) => changeOf(nodeOf(graph, ...labels), costs);
    assert.equal(change("main (app.py)", "dump (json.py)"), 1);
    assert.equal(change("main (app.py)", "old (old.py)"), -1);
    // 900 µs in 4 s against 50 µs in 2 s.
    assert.equal(change("main (app.py)", "route (router.py)"), (225 - 25) / (225 + 25));
    assert.equal(graph.root.size, (960 / 4 + 250 / 2) / 2);
});

test("a second range is compared as a baseline is", () => {
    const model = fake(SAMPLES);
    const costs = costsOf(model, { ...WHOLE, range: [1e6, 2e6], compare: [2e6, 4e6] });
    assert.deepEqual([costs.now.total, costs.now.seconds, costs.then.total, costs.then.seconds], [500, 1, 400, 2]);
});

test("time in which nothing was sampled is no time without CPU", () => {
    const model = fake(SAMPLES);
    const costs = selection => costsOf(model, { ...WHOLE, ...selection });
    const { now } = costs({ range: [-60e6, 2e6] });
    assert.deepEqual([now.total, now.seconds], [600, 2]);
    const { then, missing } = costs({ compare: [-60e6, -30e6] });
    assert.deepEqual([then, missing], [null, "Nothing was sampled in the range that is to be compared with."]);
    const nothing = costs({ range: [-60e6, -30e6] }).now;
    assert.deepEqual([nothing.total, nothing.seconds, nothing.each], [0, 0, 0]);
});

test("requests divide a cost where they are known on both sides, else seconds do", () => {
    const baseline = { seconds: 2, requests: 10, stacks: [["main@app.py:1", 200]] };
    const per = options => {
        const model = fake(SAMPLES, options);
        const costs = costsOf(model, { ...WHOLE, compare: "baseline", per: "request" });
        return [costs.per, costs.now.each, costs.then.each];
    };
    assert.deepEqual(per({ baseline, requests: 20 }), ["request", 1 / 20, 1 / 10]);
    assert.deepEqual(per({ baseline, requests: null }), ["second", 1 / 4, 1 / 2]);
});

test("a comparison that would be false is refused in words", () => {
    const baseline = { seconds: 2, requests: 10, stacks: [["main@app.py:1", 200]] };
    const refused = (options, selection) => {
        const costs = costsOf(fake(SAMPLES, options), { ...WHOLE, compare: "baseline", ...selection });
        return [costs.then, costs.missing];
    };
    assert.deepEqual(refused({ baseline }, { thread: 0 }), [
        null,
        "The baseline is known for all workers together: choose all workers to compare with it.",
    ]);
    assert.deepEqual(refused({}, {}), [null, "This capture has no baseline."]);
    const without = { ...baseline, stacks: [], stacks_missing: "py-spy was not found" };
    assert.deepEqual(refused({ baseline: without }, {}), [null, "The baseline has no stacks: py-spy was not found."]);
});

test("a stack is copied as flamegraph tools read it, and as lines", () => {
    const model = fake(SAMPLES);
    const flame = flameOf(model);
    for (const inverted of [false, true]) {
        const graph = flame.graph({ inverted }).weigh(costsOf(model, WHOLE));
        const route = ["route (router.py)", "scrub (scrub.py)"];
        const node = nodeOf(graph, ...(inverted ? route.reverse() : ["main (app.py)", ...route]));
        assert.equal(
            stackText(flame, graph, node, "collapsed"),
            "main (app.py);route (router.py);scrub (scrub.py) 500",
        );
        assert.equal(
            stackText(flame, graph, node, "lines"),
            "main (app.py:1)\nroute (router.py:8)\nscrub (scrub.py:3)",
        );
    }
});

test("the lines of a node are told by their CPU", () => {
    const graph = graphOf(fake(SAMPLES));
    const node = nodeOf(graph, "main (app.py)");
    assert.deepEqual(graph.lines(node), [[1, 600], [2, 360]]);
});

test("any graph adds up to what a count of samples by hand gives", () => {
    const next = randomly(20_261_124);
    const random = below => Math.floor(next() * below);
    const frame = () => `f${random(6)}@m${random(2)}.py:${1 + random(3)}`;
    for (let round = 0; round < 40; round += 1) {
        const samples = Array.from({ length: 60 }, (_, at) => {
            const stack = Array.from({ length: 1 + random(7) }, frame).join(" > ");
            return { at, stack, cpu: 1 + random(50), thread: random(3) };
        });
        const model = fake(samples);
        for (const inverted of [false, true]) {
            assert.deepEqual(weightsByPath(graphOf(model, { inverted })), countedByPath(samples, inverted));
        }
    }
});

// CPU of each path of functions in the graph, and the same from the samples themselves.
function weightsByPath(graph) {
    const weights = {};
    const visit = node => {
        for (const child of graph.children(node).filter(({ size }) => size > 0)) {
            weights[namesOf(graph, child).join(" > ")] = child.now;
            visit(child);
        }
    };
    visit(graph.root);
    return weights;
}

function countedByPath(samples, inverted) {
    const weights = {};
    for (const { stack, cpu } of samples) {
        const names = stack.split(" > ").map(frame => frame.replace(/^(\w+)@(.+):\d+$/, "$1 ($2)"));
        const path = inverted ? names.reverse() : names;
        path.forEach((_, depth) => {
            const key = path.slice(0, depth + 1).join(" > ");
            weights[key] = (weights[key] ?? 0) + cpu;
        });
    }
    return weights;
}

test("letters can be read on every colour", () => {
    const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const levels = [0, 51, 102, 153, 204, 255];
    for (const red of levels) {
        for (const green of levels) {
            for (const blue of levels) {
                const fill = `rgb(${red}, ${green}, ${blue})`;
                const { ink } = shadeOf(fill, { paper: "rgb(255, 255, 255)", pale: "rgb(90, 90, 90)" });
                assert.ok(contrast(brightness(ink), brightness(fill)) > 4.5, `${ink} on ${fill}`);
            }
        }
    }
    assert.equal(mixed("rgb(0, 0, 0)", "rgb(255, 101, 10)", 0.5), "rgb(128, 51, 5)");
});
