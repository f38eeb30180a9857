// Where it ran: fingerprint, config, variables, packages, cluster, what changed and what of it was withheld, all of them
// searched by one box.

class EnvironmentPanel {
    constructor(root, model) {
        const { fingerprint, variables, config, cluster, packages } = model.head.environment;
        const { redactions } = model.head;
        const changes = model.head.tables.changes ?? [];
        const search = searchBox("search the environment: text or /regex/", term => this.filter(term));
        this.count = search.count;
        this.parts = [
            this.part("Changed since before", changes.length > 0 ? changeList(changes) : null),
            this.part("Fingerprint", fingerprint ? definitions(fingerprint) : null),
            this.part("Config, redacted", config ? numberedLines(config) : null),
            this.part("Variables", variables.length > 0 ? variableLists(variables) : null),
            this.part("Packages", packages.length > 0 ? packageList(packages) : null),
            this.part("Cluster", cluster ? definitions(cluster) : null),
            this.part("Withheld, never a value", redactions.length > 0 ? redactionList(redactions) : null),
        ].filter(part => part !== null);
        root.append(
            element("div", { class: "panel-tools screen" }, search.box, search.count),
            ...this.parts.map(part => part.box),
        );
        if (this.parts.length === 0) root.append(nothingWords("Nothing of the environment is in the bundle"));
        this.filter("");
    }

    part(title, content) {
        if (content === null) return null;
        const summary = element("summary", {});
        return {
            title,
            summary,
            box: element("details", { class: "panel" }, summary, content.box),
            entries: content.entries,
        };
    }

    filter(term) {
        const isMatch = textMatcher(term);
        let found = 0;
        for (const part of this.parts) {
            let shown = 0;
            for (const { node, text } of part.entries) {
                node.hidden = term !== "" && (isMatch === null || !isMatch(text));
                shown += node.hidden ? 0 : 1;
            }
            found += shown;
            const all = part.entries.length;
            part.summary.textContent = term === "" ? `${part.title} (${all})` : `${part.title}: ${shown} of ${all}`;
            part.box.open = term !== "" && shown > 0;
            for (const list of part.box.querySelectorAll(".nested")) {
                list.hidden = list.querySelector(".entry:not([hidden])") === null;
                if (list instanceof HTMLDetailsElement) list.open = term !== "";
            }
        }
        this.count.textContent = isMatch === null ? "not a regular expression" : term === "" ? "" : `${found} found`;
    }
}

// Objects with no more fields than this are one line.
const SMALL_FIELDS = 4;

// An object as nested lists: `{box, entries}`, each entry with the text by which it is found, its place included.
function definitions(value, path = []) {
    const entries = [];
    const box = element("dl", { class: "definitions" });
    for (const [key, part] of Object.entries(value)) {
        const name = nameOfPart(value, key);
        const here = [...path, name];
        if (part !== null && typeof part === "object" && !isOneLine(part)) {
            const below = definitions(part, here);
            entries.push(...below.entries);
            // Of a list there may be many.
            box.append(
                Array.isArray(value)
                    ? element("details", { class: "nested" }, element("summary", { text: name }), below.box)
                    : element("div", { class: "nested" }, element("dt", { text: name }), element("dd", {}, below.box)),
            );
            continue;
        }
        const text = plainText(key, part);
        const words = element("dd", { text, class: part === null ? "pale" : null });
        const node = element("div", { class: "entry" }, element("dt", { text: name }), words);
        entries.push({ node, text: `${here.join(" ")} ${text}` });
        box.append(node);
    }
    return { box, entries };
}

// What is in a list has the name that it says itself.
function nameOfPart(whole, key) {
    if (!Array.isArray(whole)) return fieldWords(key);
    const part = whole[key];
    const own = part?.name ?? part?.role ?? String(Number(key) + 1);
    return part?.id?.pid ? `${own} ${part.id.pid}` : own;
}

// A field's name as words. Its unit stands with its value.
function fieldWords(field) {
    return field.replace(/_(bytes|percent|seconds)$/, "").replaceAll("_", " ");
}

function isOneLine(value) {
    const parts = Object.values(value);
    const isPlain = parts.every(part => part === null || typeof part !== "object");
    return isPlain && (Array.isArray(value) || parts.length <= SMALL_FIELDS);
}

