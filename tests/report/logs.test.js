// The log's lines: when each can have been written, which are of a stretch, and what a search finds.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.js";

const { lineLevel, lineWithin, linesOf, logLines, shownLines, textMatcher } = load(
    "lineLevel",
    "lineWithin",
    "linesOf",
    "logLines",
    "shownLines",
    "textMatcher",
);

const S = 1e6;
const CAPTURE = { from_us: 100 * S, to_us: 130 * S };

function logs(before, during, linesAt) {
    const text = lines => (lines === null ? null : lines.map(line => `${line}\n`).join(""));
    return { before: text(before), during: text(during), lines_at: linesAt.map(at => at && at * S) };
}

test("a line has no more lines than ends", () => {
    assert.deepEqual(linesOf("a\r\nb\n\nc"), ["a", "b", "", "c"]);
    assert.deepEqual(linesOf("a\n"), ["a"]);
    assert.deepEqual([linesOf(null), linesOf("")], [[], []]);
});

test("a line without a time was written between its neighbours that have one", () => {
    const lines = logLines(
        logs(["a", "b", "c"], ["d", "e", "f", "g"], [null, 40, null, null, 110.5, null, 120]),
        CAPTURE,
    );
    assert.deepEqual(
        lines.map(line => [line.earliest / S, line.latest / S]),
        [
            [-Infinity, 40],
            [40, 40],
            [40, 100],
            [100, 110.5],
            [110.5, 110.5],
            [110.5, 120],
            [120, 120],
        ],
    );
    assert.deepEqual(
        lines.map(line => line.isDuring),
        [false, false, false, true, true, true, true],
    );
});

test("a line is surely, perhaps or not of a stretch", () => {
    const line = (earliest, latest) => ({ at: null, earliest: earliest * S, latest: latest * S });
    const within = (earliest, latest) => lineWithin(line(earliest, latest), [10 * S, 20 * S]);
    assert.deepEqual(
        [within(11, 12), within(5, 12), within(19, 25), within(0, 90)],
        ["yes", "perhaps", "perhaps", "perhaps"],
    );
    assert.deepEqual([within(1, 9), within(20, 25)], ["no", "no"]);
    assert.equal(lineWithin(line(1, 9), null), "yes");
});

test("a time in whole seconds stands for the whole second", () => {
    const line = { at: 10 * S, earliest: 10 * S, latest: 10 * S };
    assert.equal(lineWithin(line, [10.5 * S, 20 * S]), "perhaps");
    assert.equal(lineWithin(line, [10 * S, 20 * S]), "yes");
    assert.equal(lineWithin({ at: 10.25 * S, earliest: 10.25 * S, latest: 10.25 * S }, [10.5 * S, 20 * S]), "no");
});

test("a search is for text in any case, or for an expression", () => {
    assert.ok(textMatcher("post /V1")("POST /v1/chat"));
    assert.ok(textMatcher("/v1.*200$/")('"POST /v1/chat" 200'));
    assert.ok(!textMatcher("/v1.*200$/")('"POST /v1/chat" 500'));
    assert.ok(textMatcher("a.b(")("xa.b(y"));
    assert.equal(textMatcher("/(/"), null);
});

test("what is shown is what is searched, and of the stretch where only that is asked for", () => {
    const lines = logLines(logs(["GET a"], ["GET b", "PUT c"], [40, 110.5, 120.5]), CAPTURE);
    const shown = (term, stretch, isOnlyStretch) =>
        shownLines(lines, { term, stretch, isOnlyStretch }).map(({ line, within }) => [line.text, within]);
    assert.deepEqual(shown("get", null, false), [
        ["GET a", "yes"],
        ["GET b", "yes"],
    ]);
    assert.deepEqual(shown("", [110 * S, 115 * S], false), [
        ["GET a", "no"],
        ["GET b", "yes"],
        ["PUT c", "no"],
    ]);
    assert.deepEqual(shown("", [110 * S, 115 * S], true), [["GET b", "yes"]]);
    assert.deepEqual(shown("/(/", null, false), []);
});

test("five megabytes are searched in far less than a second", () => {
    const line = 'INFO:     [client] - "POST /v1/chat/completions" 200';
    const many = Array.from({ length: 100_000 }, () => line);
    const lines = logLines(logs(many, ["the one"], [...many.map(() => null), null]), CAPTURE);
    assert.equal(shownLines(lines, { term: "the one", stretch: [0, S], isOnlyStretch: false }).length, 1);
});

test("errors and warnings stand out", () => {
    const levels = [
        "12:00:00 - LiteLLM Proxy:ERROR: x",
        "ValueError: [...]",
        '"POST /v1" 503',
        "WARNING: y",
        '"POST /v1" 429',
        "INFO: z",
    ];
    assert.deepEqual(levels.map(lineLevel), ["bad", "bad", "bad", "warn", "warn", "plain"]);
});
