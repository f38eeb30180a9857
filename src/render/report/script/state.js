// What is selected and how it is shown: one place that every view reads and writes, and the page's address says, so
// that what somebody sees can be quoted.

// What the address holds of each, and back. What cannot be read is left as it is by default.
const FORMS = {
    stretch: {
        write: range => range.map(us => String(Number((us / 1e6).toFixed(6)))).join("-"),
        read: text => {
            const found = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)-([0-9]{1,9}(?:\.[0-9]{1,6})?)$/.exec(text);
            const range = found && [Math.round(found[1] * 1e6), Math.round(found[2] * 1e6)];
            return range && range[0] < range[1] ? range : null;
        },
    },
    stretchOrBaseline: {
        write: side => (side === "baseline" ? side : FORMS.stretch.write(side)),
        read: text => (text === "baseline" ? text : FORMS.stretch.read(text)),
    },
    number: {
        write: String,
        read: text => (/^[0-9]{1,9}$/.test(text) ? Number(text) : null),
    },
    numbers: {
        write: list => list.join("."),
        read: text => (/^[0-9]{1,9}(\.[0-9]{1,9})*$/.test(text) ? text.split(".").map(Number) : []),
    },
    text: { write: text => text, read: text => text },
    yes: { write: () => "1", read: text => text === "1" },
    oneOf: (...known) => ({ write: text => text, read: text => (known.includes(text) ? text : known[0]) }),
};

// Every value by its name: its key in the address, its form there, and what it is at first.
const VALUES = {
    // The selected stretch [from, to]; null is all that was sampled.
    range: { key: "t", form: FORMS.stretch, first: null },
    // What it is held against: a stretch, "baseline", or nothing.
    compare: { key: "c", form: FORMS.stretchOrBaseline, first: null },
    worker: { key: "w", form: FORMS.number, first: null },
    thread: { key: "th", form: FORMS.number, first: null },
    // What is searched, and what is focused on or ignored.
    find: { key: "f", form: FORMS.text, first: "" },
    focus: { key: "focus", form: FORMS.text, first: "" },
    ignore: { key: "ignore", form: FORMS.text, first: "" },
    // Functions from the root to the frame that fills the width.
    zoom: { key: "z", form: FORMS.numbers, first: [] },
    inverted: { key: "inv", form: FORMS.yes, first: false },
    // Whether time without a stack is shown.
    idle: { key: "idle", form: FORMS.yes, first: false },
    colour: { key: "col", form: FORMS.oneOf("owner", "kind", "difference"), first: "owner" },
    per: { key: "per", form: FORMS.oneOf("request", "second"), first: "request" },
    // Workers whose threads are shown.
    expanded: { key: "x", form: FORMS.numbers, first: [] },
    // The function that is lit in the heatmap.
    picked: { key: "p", form: FORMS.number, first: null },
    // "auto", "light" or "dark": a reader's own, and no part of what is quoted.
    theme: { key: null, form: null, first: "auto" },
};

// What the address says of values: only what is not as it is at first.
function hashOf(values) {
    const parts = Object.entries(VALUES)
        .filter(([name, { key, first }]) => key && !isAlike(values[name], first))
        .map(([name, { key, form }]) => `${key}=${encodeURIComponent(form.write(values[name]))}`);
    return parts.length === 0 ? "" : `#${parts.join("&")}`;
}

// The values that an address says, whoever wrote it.
function valuesOf(hash) {
    const said = new URLSearchParams(hash.replace(/^#/, ""));
    const value = ({ key, form, first }) => (key && said.has(key) ? form.read(said.get(key)) : first);
    return Object.fromEntries(Object.entries(VALUES).map(([name, known]) => [name, value(known)]));
}

function isAlike(one, other) {
    return JSON.stringify(one) === JSON.stringify(other);
}

class State {
    constructor() {
        this.values = valuesOf("");
        this.told = { ...this.values };
        this.watchers = [];
        this.isWaiting = false;
        this.addressTimer = null;
    }

    // From here on the address is read and written.
    connect() {
        this.read();
        window.addEventListener("hashchange", () => this.read());
        window.addEventListener("popstate", () => this.read());
    }

    get() {
        return this.values;
    }

    // Changes values. "drag" is one step of many: the address follows when they end. "step" is a new entry in the
    // browser's history, "silent" none.
    set(patch, step = "step") {
        const before = hashOf(this.values);
        this.values = { ...this.values, ...patch };
        this.wake();
        if (typeof window === "undefined") {
            return;
        }
        if (step === "drag") {
            clearTimeout(this.addressTimer);
            this.addressTimer = setTimeout(() => this.write("replaceState"), 300);
        } else if (before !== hashOf(this.values) || this.addressTimer !== null) {
            this.write(step === "silent" ? "replaceState" : "pushState");
        }
    }

    // Calls back with all values, once for each picture, when one of these has changed.
    watch(names, callback) {
        this.watchers.push({ names, callback });
    }

    // Calls back as if a value had changed: what it stands for has, such as the colours of the reader's own scheme.
    touch(name) {
        delete this.told[name];
        this.wake();
    }

    read() {
        const { theme: kept } = this.values;
        this.values = { ...valuesOf(location.hash), theme: kept };
        this.wake();
    }

    write(how) {
        clearTimeout(this.addressTimer);
        this.addressTimer = null;
        const hash = hashOf(this.values);
        // Without any hash the address of the page itself.
        const address = hash === "" ? location.href.replace(/#.*$/, "") : hash;
        if (location.hash !== hash) {
            history[how](null, "", address);
        }
    }

    wake() {
        if (this.isWaiting) {
            return;
        }
        this.isWaiting = true;
        const later = globalThis.requestAnimationFrame ?? setTimeout;
        later(() => this.tell());
    }

    tell() {
        this.isWaiting = false;
        const before = this.told;
        this.told = { ...this.values };
        const changed = Object.keys(VALUES).filter(name => !isAlike(before[name], this.told[name]));
        for (const { names, callback } of this.watchers) {
            if (names.some(name => changed.includes(name))) {
                callback(this.values);
            }
        }
    }
}

const state = new State();