// A value in words: sizes and shares by the unit that their names tell.
function plainText(key, value) {
    if (value === null || value === undefined) return "–";
    if (Array.isArray(value)) return value.length > 0 ? value.join(", ") : "none";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "object") {
        const fields = Object.entries(value).filter(([field]) => field !== "name");
        return fields.map(([field, part]) => `${fieldWords(field)} ${plainText(field, part)}`).join(", ");
    }
    if (typeof value !== "number") return String(value);
    const isOf = unit => key.split("_").includes(unit);
    if (isOf("bytes")) return figureText("bytes", value);
    if (isOf("percent")) return `${trimmedNumber(value)} %`;
    if (isOf("seconds")) return figureText("seconds", value);
    return Number.isInteger(value) ? String(value) : figureText("number", value);
}

function numberedLines(text) {
    const entries = linesOf(text).map(line => ({ node: element("li", { class: "entry", text: line }), text: line }));
    // A line keeps its number when others are hidden.
    entries.forEach(({ node }, index) => {
        node.value = index + 1;
    });
    return {
        box: element(
            "ol",
            { class: "code-lines" },
            entries.map(({ node }) => node),
        ),
        entries,
    };
}

// Variables of the processes, those alike together.
function variableLists(groups) {
    const parts = groups.map(({ pids, variables }) => ({ pids, ...definitions(variables) }));
    const boxes = parts.map(({ pids, box }) => {
        const many = pids.length === 1 ? "process" : "processes";
        return element("div", { class: "nested" }, element("h4", { text: `${many} ${pids.join(", ")}` }), box);
    });
    return { box: element("div", {}, boxes), entries: parts.flatMap(part => part.entries) };
}

function packageList(packages) {
    const entries = packages.map(({ name, version, installed_utc: installed }) => {
        const title = installed ? `installed ${installed}` : null;
        const node = element(
            "li",
            { class: "entry", title },
            name,
            " ",
            element("span", { class: "pale", text: version ?? "" }),
        );
        return { node, text: `${name} ${version}` };
    });
    return listOf(entries, { class: "packages" });
}

// What can be searched, entry by entry.
function listOf(entries, attributes = {}) {
    const nodes = entries.map(({ node }) => node);
    return { box: element("ul", attributes, nodes), entries };
}

function changeList(changes) {
    const entries = changes.map(({ area, what, before, after, note }) => {
        const words = `${before ?? "not there"} → ${after ?? "gone"}${note === null ? "" : `; ${note}`}`;
        const node = element(
            "li",
            { class: "entry" },
            `${plainText("", area)} `,
            element("strong", { text: what }),
            `: ${words}`,
        );
        return { node, text: node.textContent };
    });
    return listOf(entries);
}

// By which rule, in which file, and how often.
function redactionList(redactions) {
    const entries = redactions.map(({ rule, file, count }) => {
        const often = count === 1 ? "once" : `${count} times`;
        const node = element("li", { class: "entry", text: `${rule}, ${file}: ${often}` });
        return { node, text: node.textContent };
    });
    return listOf(entries);
}

// Rows that are alike as a table that can be searched; the heads are the names of their fields.
function rowTable(title, rows) {
    const isTold = head => rows.some(row => row[head] !== null && row[head]?.length !== 0);
    const heads = [...new Set(rows.flatMap(row => Object.keys(row)))].filter(isTold);
    const cell = (head, value) =>
        element("td", { class: typeof value === "number" ? "figure" : null, text: plainText(head, value) });
    const lines = rows.map(row =>
        element(
            "tr",
            {},
            heads.map(head => cell(head, row[head])),
        ),
    );
    const search = searchBox(`search ${title.toLowerCase()}`, term => {
        const isMatch = textMatcher(term) ?? (() => false);
        lines.forEach(line => {
            line.hidden = !isMatch(line.textContent);
        });
        search.count.textContent = term === "" ? "" : `${lines.filter(line => !line.hidden).length} of ${lines.length}`;
    });
    const isFigure = head => rows.some(row => typeof row[head] === "number");
    const titles = heads.map(head =>
        element("th", { scope: "col", class: isFigure(head) ? "figure" : null, text: fieldWords(head) }),
    );
    return element(
        "div",
        { class: "rows" },
        element("h3", { text: title }),
        rows.length > 8 && element("div", { class: "panel-tools screen" }, search.box, search.count),
        element(
            "div",
            { class: "wide", tabindex: "0", role: "region", "aria-label": title },
            element("table", {}, element("thead", {}, element("tr", {}, titles)), element("tbody", {}, lines)),
        ),
    );
}

// A box to search by, and the place that tells how much was found.
function searchBox(label, search) {
    const input = element("input", {
        type: "search",
        placeholder: label,
        "aria-label": label,
        spellcheck: "false",
        on: { input: () => search(input.value) },
    });
    return { box: input, count: element("output", { class: "pale" }) };
}

function nothingWords(what) {
    return element("p", { class: "pale", text: `${what}; what is missing says why.` });
}
