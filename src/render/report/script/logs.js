// LiteLLM's log before and during the capture: searched, held against the selected stretch, and never all on the screen
// at once, as it may have a hundred thousand lines.
//
// Many lines tell no time. Such a line was written between its neighbours that do, so that of each line is known from
// when to when it can have been written, and whether it is surely, perhaps or not of a stretch.

const LOG_LINE_PIXELS = 18;
const UNSURE_WORDS =
    "~ A line whose time is not known was written between neighbours whose time is: before, in or after the stretch.";
// Lines above and below what is seen, so that a fast scroll shows no blank.
const LOG_LINES_AROUND = 20;
const LEVELS = [
    ["bad", /\b(?:ERROR|CRITICAL|FATAL|Traceback)\b|" 5\d\d\b|\w(?:Error|Exception)\b/],
    ["warn", /\bWARN(?:ING)?\b|" 4\d\d\b/],
];

// All lines of both parts: `{text, at, earliest, latest, isDuring}`, times in microseconds and `at` null where none
// is told.
function logLines(logs, { from_us: begin, to_us: end }) {
    const parts = [
        [logs.before, false],
        [logs.during, true],
    ];
    const lines = parts.flatMap(([text, isDuring]) => linesOf(text).map(text => ({ text, isDuring })));
    const known = index => logs.lines_at[index] ?? null;
    let earliest = -Infinity;
    lines.forEach((line, index) => {
        line.at = known(index);
        if (line.isDuring) earliest = Math.max(earliest, begin);
        line.earliest = line.at ?? earliest;
        earliest = Math.max(earliest, line.earliest);
    });
    let latest = end;
    for (let index = lines.length - 1; index >= 0; index -= 1) {
        const line = lines[index];
        if (!line.isDuring) latest = Math.min(latest, begin);
        line.latest = line.at ?? Math.max(latest, line.earliest);
        latest = Math.min(latest, line.latest);
    }
    return lines;
}

// As the times are counted: an end of line ends a line and begins none.
function linesOf(text) {
    if (!text) return [];
    const lines = text.split("\n").map(line => line.replace(/\r$/, ""));
    return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

// Whether a line is of a stretch: "yes", "perhaps" or "no".
function lineWithin(line, stretch) {
    if (stretch === null) return "yes";
    const [from, to] = stretch;
    // A line's time has whole seconds, so that it can have been written until the next one.
    const latest = line.at === null || line.at % 1e6 !== 0 ? line.latest : line.latest + 999999;
    if (latest < from || line.earliest >= to) return "no";
    return line.earliest >= from && latest < to ? "yes" : "perhaps";
}

// What is looked for: text without regard to case, or `/a regular expression/`. Null where that is none.
function textMatcher(term) {
    const expression = /^\/(.*)\/$/.exec(term);
    if (expression === null) {
        const lower = term.toLowerCase();
        return text => text.toLowerCase().includes(lower);
    }
    try {
        const pattern = new RegExp(expression[1], "i");
        return text => pattern.test(text);
    } catch {
        return null;
    }
}

function lineLevel(text) {
    return LEVELS.find(([, pattern]) => pattern.test(text))?.[0] ?? "plain";
}

// The lines that are shown, each with whether it is of the stretch: `{line, within}`.
function shownLines(lines, { term, stretch, isOnlyStretch }) {
    const isMatch = term === "" ? () => true : textMatcher(term);
    if (isMatch === null) return [];
    const shown = [];
    for (const line of lines) {
        if (!isMatch(line.text)) continue;
        const within = lineWithin(line, stretch);
        if (within !== "no" || !isOnlyStretch) shown.push({ line, within });
    }
    return shown;
}

class LogPanel {
    constructor(root, model, state) {
        this.model = model;
        this.state = state;
        this.lines = logLines(model.head.logs, model.head.capture);
        this.term = "";
        this.shown = [];
        if (this.lines.length === 0) {
            root.append(nothingWords("No line of LiteLLM's log is in the bundle"));
            return;
        }
        this.build(root);
        state.watch(["range"], () => this.filter());
        new ResizeObserver(() => this.paint()).observe(this.box);
        this.filter();
    }

    build(root) {
        const search = searchBox("search the log: text or /regex/", term => {
            this.term = term;
            this.filter();
        });
        this.count = search.count;
        this.only = element("input", { type: "checkbox", on: { change: () => this.filter() } });
        this.onlyLabel = element("label", {}, this.only, " only lines of the selected stretch");
        this.window = element("div", { class: "log-window" });
        this.room = element("div", { class: "log-room" }, this.window);
        this.box = element(
            "div",
            {
                class: "log-box wide",
                tabindex: "0",
                role: "list",
                "aria-label": "lines of the log",
                on: { scroll: () => this.paint() },
            },
            this.room,
        );
        this.note = element("p", { class: "pale" });
        root.append(
            element("div", { class: "panel-tools" }, search.box, this.onlyLabel, search.count),
            this.box,
            this.note,
        );
    }

    filter() {
        const stretch = this.state.get().range ?? null;
        this.onlyLabel.hidden = stretch === null;
        this.shown = shownLines(this.lines, { term: this.term, stretch, isOnlyStretch: this.only.checked });
        const count = within => this.shown.filter(line => line.within === within).length;
        const perhaps = count("perhaps");
        const ofStretch = [
            ...(stretch === null ? [] : [`${count("yes")} of the selected stretch`]),
            ...(perhaps > 0 ? [`${perhaps} perhaps of it (~)`] : []),
        ];
        this.count.textContent =
            textMatcher(this.term) === null
                ? "not a regular expression"
                : [`${this.shown.length} of ${this.lines.length} lines`, ...ofStretch].join(", ");
        this.note.textContent = perhaps > 0 ? UNSURE_WORDS : "";
        this.room.style.height = `${this.shown.length * LOG_LINE_PIXELS}px`;
        if (stretch !== null) this.scrollToStretch();
        this.paint();
    }

    // The first line of the stretch comes into sight where none is.
    scrollToStretch() {
        const first = this.shown.findIndex(line => line.within !== "no");
        if (first < 0) return;
        const [top, bottom] = [this.box.scrollTop, this.box.scrollTop + this.box.clientHeight];
        const seen = this.shown.slice(Math.floor(top / LOG_LINE_PIXELS), Math.ceil(bottom / LOG_LINE_PIXELS));
        if (!seen.some(line => line.within !== "no")) this.box.scrollTop = first * LOG_LINE_PIXELS;
    }

    paint() {
        const first = Math.max(Math.floor(this.box.scrollTop / LOG_LINE_PIXELS) - LOG_LINES_AROUND, 0);
        const count = Math.ceil(this.box.clientHeight / LOG_LINE_PIXELS) + 2 * LOG_LINES_AROUND;
        this.window.style.transform = `translateY(${first * LOG_LINE_PIXELS}px)`;
        const rows = this.shown.slice(first, first + count).map((shown, index) => this.row(shown, first + index));
        this.window.replaceChildren(...rows);
    }

    row({ line, within }, index) {
        const zero = this.model.head.capture.zero_utc_us;
        const time = line.at === null ? "" : utcText(zero + line.at, MICROS_PER_SECOND);
        const mark = within === "perhaps" ? "~ " : "";
        const part = line.isDuring ? "during" : "before";
        return element(
            "div",
            {
                class: `log-line log-${lineLevel(line.text)} log-${within} log-${part}`,
                role: "listitem",
                "aria-setsize": String(this.shown.length),
                "aria-posinset": String(index + 1),
            },
            element("span", { class: "log-time", text: mark + time }),
            element("span", { text: line.text }),
        );
    }
}
