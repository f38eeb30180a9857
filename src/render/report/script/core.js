// The facts of the page, unpacked: samples by time, stacks, sums over any stretch. Then what every other part needs to
// put text and figures on the page. All that comes from the target is text, never markup.
//
// A time is in microseconds since time zero, CPU in microseconds. A function is a number, the same wherever it is met.

// What turns the text around it, and control characters that no JSON escapes.
const UNFIT = /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// Unpacks the block of data of the page.
async function decode() {
    const packed = bytesOf(document.getElementById("data").textContent);
    const unpacking = new DecompressionStream("deflate-raw");
    // Nobody waits for what goes in: what is wrong with it is told where it comes out.
    const writer = unpacking.writable.getWriter();
    writer.write(packed).catch(() => {});
    writer.close().catch(() => {});
    return new Model(new Uint8Array(await new Response(unpacking.readable).arrayBuffer()));
}

// The bytes of base64.
function bytesOf(base64) {
    if (Uint8Array.fromBase64) {
        return Uint8Array.fromBase64(base64);
    }
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < bytes.length; index += 1) {
        bytes[index] = binary.charCodeAt(index);
    }
    return bytes;
}

// The columns behind the head, each read as the head says.
class Columns {
    constructor(bytes) {
        this.bytes = bytes;
    }

    // Into an array that is as wide as its numbers need.
    read(column, Numbers) {
        const numbers = new Numbers(column.count);
        if (column.coding === "f64") {
            const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + column.at);
            for (let index = 0; index < column.count; index += 1) {
                numbers[index] = view.getFloat64(8 * index, true);
            }
            return numbers;
        }
        const bytes = this.bytes;
        const isSigned = column.coding === "zigzag";
        let at = column.at;
        for (let index = 0; index < column.count; index += 1) {
            let byte = bytes[at];
            at += 1;
            let number = byte & 0x7f;
            // Beyond four bytes the bits of an integer would be lost, and most numbers are short.
            for (let unit = 128; byte >= 128; unit *= 128) {
                byte = bytes[at];
                at += 1;
                number += (byte & 0x7f) * unit;
            }
            numbers[index] = isSigned ? (number % 2 === 0 ? number / 2 : -(number + 1) / 2) : number;
        }
        return numbers;
    }
}

