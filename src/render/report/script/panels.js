// The panels of words: the verdict's cards, events, requests, what is missing and the ticket. What came from the
// target is text in all of them.

const LEVEL_SIGNS = { bad: "▲", warn: "!", good: "✓", plain: "·" };
const LEVEL_WORDS = { bad: "bad", warn: "to be looked at", good: "good", plain: "" };
const EVENT_WORDS = { onset: "rise", rate: "sampling" };
// So many events are shown at once.
const EVENTS_OPEN = 6;

// Fills every section that holds words.
class PanelView {
    constructor(page, model, state) {
        const section = id => page.querySelector(`#${id}`);
        fillVerdict(section("verdict"), model);
        new LogPanel(section("logs"), model, state);
        fillRequests(section("requests"), model);
        new EnvironmentPanel(section("environment"), model);
        fillGaps(section("gaps"), model);
        fillTicket(section("ticket"), model);
    }
}

// What the verdict rests on: each card leads to its evidence.
function fillVerdict(root, model) {
    root.append(element("ul", { class: "cards" }, model.head.verdict.cards.map(cardOf)));
}

function cardOf({ title, text, figures, notes, level, link }) {
    const sign = element("span", { class: "card-sign", "aria-hidden": "true", text: LEVEL_SIGNS[level] });
    const word = LEVEL_WORDS[level] && element("span", { class: "unseen", text: `${LEVEL_WORDS[level]}: ` });
    const heading = element("a", { href: link, on: { click: jumpToSection } }, title);
    const rows = figures.map(([label, value]) =>
        element("div", {}, element("dt", {}, prose(label)), element("dd", { text: value })),
    );
    const more = notes.map(([about, sentences]) =>
        element(
            "details",
            {},
            element("summary", { text: `${about} (${sentences.length})` }),
            element(
                "ul",
                {},
                sentences.map(sentence => element("li", {}, prose(sentence))),
            ),
        ),
    );
    return element(
        "li",
        { class: `card card-${level}` },
        element("h3", {}, sign, word, heading),
        text && element("p", {}, prose(text)),
        rows.length > 0 && element("dl", { class: "card-figures" }, rows),
        more,
    );
}

// What happened, by time; a click selects it.
class EventPanel {
    constructor(root, model, state) {
        this.events = model.head.events;
        this.state = state;
        if (this.events.length === 0) return;
        const bounds = timeBounds(model);
        this.rows = this.events.map(event => this.row(event, bounds));
        this.summary = element("summary", {});
        root.append(
            element(
                "details",
                { class: "panel", open: this.events.length <= EVENTS_OPEN },
                this.summary,
                element("ol", { class: "events" }, this.rows),
            ),
        );
        state.watch(["range"], () => this.update());
        this.update();
    }

    row(event, bounds) {
        const lasted = event.until_us === null ? "" : `, ${span(event.until_us - event.at_us)}`;
        const select = () => this.state.set({ range: stretchOfEvents([event], bounds) });
        const time = element("button", {
            type: "button",
            class: "event-time",
            text: clock(event.at_us),
            title: "select this stretch",
            on: { click: select },
        });
        const kind = `${EVENT_SIGNS[event.kind] ?? "●"} ${EVENT_WORDS[event.kind] ?? event.kind}${lasted}`;
        return element(
            "li",
            {},
            time,
            element("span", { class: `event-kind event-${event.kind}`, text: kind }),
            element("span", {}, prose(event.text)),
        );
    }

    update() {
        const { range } = this.state.get();
        const isWithin = event =>
            range === null || (event.at_us < range[1] && (event.until_us ?? event.at_us) >= range[0]);
        this.events.forEach((event, index) => this.rows[index].classList.toggle("dim", !isWithin(event)));
        const count = this.events.filter(isWithin).length;
        const words = range === null ? `${count}` : `${count} of ${this.events.length} in the selected stretch`;
        this.summary.textContent = `Events: ${words}`;
    }
}

// What was asked of the proxy: how much before and during, which routes and models, which shapes.
function fillRequests(root, model) {
    const { loads, routes, models, shapes } = model.head.tables;
    const before = loads.before && { when: BEFORE_NAMES[loads.before.source] ?? "before", ...loads.before.load };
    const during = { when: "during the capture", ...loads.during };
    root.append(rowTable("Load", [...(before ? [before] : []), during]));
    for (const [title, rows] of [
        ["Routes", routes],
        ["Models", models],
        ["Shapes of requests", shapes],
    ]) {
        if (rows.length > 0) root.append(rowTable(title, rows));
    }
    if (shapes.length === 0) root.append(nothingWords("No request is known by its shape"));
}

// What is missing and how to get it, and what the capture itself cost.
function fillGaps(root, model) {
    const { gaps, overhead } = model.head;
    // The heavy ones first; the same gap may have been met twice.
    const once = new Map(gaps.map(gap => [`${gap.what}\n${gap.why}`, gap]));
    const isNote = gap => (gap.weight === "note" ? 1 : 0);
    const list = [...once.values()].sort((one, other) => isNote(one) - isNote(other));
    const item = gap =>
        element(
            "li",
            { class: isNote(gap) ? "gap" : "gap gap-heavy" },
            element("strong", {}, prose(gap.what)),
            element("p", {}, prose(gap.why)),
            element("p", { class: "cure" }, "To get it: ", prose(gap.cure)),
        );
    root.append(
        list.length > 0
            ? element("ul", { class: "gaps" }, list.map(item))
            : element("p", { text: "Nothing that was looked for." }),
    );
    if (overhead) root.append(element("h3", { text: "What the capture itself cost" }), definitions(overhead).box);
}

// The ticket's text, ready to be pasted.
function fillTicket(root, model) {
    const { ticket } = model.head;
    if (ticket === null) {
        root.append(element("p", { class: "pale", text: "No ticket was written." }));
        return;
    }
    const copy = async () =>
        announce((await copied(ticket)) ? "The ticket is copied." : "The browser forbids to copy it.");
    root.append(
        element("button", { type: "button", class: "screen", text: "Copy", on: { click: copy } }),
        element("pre", { class: "ticket", tabindex: "0", text: ticket }),
    );
}

async function copied(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return false;
    }
}
