// Opens an exported profile with the programs that people open it with, and prints what they saw as JSON.
//
//     node tests/lab/readers/read.mjs target/lab/readers speedscope profile.speedscope.json
//
// READER is speedscope, which reads pprof and folded stacks too, pprof, or firefox. It judges nothing: that is the
// test's part.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createContext, runInContext } from "node:vm";
import { gunzipSync } from "node:zlib";

const PATIENCE_MS = 60_000;

const [folder, reader, file] = process.argv.slice(2);
const readers = { speedscope, pprof, firefox };
const seen = await readers[reader](resolve(file));
console.log(JSON.stringify(seen, (_, value) => (typeof value === "bigint" ? Number(value) : value)));

// The page's own program, with its import taken out where it would begin to draw.
async function speedscope(path) {
    const release = join(folder, "node_modules/speedscope/dist/release");
    const name = readdirSync(release).find((name) => /^speedscope-.*\.js$/.test(name));
    const page = readFileSync(join(release, name), "utf8");
    const importer = /return\(await ([\w$]+)\)\.importProfilesFromArrayBuffer/.exec(page)[1];
    const program = page.slice(0, page.lastIndexOf("console.log(`speedscope v"));
    const { opened } = runInContext(`${program};globalThis.importer=${importer}})();({opened: importer})`, browser());
    const bytes = readFileSync(path);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const group = await (await opened).importProfilesFromArrayBuffer(basename(path), buffer);
    const profiles = group.profiles.map((profile) => {
        const functions = {};
        profile.forEachFrame((frame) => {
            functions[frame.name] = (functions[frame.name] ?? 0) + frame.getSelfWeight();
        });
        return { name: profile.getName(), unit: profile.getWeightUnit(), total: profile.getTotalWeight(), functions };
    });
    return { name: group.name, shown: group.indexToView, profiles };
}

// As much of a browser as a page asks for before it draws.
function browser() {
    const nothing = () => null;
    const element = () => ({ style: {}, getContext: nothing, appendChild: nothing, setAttribute: nothing });
    const globals = {
        ArrayBuffer,
        Element: class {},
        TextDecoder,
        TextEncoder,
        URL,
        Uint8Array,
        addEventListener: nothing,
        clearTimeout,
        console: { ...console, log: nothing },
        document: { addEventListener: nothing, createElement: element, createTextNode: element, head: element() },
        localStorage: { getItem: nothing, setItem: nothing },
        location: { hash: "", protocol: "file:" },
        matchMedia: () => ({ addEventListener: nothing, addListener: nothing, matches: false }),
        navigator: { platform: "", userAgent: "" },
        requestAnimationFrame: nothing,
        setTimeout,
    };
    globals.window = globals.self = globals;
    return createContext(globals);
}

async function pprof(path) {
    const { Profile } = createRequire(join(resolve(folder), "package.json"))("pprof-format");
    const profile = Profile.decode(gunzipSync(readFileSync(path)));
    const text = (index) => profile.stringTable.strings[Number(index)];
    const type = ({ type, unit }) => `${text(type)}/${text(unit)}`;
    const functions = new Map(profile.function.map((known) => [known.id, known]));
    const locations = new Map(profile.location.map((known) => [known.id, known]));
    const frame = (id) => {
        const [{ functionId, line }] = locations.get(id).line;
        const { name, filename } = functions.get(functionId);
        return `${text(name)} (${text(filename)}:${line})`;
    };
    return {
        types: profile.sampleType.map(type),
        shown: text(profile.defaultSampleType),
        period: [type(profile.periodType), profile.period],
        time: String(profile.timeNanos),
        duration: profile.durationNanos,
        comments: profile.comment.map(text),
        mappings: profile.mapping.map((mapping) => [text(mapping.filename), mapping.hasFunctions]),
        samples: profile.sample.map(({ value, label, locationId }) => ({
            values: value,
            labels: Object.fromEntries(label.map(({ key, str, num }) => [text(key), Number(str) ? text(str) : num])),
            stack: locationId.map(frame),
        })),
    };
}

// The profiler's own command line. It asks a session in the background, which is started here, since the program gives
// it half a second only, which is not enough on a machine that does something else as well.
async function firefox(path) {
    const sessions = mkdtempSync(join(tmpdir(), "profiler-"));
    const environment = { ...process.env, PROFILER_CLI_NO_SYMBOLICATE: "1", PROFILER_CLI_SESSION_DIR: sessions };
    const program = join(folder, "node_modules/@firefox-devtools/profiler-cli/dist/profiler-cli.js");
    const session = spawn(process.execPath, [program, "--daemon", path, "--session", "test"], {
        env: environment,
        stdio: "ignore",
    });
    const answer = (...question) => {
        const words = [program, ...question, "--json", "--session", "test"];
        return JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8", env: environment, stdio: "pipe" }));
    };
    // Whoever asks before the session listens takes it for a dead one and removes it.
    const log = join(sessions, "test.log");
    const ready = async () => {
        const begin = Date.now();
        for (;;) {
            const said = existsSync(log) ? readFileSync(log, "utf8") : "";
            if (said.includes("Profile loaded successfully")) return;
            const failed = session.exitCode !== null || said.includes("[ERROR]");
            if (failed || Date.now() - begin > PATIENCE_MS) throw new Error(`the session does not begin:\n${said}`);
            await pause(20);
        }
    };
    try {
        await ready();
        const { threads } = answer("thread", "list", "--sort", "index");
        // Each question takes its time, and these threads stand for all.
        const workers = threads.filter(({ markerCount }) => markerCount > 0).map((thread) => ({
            ...thread,
            markers: answer("thread", "markers", "--thread", thread.threadHandle).byType,
            categories: answer("thread", "samples", "--thread", thread.threadHandle).categoryBreakdown.categories,
        }));
        return { meta: answer("profile", "meta"), threads, workers, counters: answer("counter", "list").counters };
    } finally {
        session.kill();
        rmSync(sessions, { recursive: true, force: true });
    }
}