// Everything that is known of the capture.
class Model {
    constructor(bytes) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        if (String.fromCharCode(...bytes.subarray(0, 4)) !== "LCR1") {
            throw new Error("its data are of another form");
        }
        const length = view.getUint32(4, true);
        const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
        this.head = JSON.parse(text.replace(UNFIT, "\ufffd"));
        const columns = new Columns(bytes.subarray(8 + length));
        this.strings = this.head.strings;
        this.frames = {
            function: Uint32Array.from(this.head.frames.function),
            file: Uint32Array.from(this.head.frames.file),
            short: Uint32Array.from(this.head.frames.short),
            line: Uint32Array.from(this.head.frames.line),
            kind: Uint8Array.from(this.head.frames.kind),
        };
        this.stacks = readStacks(this.head.stacks, columns);
        this.readSamples(columns);
        this.series = this.head.series.map(table => readTable(table, columns));
        this.baseline = this.head.baseline && {
            stack: columns.read(this.head.baseline.stack, Uint32Array),
            cpu: columns.read(this.head.baseline.cpu, Float64Array),
        };
        this.numberFunctions();
        clock.zeroUtcUs = this.head.capture.zero_utc_us;
    }

    readSamples(columns) {
        const stored = this.head.samples;
        const perThread = columns.read(stored.per_thread, Uint32Array);
        const samples = {
            at: columns.read(stored.at, Float64Array),
            stack: columns.read(stored.stack, Int32Array),
            cpu: columns.read(stored.cpu, Uint32Array),
            thread: new Uint32Array(stored.at.count),
        };
        this.threadStart = new Uint32Array(perThread.length + 1);
        for (let thread = 0; thread < perThread.length; thread += 1) {
            const from = this.threadStart[thread];
            const to = from + perThread[thread];
            this.threadStart[thread + 1] = to;
            samples.thread.fill(thread, from, to);
            for (let index = from + 1; index < to; index += 1) {
                samples.at[index] += samples.at[index - 1];
                samples.stack[index] += samples.stack[index - 1];
            }
        }
        this.samples = samples;
    }

    // Lines of one function are one function; it is known by its name and the short path of its file.
    numberFunctions() {
        const { function: names, short: files } = this.frames;
        const numbers = new Map();
        const frames = [];
        this.functionOf = new Uint32Array(names.length);
        for (let frame = 0; frame < names.length; frame += 1) {
            const key = names[frame] * this.strings.length + files[frame];
            if (!numbers.has(key)) {
                numbers.set(key, frames.length);
                frames.push(frame);
            }
            this.functionOf[frame] = numbers.get(key);
        }
        // One frame of each, to ask for name, file and kind.
        this.functions = Uint32Array.from(frames);
    }

    nameOf(number) {
        return this.strings[this.frames.function[this.functions[number]]];
    }

    // The short path of its file; empty where it has none.
    fileOf(number) {
        return this.strings[this.frames.short[this.functions[number]]];
    }

    kindOf(number) {
        return this.frames.kind[this.functions[number]];
    }

    table(name) {
        return this.series.find(table => table.table === name);
    }

    // The samples of a thread that begin in a range, as two bounds.
    bounds(thread, range) {
        const from = this.threadStart[thread];
        const to = this.threadStart[thread + 1];
        if (!range) {
            return [from, to];
        }
        return range.map(moment => firstAtOrAfter(this.samples.at, moment, from, to));
    }

    // CPU in microseconds of a thread's samples that begin in a range, and how many they are.
    sumOf(thread, range) {
        return weigherOf(this).sumOf(this.bounds(thread, range));
    }

    // CPU of each stack over a selection: {range: [from, to] | null, worker: number | null, thread: number | null}.
    weigh({ range = null, worker = null, thread = null }) {
        return weigherOf(this).weigh(this.head.threads.map((one, number) => {
            const isOther = (worker !== null && one.worker !== worker) || (thread !== null && thread !== number);
            return isOther ? NO_SAMPLES : this.bounds(number, range);
        }));
    }

    // The same of the baseline; none without one.
    baselineWeights() {
        if (!this.baseline) {
            return null;
        }
        if (!this.baseline.weights) {
            const self = new Float64Array(this.stacks.parent.length);
            this.baseline.stack.forEach((stack, index) => {
                self[stack] += this.baseline.cpu[index];
            });
            const { native_us: native, not_sampled_us: unsampled } = this.head.baseline;
            const total = this.baseline.cpu.reduce((sum, cpu) => sum + cpu, native + unsampled);
            this.baseline.weights = { self, native, unsampled, total, samples: this.baseline.stack.length };
        }
        return this.baseline.weights;
    }

    // Requests that were answered in a range, by the best source that counts them over time; none where nothing does.
    requests(range) {
        const { from_us: from, to_us: to, requests } = this.head.capture;
        if (!range || (range[0] <= from && range[1] >= to)) {
            return requests;
        }
        for (const name of ["traffic", "access-log"]) {
            const sum = grownIn(this.table(name), "requests", range);
            if (sum !== null) {
                return sum;
            }
        }
        return null;
    }
}

function readStacks(stored, columns) {
    const parent = columns.read(stored.parent, Int32Array);
    for (let stack = 0; stack < parent.length; stack += 1) {
        parent[stack] = parent[stack] === 0 ? -1 : stack + parent[stack];
    }
    return {
        parent,
        frame: columns.read(stored.frame, Uint32Array),
        owner: columns.read(stored.owner, Uint32Array),
        mechanism: columns.read(stored.mechanism, Uint32Array),
    };
}

function readTable(table, columns) {
    const at = columns.read(table.at, Float64Array);
    for (let row = 1; row < at.length; row += 1) {
        at[row] += at[row - 1];
    }
    const values = table.values.map(column => columns.read(column, Float64Array));
    return { table: table.table, columns: table.columns, at, values };
}

