"""The AsyncAPI page: it renders the document by itself, and better once the CDN's viewer is there.

The viewer of the AsyncAPI project is one fixed version, and the browser checks that it is the very
file that was meant. Where no CDN can be reached, the page's own rendering stays.
"""

from __future__ import annotations

import html
import json
import re
from typing import Final

VIEWER: Final = "https://unpkg.com/@asyncapi/react-component@3.2.1"
SCRIPT_HASH: Final = "sha384-wy5bSOazlkSKMGH7XMW6+pK8ho8+rCPr7mTqKdAb/dvfwXAPWCFivgr3C7wJMFAh"
STYLE_HASH: Final = "sha384-oo9RoQcacP++XdMX6CjTucTvASEORHX3chFik0/V2kHcsHiVboGyWZztGeq/0bum"

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
#plain { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
#plain h1 small { font-size: 1rem; font-weight: normal; opacity: .7; }
#plain details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
#plain details > div { padding: 0 1rem 1rem; border-top: 1px solid var(--line); }
#plain summary { cursor: pointer; padding: .5rem 1rem; }
#plain code, #plain pre { font: 14px/1.4 ui-monospace, monospace; }
#plain pre { background: var(--soft); padding: .75rem; overflow: auto; border-radius: 4px; }
#plain .action { font-weight: bold; color: #0b63c4; margin-right: 1rem; }
#plain .text { white-space: pre-line; }
</style>
</head>
<body>
<div id="viewer"></div>
<div id="plain">
<h1>{title}</h1>
<p><a href="{url}">{url}</a></p>
<main><p>Showing the document needs JavaScript.</p></main>
</div>
<script>
"use strict";
const url = {url_json};
const main = document.querySelector("main");

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function resolve(spec, part) {
  const seen = new Set();
  while (part && part.$ref && !seen.has(part.$ref)) {
    seen.add(part.$ref);
    part = part.$ref.slice(2).split("/").reduce((node, key) => (node || {})[key], spec);
  }
  return part || {};
}

function operationView(spec, id, operation) {
  const channel = resolve(spec, operation.channel);
  const view = make("details");
  const title = make("summary");
  title.append(make("span", operation.action, "action"), make("code", channel.address));
  if (operation.summary) title.append(" \\u2014 " + operation.summary);
  const inside = make("div");
  inside.append(make("p", "Operation " + id));
  if (operation.description) inside.append(make("p", operation.description, "text"));
  for (const [name, parameter] of Object.entries(channel.parameters || {})) {
    const line = make("p");
    line.append(make("code", name), " \\u2014 " + (resolve(spec, parameter).description || ""));
    inside.append(line);
  }
  for (const reference of operation.messages || []) {
    const message = resolve(spec, reference);
    inside.append(make("h4", `${message.name} (${message.contentType})`));
    const payload = resolve(spec, message.payload);
    inside.append(make("pre", JSON.stringify(payload, null, 2)));
  }
  view.append(title, inside);
  return view;
}

function show(spec) {
  document.querySelector("#plain h1").append(" ", make("small", spec.info.version));
  main.replaceChildren(make("p", spec.info.description, "text"));
  for (const server of Object.values(spec.servers || {})) {
    const line = make("p", `${server.protocol} ${server.protocolVersion || ""} `);
    line.append(make("code", server.host));
    main.append(line);
  }
  for (const [id, operation] of Object.entries(spec.operations || {})) {
    main.append(operationView(spec, id, operation));
  }
  const schemas = Object.entries((spec.components || {}).schemas || {});
  if (schemas.length) main.append(make("h2", "Schemas"));
  for (const [name, schema] of schemas) {
    const view = make("details");
    view.append(make("summary", name), make("pre", JSON.stringify(schema, null, 2)));
    main.append(view);
  }
}

function upgrade(spec) {
  const script = make("script");
  script.src = "{viewer}/browser/standalone/index.js";
  script.integrity = "{script_hash}";
  script.crossOrigin = "anonymous";
  script.onload = () => {
    const style = make("link");
    style.rel = "stylesheet";
    style.href = "{viewer}/styles/default.min.css";
    style.integrity = "{style_hash}";
    style.crossOrigin = "anonymous";
    document.head.append(style);
    const place = document.getElementById("viewer");
    AsyncApiStandalone.render({ schema: spec, config: { show: { errors: false } } }, place);
    document.getElementById("plain").hidden = true;
  };
  document.head.append(script);
}

fetch(url).then((answer) => answer.json()).then((spec) => {
  show(spec);
  upgrade(spec);
}).catch((error) => {
  main.replaceChildren(make("p", "The document could not be loaded: " + error));
});
</script>
</body>
</html>
"""


def page(spec_url: str, title: str) -> str:
    """Return the page for the document at *spec_url*.

    Args:
        spec_url: As the browser asks for it.
        title: The page's title.
    """
    values = {
        # "<" in a script could end the script element.
        "url_json": json.dumps(spec_url).replace("<", "\\u003c"),
        "url": html.escape(spec_url),
        "title": html.escape(title),
        "viewer": VIEWER,
        "script_hash": SCRIPT_HASH,
        "style_hash": STYLE_HASH,
    }
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), _PAGE)
