"use strict";

// A flamegraph is a document of its own, made when it is first shown: it may be large.
const show = frame => {
    if (!frame.src) {
        frame.src = URL.createObjectURL(new Blob([frame.dataset.svg], { type: "image/svg+xml" }));
    }
};
for (const frame of document.querySelectorAll("iframe")) {
    const details = frame.closest("details");
    if (details) {
        details.addEventListener("toggle", () => details.open && show(frame));
    } else {
        show(frame);
    }
}

// Where the clipboard is out of reach, the text is selected for the person to copy.
const ticket = document.getElementById("ticket");
const button = document.getElementById("copy");
if (ticket && button) {
    button.addEventListener("click", async () => {
        getSelection().selectAllChildren(ticket);
        try {
            await navigator.clipboard.writeText(ticket.textContent);
            button.textContent = "Copied";
        } catch {
            button.textContent = "Selected: copy it with Ctrl-C";
        }
    });
}
