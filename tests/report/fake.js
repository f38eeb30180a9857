// A small capture as the page's script has it, made from stacks in words.

import { load } from "./load.js";

const { Model } = load("Model");
const KINDS = ["LiteLLM", "user code", "packages"];
const OWNERS = ["", "router", "callback scrub.py"];
const MECHANISMS = ["", "other Python", "json"];
const THREADS = [
    { worker: 0, tid: 7, name: "MainThread" },
    { worker: 0, tid: 8, name: "uvloop_0" },
    { worker: 1, tid: 9, name: "MainThread" },
];

// `samples` are {at, stack, cpu, thread} with a stack like "main@app.py:1 > route@router.py:7", or null where there was
// none. A function named `scrub…` is a callback's, and user code; all others are the router's and LiteLLM's.
export function fake(samples, { baseline = null, series = [], threads = THREADS, requests = null } = {}) {
    const strings = [];
    const text = word => (strings.includes(word) ? strings.indexOf(word) : strings.push(word) - 1);
    const frames = { function: [], file: [], short: [], line: [], kind: [] };
    const stacks = { parent: [], frame: [], owner: [], mechanism: [] };
    const known = new Map();
    const once = (key, make) => {
        if (!known.has(key)) known.set(key, make());
        return known.get(key);
    };
    const frameOf = words => once(words, () => {
        const [name, file, line] = words.split(/[@:]/);
        frames.function.push(text(name));
        frames.file.push(text(`/app/${file}`));
        frames.short.push(text(file));
        frames.line.push(Number(line));
        frames.kind.push(name.startsWith("scrub") ? 1 : 0);
        return frames.line.length - 1;
    });
    const stackOf = words => {
        let parent = -1;
        for (const word of words.split(" > ")) {
            const above = parent;
            parent = once(`${above} ${word}`, () => {
                const ours = word.startsWith("scrub");
                stacks.parent.push(above);
                stacks.frame.push(frameOf(word));
                stacks.owner.push(ours ? 2 : 1);
                stacks.mechanism.push(word.startsWith("dump") ? 2 : 1);
                return stacks.parent.length - 1;
            });
        }
        return parent;
    };
    const placed = samples
        .map(sample => ({ ...sample, stack: sample.stack === null ? -1 : stackOf(sample.stack) }))
        .sort((a, b) => a.thread - b.thread || a.at - b.at);
    const calm = (baseline?.stacks ?? []).map(([words, cpu]) => [stackOf(words), cpu]);
    const column = name => placed.map(sample => sample[name]);
    const seconds = Math.max(...column("at")) / 1e6 + 1;
    const model = Object.assign(Object.create(Model.prototype), {
        head: {
            capture: { from_us: 0, to_us: seconds * 1e6, wall_seconds: seconds, requests },
            kinds: KINDS,
            owners: OWNERS,
            mechanisms: MECHANISMS,
            baseline: baseline && { ...baseline, native_us: 0, not_sampled_us: 0 },
            workers: [{ pid: 41, label: "worker 41" }, { pid: 42, label: "worker 42" }],
            threads,
        },
        strings,
        frames: { ...frames, kind: Uint8Array.from(frames.kind), line: Uint32Array.from(frames.line) },
        stacks: {
            parent: Int32Array.from(stacks.parent),
            frame: Uint32Array.from(stacks.frame),
            owner: Uint32Array.from(stacks.owner),
            mechanism: Uint32Array.from(stacks.mechanism),
        },
        samples: {
            at: Float64Array.from(column("at")),
            stack: Int32Array.from(column("stack")),
            cpu: Uint32Array.from(column("cpu")),
        },
        threadStart: Uint32Array.from(
            [0, ...threads.map((_, thread) => placed.filter(sample => sample.thread <= thread).length)],
        ),
        series,
        baseline: baseline && {
            stack: Uint32Array.from(calm, ([stack]) => stack),
            cpu: Float64Array.from(calm, ([, cpu]) => cpu),
        },
    });
    model.numberFunctions();
    return model;
}
