// What can be done with a node of the flamegraph: a menu by the right button or the key M, and the list of all keys.

const MENU_ACTS = [
    ["Zoom in", "Enter", (view, node) => view.zoomInto(node)],
    ["Only stacks through it", "F", (view, node) => view.focusOn(node)],
    ["Leave out stacks through it", "X", (view, node) => view.leaveOut(node)],
    ["Search for it", "", (view, node) => view.search(node)],
    ["Show when it ran", "H", (view, node) => view.light(node)],
    ["Copy its name", "C", (view, node) => view.copy(node, "name")],
    ["Copy the stack", "S", (view, node) => view.copy(node, "lines")],
    ["Copy the stack, collapsed", "Shift S", (view, node) => view.copy(node, "collapsed")],
];

const KEYS_TOLD = [
    ["↑ ↓ ← →", "to the caller, the largest callee, the neighbours"],
    ["Enter, Backspace", "zoom in, one step out"],
    ["Escape", "back: the zoom, then the search, then what was restricted"],
    ["/", "search: text, /regex/, file.py:42, \"function (file.py)\""],
    ["N, Shift N", "next and previous match"],
    ["I", "inverted: callers below what they called"],
    ["F, X", "only stacks through it; leave them out"],
    ["H", "show in the heatmap when it ran"],
    ["C, S, Shift S", "copy its name, its stack, its stack collapsed"],
    ["M", "menu"],
    ["Home", "to the top"],
];

class FlameMenu {
    #view;
    #node = null;

    constructor(view) {
        this.#view = view;
        const items = MENU_ACTS.map(([text, key, act]) => element("button", {
            type: "button",
            role: "menuitem",
            tabindex: "-1",
            on: { click: () => this.#do(act) },
        }, element("span", { text }), element("kbd", { text: key })));
        this.root = element("div", { class: "flame-menu", role: "menu", "aria-label": "Frame", on: {
            keydown: event => this.#key(event),
            focusout: event => { if (!this.root.contains(event.relatedTarget)) this.root.hidden = true; },
        } }, ...items);
        this.root.hidden = true;
    }

    open(node, x, y) {
        this.#node = node;
        this.root.hidden = false;
        placeBeside(this.root, x - 14, y - 18);
        this.root.firstElementChild.focus();
    }

    #do(act) {
        this.#close();
        act(this.#view, this.#node);
    }

    #close() {
        this.root.hidden = true;
        this.#view.tree.focus({ preventScroll: true });
    }

    #key(event) {
        const items = [...this.root.children];
        const at = items.indexOf(document.activeElement);
        const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
        if (event.key === "Escape" || event.key === "Tab") {
            this.#close();
        } else if (to === undefined) {
            return;
        } else {
            items[to % items.length].focus();
        }
        event.preventDefault();
        event.stopPropagation();
    }
}

function flameHelp() {
    const keys = KEYS_TOLD.flatMap(([key, does]) => [
        element("dt", {}, element("kbd", { text: key })),
        element("dd", { text: does }),
    ]);
    const title = element("summary", { text: "Keys of the flamegraph" });
    return element("details", { class: "flame-help", id: "flame-help" }, title, element("dl", {}, keys));
}

// Into the clipboard; whether that was allowed. A page that was opened as a file may not be allowed to, but a field
// that is selected can be copied even then.
async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
        field.value = text;
        document.body.append(field);
        field.select();
        const isCopied = document.execCommand("copy");
        field.remove();
        return isCopied;
    }
}
