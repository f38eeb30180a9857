// The page itself: its sections, the bar that says what is selected, and the views that fill them.

// The sections in their order: the id, the title, and what is in each.
const SECTIONS = [
    ["verdict", "Verdict"],
    ["time", "Over time"],
    ["flame", "Where the CPU went"],
    ["tables", "Functions, owners, workers, requests"],
    ["logs", "Logs"],
    ["requests", "Requests"],
    ["environment", "Environment"],
    ["gaps", "What is missing"],
    ["ticket", "The ticket"],
];

function buildSkeleton(model) {
    const page = document.getElementById("page");
    const jump = ([id, title]) => element("a", { href: `#${id}`, text: title, on: { click: jumpToSection } });
    const jumps = SECTIONS.map(jump);
    document.getElementById("head").append(element("p", { class: "pale", text: aboutCapture(model) }), themeSwitch());
    page.append(element("p", { id: "announced", class: "unseen", role: "status", "aria-live": "polite" }));
    page.append(element("nav", { class: "screen", "aria-label": "Sections" }, jumps));
    page.append(element("p", { id: "sentence" }, prose(model.head.verdict.sentence)));
    page.append(element("div", { id: "selection", class: "bar", role: "region", "aria-label": "Selection" }));
    for (const [id, title] of SECTIONS) {
        const heading = element("h2", { id: `${id}-title`, text: title });
        page.append(element("section", { id, "aria-labelledby": `${id}-title`, tabindex: "-1" }, heading));
    }
}

function aboutCapture(model) {
    const { capture } = model.head;
    const stretch = span(capture.to_us - capture.from_us);
    const stacks = capture.stacks_missing === null ? "sampled" : "without stacks";
    const count = capture.workers === 1 ? "1 worker" : `${capture.workers} workers`;
    return `${count}, ${stretch} ${stacks}; ${capture.status}; by ${capture.tool}`;
}

// The address says what is selected, so that a section is gone to without it.
function jumpToSection(event) {
    event.preventDefault();
    showSection(event.currentTarget.getAttribute("href").slice(1));
}

// Brings a section into sight.
function showSection(id) {
    const section = document.getElementById(id);
    section?.scrollIntoView();
    section?.focus({ preventScroll: true });
}

function themeSwitch() {
    const next = { auto: "light", light: "dark", dark: "auto" };
    const label = () => `Colours: ${state.get().theme}`;
    const button = element("button", { type: "button", class: "screen", id: "theme", text: label() });
    const apply = () => {
        const { theme: chosen } = state.get();
        document.documentElement.dataset.theme = chosen;
        button.textContent = label();
        theme.colours = null;
    };
    button.addEventListener("click", () => state.set({ theme: next[state.get().theme] }, "silent"));
    // The first to hear of it: the views paint with what is forgotten here.
    state.watch(["theme"], apply);
    apply();
    return button;
}

// What is selected, each in words with the values that take it back.
function selectionParts(model, values) {
    const stretch = range => `${clock(range[0])} to ${clock(range[1])} (${span(range[1] - range[0])})`;
    const against = side => (side === "baseline" ? `against ${model.head.baseline?.name}` : `against ${stretch(side)}`);
    const thread = number => `thread ${model.head.threads[number].name}`;
    const single = (name, say) => (values[name] === null ? [] : [[say(values[name]), { [name]: null }]]);
    const terms = (name, words) => termsIn(values[name]).map(term => {
        const others = termsIn(values[name]).filter(text => text !== term);
        return [`${words} ${Term.of(term).words}`, { [name]: termsTogether(others), zoom: [] }];
    });
    return [
        ...single("range", stretch),
        ...single("compare", against),
        ...single("worker", number => model.head.workers[number].label),
        ...single("thread", thread),
        ...terms("focus", "only"),
        ...terms("ignore", "without"),
    ];
}

function selectionBar(model) {
    const bar = document.getElementById("selection");
    const part = ([text, without]) => element("span", { class: "chosen" }, text, " ", element("button", {
        type: "button",
        text: "×",
        "aria-label": `no longer ${text}`,
        on: { click: () => state.set(without) },
    }));
    const update = () => {
        const parts = selectionParts(model, state.get());
        const all = "All that was sampled";
        bar.replaceChildren(...(parts.length === 0 ? [element("span", { text: all })] : parts.map(part)));
        announce(parts.length === 0 ? all : parts.map(([text]) => text).join(", "));
    };
    state.watch(["range", "compare", "worker", "thread", "focus", "ignore"], update);
    update();
}

// What an address says of another page need not be here.
function withinThis(model) {
    const { worker, thread, picked, compare } = state.get();
    const { workers, threads, baseline } = model.head;
    const isBeyond = (number, count) => number !== null && number >= count;
    const patch = {};
    if (isBeyond(worker, workers.length)) {
        patch.worker = null;
    }
    if (isBeyond(thread, threads.length)) {
        patch.thread = null;
    }
    if (isBeyond(picked, model.functions.length)) {
        patch.picked = null;
    }
    if (compare === "baseline" && !baseline) {
        patch.compare = null;
    }
    if (Object.keys(patch).length > 0) {
        state.set(patch, "silent");
    }
}

function bootViews(model) {
    const root = id => document.getElementById(id);
    if (typeof PanelView === "function") {
        new PanelView(root("page"), model, state);
    }
    if (typeof TimeView === "function") {
        new TimeView(root("time"), model, state);
    }
    if (model.head.capture.stacks_missing !== null) {
        root("flame").append(element("p", { class: "warn" }, prose(stacksMissingWords(model))));
    } else if (typeof FlameView === "function") {
        new FlameView(root("flame"), model, state);
    }
    if (typeof TableView === "function") {
        new TableView(root("tables"), model, state);
    }
}

// Paints with the colours of now, at once: what is printed does not wait.
function recolour() {
    theme.colours = null;
    state.touch("theme");
    state.tell();
}

async function bootPage() {
    if (typeof DecompressionStream !== "function") {
        throw new Error("this browser is older than 2023 and cannot unpack it; open it in a newer one");
    }
    const model = await decode();
    state.connect();
    withinThis(model);
    buildSkeleton(model);
    selectionBar(model);
    // On paper the colours are those of the light.
    for (const media of ["(prefers-color-scheme: dark)", "print"]) {
        matchMedia(media).addEventListener("change", recolour);
    }
    bootViews(model);
    document.documentElement.dataset.ready = "";
}

bootPage().catch(error => {
    const cure = "Make the page again from the bundle: capture report BUNDLE";
    const text = `The page cannot show its data: ${error.message}. ${cure}`;
    document.getElementById("page").append(element("p", { class: "warn", role: "alert", text }));
    throw error;
});
