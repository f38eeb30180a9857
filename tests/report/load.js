// The page's script in Node: its files in one scope, as the page has them, without the one that starts the page. And
// a page to try it with: CAPTURE_PAGE is a folder with report.html and the samples.json.gz that it was made of;
// `cargo test --test report_data` makes it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, inflateRawSync } from "node:zlib";

const PAGE = new URL("../../src/render/report/mod.rs", import.meta.url);
const STARTS_PAGE = "script/main.js";

// Which files the script is made of, and in which order, the page itself says.
export const FILES = Array.from(readFileSync(PAGE, "utf8").matchAll(/include_str!\("(script\/[^"]+)"\)/g), found => found[1])
    .map(file => new URL(file, PAGE));

// What the files define under these names.
export function load(...names) {
    const files = FILES.filter(file => !file.pathname.endsWith(STARTS_PAGE));
    const text = files.map(file => readFileSync(file, "utf8")).join("");
    return new Function(`"use strict";\n${text}\nreturn { ${names.join(", ")} };`)();
}

// The block of a page as the bytes that it was made of.
export function unpacked(page) {
    const [, block] = /id="data">([^<]*)</.exec(readFileSync(page, "utf8"));
    return new Uint8Array(inflateRawSync(Buffer.from(block, "base64")));
}

// The bytes of the page to try it with.
export function pageData() {
    return unpacked(join(folder(), "report.html"));
}

// The samples that it was made of, as the bundle stores them.
export function pageSamples() {
    return JSON.parse(gunzipSync(readFileSync(join(folder(), "samples.json.gz"))).toString());
}

function folder() {
    if (!process.env.CAPTURE_PAGE) {
        throw new Error("there is no page to try it with: run cargo test --test report_data");
    }
    return process.env.CAPTURE_PAGE;
}

// Numbers without any rule that could be seen, and always the same: from 0 up to but not including 1.
export function randomly(seed) {
    let state = seed;
    return () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state / 2 ** 32;
    };
}
