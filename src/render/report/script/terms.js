// What a search box may hold, and which stacks it names: `text` (in a function's name or its file, capitals or not),
// `/regular expression/`, `file.py:42` (a line), `"function (file.py)"` (this function alone), and, for whose work a
// stack is and of what code, `owner:NAME` and `kind:NAME`.

// Terms that stand together are written with this between them.
const TERMS_APART = "\n";
// A line's number behind a file's name.
const LINE_TERM = /^([^\s:]+\.pyx?):(\d+)$/;

class Term {
    // `form` is "nothing", "text", "pattern", "line", "function", "owner", "kind" or "broken".
    constructor(text, form, value) {
        this.text = text;
        this.form = form;
        this.value = value;
    }

    static of(typed) {
        const text = typed.trim();
        if (text === "") {
            return new Term(text, "nothing", null);
        }
        if (text.length > 2 && text.startsWith("/") && text.endsWith("/")) {
            return Term.#pattern(text);
        }
        if (text.length > 2 && text.startsWith("\"") && text.endsWith("\"")) {
            return new Term(text, "function", text.slice(1, -1));
        }
        const line = LINE_TERM.exec(text);
        if (line) {
            return new Term(text, "line", { file: line[1].toLowerCase(), line: Number(line[2]) });
        }
        for (const form of ["owner", "kind"]) {
            if (text.startsWith(`${form}:`)) {
                return new Term(text, form, text.slice(form.length + 1));
            }
        }
        return new Term(text, "text", text.toLowerCase());
    }

    static function(label) {
        return `"${label}"`;
    }

    static #pattern(text) {
        try {
            return new Term(text, "pattern", new RegExp(text.slice(1, -1), "iu"));
        } catch (error) {
            return new Term(text, "broken", error.message);
        }
    }

    get isNothing() {
        return this.form === "nothing" || this.form === "broken";
    }

    // Why it names nothing; null where it is in order.
    get problem() {
        return this.form === "broken" ? this.value : null;
    }

    // "callees": what a named frame called belongs to it. "leaf": the innermost frame alone decides.
    get reach() {
        return this.form === "owner" || this.form === "kind" ? "leaf" : "callees";
    }

    // As a person would say it.
    get words() {
        return this.form === "function" ? this.value : this.text.replace(/^(owner|kind):/, "$1 ");
    }

    // For each stack whether its innermost frame is named.
    stacks(model, functions) {
        const { frame, owner } = model.stacks;
        const named = new Uint8Array(frame.length);
        if (this.form === "owner") {
            const index = model.head.owners.indexOf(this.value);
            owner.forEach((which, stack) => { named[stack] = which === index ? 1 : 0; });
            return named;
        }
        const frames = this.#frames(model, functions);
        frame.forEach((which, stack) => { named[stack] = frames[which]; });
        return named;
    }

    #frames(model, functions) {
        const { line, kind } = model.frames;
        const isIn = (frame, file) => functions.lower[functions.ofFrame[frame]].endsWith(`${file})`);
        switch (this.form) {
            case "text":
                return functions.spread(index => functions.lower[index].includes(this.value));
            case "pattern":
                return functions.spread(index => this.value.test(functions.label[index]));
            case "function":
                return functions.spread(index => functions.label[index] === this.value);
            case "line":
                return Uint8Array.from(line, (number, frame) => {
                    return number === this.value.line && isIn(frame, this.value.file) ? 1 : 0;
                });
            case "kind":
                return Uint8Array.from(kind, index => (model.head.kinds[index] === this.value ? 1 : 0));
            default:
                return new Uint8Array(functions.ofFrame.length);
        }
    }
}

// All the terms of a text, and back.
function termsIn(text) {
    return text === "" ? [] : text.split(TERMS_APART);
}

function termsTogether(terms) {
    return terms.join(TERMS_APART);
}
