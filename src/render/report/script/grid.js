// A table that is sorted by any column, filtered by a text, and long only where that is asked for. Its lines stay, and
// what is on them is written over while a range is drawn.

const ROWS_AT_ONCE = 100;
const ROWS_MORE = 500;

// A column of names, sorted from the first to the last; `act` is what a click on one does.
function wordColumn(id, title, text, act = null) {
    return { id, title, text, value: text, act, isFigure: false };
}

// A column of figures, sorted from the largest to the smallest. What has no figure is null.
function figureColumn(id, title, hint, value, text) {
    return { id, title, hint, value, text, isFigure: true };
}

class Grid {
    #columns;
    #rows = [];
    #sortedBy;
    #isDown;
    #shown = ROWS_AT_ONCE;
    #headed = null;
    #lines = [];

    constructor({ caption, columns, sortedBy }) {
        this.#columns = columns;
        this.#sortedBy = sortedBy;
        this.#isDown = this.#column().isFigure;
        this.head = element("tr");
        this.body = element("tbody");
        this.count = element("output", { class: "grid-count" });
        this.more = element("button", { type: "button", text: "More rows", on: { click: () => this.#showMore() } });
        const filter = `Filter ${caption.toLowerCase()}`;
        this.filter = element("input", { type: "search", placeholder: filter, "aria-label": filter });
        this.filter.addEventListener("input", () => this.#draw());
        const table = element(
            "table",
            { class: "grid" },
            element("caption", { text: caption }),
            element("thead", {}, this.head),
            this.body,
        );
        this.root = element(
            "div",
            {},
            element("div", { class: "grid-bar" }, this.filter, this.count),
            element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }, table),
            this.more,
        );
    }

    #column() {
        return this.#columns.find(column => column.id === this.#sortedBy) ?? this.#columns[0];
    }

    show(rows, columns = this.#columns) {
        this.#rows = rows;
        this.#columns = columns;
        this.#draw();
    }

    #showMore() {
        this.#shown += ROWS_MORE;
        this.#draw();
    }

    #sortBy(column) {
        this.#isDown = column.id === this.#sortedBy ? !this.#isDown : column.isFigure;
        this.#sortedBy = column.id;
        this.#shown = ROWS_AT_ONCE;
        this.#draw();
        this.head.querySelector("[aria-sort] > button").focus();
        announce(`Sorted by ${column.title}, ${this.#isDown ? "from the end" : "from the beginning"}.`);
    }

    #draw() {
        const filtered = filteredRows(this.#rows, this.#columns, this.filter.value);
        const rows = sortedRows(filtered, this.#column(), this.#isDown);
        this.#drawHead();
        this.#drawLines(rows.slice(0, this.#shown));
        this.more.hidden = rows.length <= this.#shown;
        const shown = this.more.hidden ? "" : `${this.#shown} of `;
        this.count.textContent = rows.length === 1 ? "1 row" : `${shown}${rows.length} rows`;
    }

    #drawHead() {
        const told = `${this.#sortedBy} ${this.#isDown} ${this.#columns.map(column => column.title)}`;
        if (told !== this.#headed) {
            this.#headed = told;
            this.head.replaceChildren(...this.#columns.map(column => this.#headOf(column)));
        }
    }

    #drawLines(rows) {
        const ids = String(this.#columns.map(column => column.id));
        const kept = this.#lines.filter(line => line.ids === ids).slice(0, rows.length);
        const missing = Array.from({ length: rows.length - kept.length }, () => new GridLine(ids, this.#columns));
        this.#lines = [...kept, ...missing];
        rows.forEach((row, index) => this.#lines[index].show(row, this.#columns));
        if (missing.length > 0 || kept.length < this.body.childElementCount) {
            this.body.replaceChildren(...this.#lines.map(line => line.root));
        }
    }

    #headOf(column) {
        const isSorted = column === this.#column();
        const order = this.#isDown ? "descending" : "ascending";
        const arrow = this.#isDown ? " ↓" : " ↑";
        const act = { click: () => this.#sortBy(column) };
        return element(
            "th",
            { scope: "col", class: column.isFigure && "figure", "aria-sort": isSorted && order },
            element("button", { type: "button", title: column.hint, text: column.title, on: act }),
            isSorted && element("span", { "aria-hidden": "true", text: arrow }),
        );
    }
}

// A line of a table with certain columns, for whatever row stands there.
class GridLine {
    #columns;
    #row = null;
    #cells;

    constructor(ids, columns) {
        this.ids = ids;
        this.#columns = columns;
        this.#cells = columns.map((column, index) => {
            if (column.act) {
                const words = actButton("", () => this.#columns[index].act(this.#row));
                return { words, box: element("td", {}, words) };
            }
            const words = document.createTextNode("");
            const share = column.share && shareBar(0);
            return { words, share, box: element("td", { class: column.isFigure ? "figure" : "words" }, share, words) };
        });
        this.root = element("tr", {}, this.#cells.map(({ box }) => box));
    }

    show(row, columns) {
        this.#row = row;
        this.#columns = columns;
        this.root.classList.toggle("grid-chosen", row.isChosen === true);
        columns.forEach((column, index) => {
            const { words, share, box } = this.#cells[index];
            setText(words, column.value(row) === null ? "–" : column.text(row));
            if (share) {
                scaleBar(share, column.share(row));
            }
            if (column.tone) {
                box.className = `figure ${column.tone(row)}`;
            }
        });
    }
}

function actButton(text, click, title = null) {
    return element("button", { type: "button", class: "grid-act", text, title, on: { click } });
}

// A share from 0 to 1 as a length below its figure.
function shareBar(share) {
    return scaleBar(element("span", { class: "grid-share", "aria-hidden": "true" }), share);
}

// Another width would be another layout.
function scaleBar(bar, share) {
    bar.style.transform = `scaleX(${Math.min(1, Math.max(0, share || 0)).toFixed(4)})`;
    return bar;
}

// Rows in whose words the text occurs.
function filteredRows(rows, columns, typed) {
    const wanted = typed.trim().toLowerCase();
    const words = columns.filter(column => !column.isFigure);
    return rows.filter(row => words.some(column => column.text(row).toLowerCase().includes(wanted)));
}

// What has no value stands at the end in either direction; equals stay in their order.
function sortedRows(rows, { value }, isDown) {
    const sign = isDown ? -1 : 1;
    return [...rows].sort((a, b) => {
        const [one, other] = [value(a), value(b)];
        if (one === null || other === null) {
            return (one === null ? 1 : 0) - (other === null ? 1 : 0);
        }
        return sign * (typeof one === "string" ? compareText(one, other) : one - other);
    });
}
