// The functions of a capture by their numbers, as they are read, searched and sorted.

class Functions {
    constructor(model) {
        this.ofFrame = model.functionOf;
        this.count = model.functions.length;
        const each = of => Array.from({ length: this.count }, (_, number) => of(number));
        this.name = each(number => oneLine(model.nameOf(number)));
        this.file = each(number => oneLine(model.fileOf(number)));
        this.kind = each(number => model.kindOf(number));
        this.label = each(number => labelOf(this.name[number], this.file[number]));
        this.lower = this.label.map(label => label.toLowerCase());
        this.rank = new Uint32Array(this.count);
        const order = Array.from(this.label.keys()).sort((a, b) => compareText(this.label[a], this.label[b]));
        order.forEach((number, rank) => {
            this.rank[number] = rank;
        });
    }

    // What holds for each function, for each of its frames.
    spread(holds) {
        const answers = this.label.map((_, number) => (holds(number) ? 1 : 0));
        return Uint8Array.from(this.ofFrame, number => answers[number]);
    }
}

function labelOf(name, file) {
    return file === "" ? name : `${name} (${file})`;
}

// By code units: the same order in every language, and fast.
function compareText(a, b) {
    if (a === b) {
        return 0;
    }
    return a < b ? -1 : 1;
}

// A name must not break a line.
function oneLine(text) {
    return text.replace(/[\u0000-\u001f\u2028\u2029]/gu, " ");
}