// The sum of a column's growth over a range; none where nothing was read there. A row tells what grew since the one
// before.
function grownIn(table, name, range) {
    const index = table ? table.columns.indexOf(name) : -1;
    if (index < 0) {
        return null;
    }
    let sum = null;
    for (let row = 0; row < table.at.length; row += 1) {
        const value = table.values[index][row];
        if (table.at[row] > range[0] && table.at[row] <= range[1] && !Number.isNaN(value)) {
            sum = (sum ?? 0) + value;
        }
    }
    return sum;
}

// The first index at which sorted numbers are not less than a number.
function firstAtOrAfter(numbers, number, from, to) {
    let low = from;
    let high = to;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (numbers[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// Three digits that count.
function digits(value) {
    const size = Math.abs(value);
    if (size >= 99.95) {
        return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
    }
    return value.toFixed(size >= 9.995 ? 1 : size >= 0.9995 || size === 0 ? 2 : 3);
}

// CPU time: "1.24 s", "35.0 ms", "320 µs".
function cpuText(us) {
    const size = Math.abs(us);
    if (size === 0) {
        return "0 ms";
    }
    if (size >= 999_500) {
        return `${digits(us / 1e6)} s`;
    }
    return size >= 999.5 ? `${digits(us / 1e3)} ms` : `${Math.round(us)} µs`;
}

// A share: "94.8 %"; of nothing there is none.
function percentText(part, whole) {
    if (!(whole > 0)) {
        return "–";
    }
    const share = (100 * part) / whole;
    return share > 0 && share < 0.05 ? "< 0.1 %" : `${share.toFixed(1)} %`;
}

// A moment as time of day in UTC, to the millisecond.
function clock(us) {
    return new Date((clock.zeroUtcUs + us) / 1e3).toISOString().slice(11, 23);
}
clock.zeroUtcUs = 0;

// A length of time: "20 ms", "12.5 s", "3 min 20 s".
function span(us) {
    const seconds = Math.round(us / 1e6);
    if (us < 119.5e6) {
        return cpuText(us);
    }
    return us < 7_199.5e6
        ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
        : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// An element with attributes and children. "text" is its text, "on" its listeners by event; what is null or false is
// left out. Styles from data have no way in: the page's policy forbids them.
function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) {
            continue;
        }
        if (name === "text") {
            made.textContent = value;
        } else if (name === "on") {
            Object.entries(value).forEach(([event, listener]) => made.addEventListener(event, listener));
        } else {
            made.setAttribute(name, value === true ? "" : value);
        }
    }
    made.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
    return made;
}

// A sentence of ours: what stands in it between backticks is a name.
function prose(sentence) {
    const parts = sentence.split("`");
    const made = document.createDocumentFragment();
    if (parts.length % 2 === 0) {
        made.append(sentence);
        return made;
    }
    made.append(...parts.map((part, index) => (index % 2 === 1 ? element("code", { text: part }) : part)));
    return made;
}

// The page's colours as a canvas needs them; read again when the scheme changes.
function theme() {
    if (!theme.colours) {
        // Only where it is used does a colour become that of the scheme.
        const probe = document.body.appendChild(element("span"));
        const colour = name => {
            probe.style.color = `var(${name})`;
            return getComputedStyle(probe).color;
        };
        const numbered = (name, count) => Array.from({ length: count }, (_, index) => colour(`--${name}-${index + 1}`));
        theme.colours = {
            ink: colour("--ink"),
            pale: colour("--pale"),
            paper: colour("--paper"),
            soft: colour("--soft"),
            onColour: colour("--on-colour"),
            line: colour("--line"),
            accent: colour("--accent"),
            warn: colour("--warn"),
            grew: colour("--grew"),
            shrank: colour("--shrank"),
            same: colour("--same"),
            owners: numbered("owner", 10),
            kinds: numbered("kind", 6),
            heat: numbered("heat", 7),
        };
        probe.remove();
    }
    return theme.colours;
}
theme.colours = null;

// Tells a screen reader.
function announce(text) {
    document.getElementById("announced").textContent = text;
}
