"""The documentation page: one self-contained file that renders the specification, offline too."""

from __future__ import annotations

import html
import json
import re
from typing import Final

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 small { font-size: 1rem; font-weight: normal; opacity: .7; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
details > div { padding: 0 1rem 1rem; border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .5rem 1rem; }
code, pre, textarea, input { font: 14px/1.4 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow: auto; border-radius: 4px; }
.method { display: inline-block; min-width: 4.5rem; font-weight: bold; }
.get { color: #0a7d33; } .post { color: #0b63c4; } .put, .patch { color: #b45f06; }
.delete { color: #c5221f; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid var(--line); }
textarea { width: 100%; box-sizing: border-box; }
</style>
</head>
<body>
<h1>{title}</h1>
<p><a href="{url}">{url}</a></p>
<main><p>Loading the specification needs JavaScript.</p></main>
<script>
"use strict";
const main = document.querySelector("main");

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function resolve(spec, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((node, key) => node[key], spec);
}

function nameOf(schema) {
  if (!schema) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(nameOf).join(" | ");
  if (schema.type === "array") return nameOf(schema.items) + "[]";
  return [].concat(schema.type || "any").join(" | ") + (schema.format ? ` (${schema.format})` : "");
}

function example(spec, schema, depth = 0) {
  const found = resolve(spec, schema);
  if (depth > 5) return null;
  if ("default" in found) return found.default;
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(spec, found.anyOf[0], depth + 1);
  if (found.type === "object") {
    const entries = Object.entries(found.properties || {});
    return Object.fromEntries(entries.map(([key, it]) => [key, example(spec, it, depth + 1)]));
  }
  if (found.type === "array") return [example(spec, found.items, depth + 1)];
  return { integer: 0, number: 0, boolean: false, string: "" }[found.type] ?? null;
}

function parameterTable(operation, inputs) {
  const table = make("table");
  const head = table.insertRow();
  for (const title of ["Parameter", "In", "Type", "Value"]) head.append(make("th", title));
  for (const parameter of operation.parameters) {
    const row = table.insertRow();
    row.insertCell().textContent = parameter.name + (parameter.required ? " *" : "");
    row.insertCell().textContent = parameter.in;
    row.insertCell().textContent = nameOf(parameter.schema);
    const input = make("input");
    if (parameter.schema && parameter.schema.default != null) {
      input.placeholder = parameter.schema.default;
    }
    row.insertCell().append(input);
    inputs.push([parameter, input]);
  }
  return table;
}

async function call(method, path, inputs, body, output) {
  const query = new URLSearchParams();
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") {
      path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (input.value !== "") {
      query.append(parameter.name, input.value);
    }
  }
  const text = query.toString();
  const options = { method: method.toUpperCase() };
  if (body) {
    options.body = body.value;
    options.headers = { "content-type": body.dataset.type };
  }
  try {
    const answer = await fetch(path + (text ? "?" + text : ""), options);
    output.textContent = `${answer.status} ${answer.statusText}\\n\\n${await answer.text()}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function operationView(spec, path, method, operation) {
  const view = make("details");
  const title = make("summary");
  title.append(make("span", method.toUpperCase(), "method " + method), make("code", path));
  if (operation.summary) title.append(" \\u2014 " + operation.summary);
  const inside = make("div");
  if (operation.description) inside.append(make("p", operation.description));
  const inputs = [];
  if (operation.parameters) inside.append(parameterTable(operation, inputs));
  let body = null;
  for (const [type, media] of Object.entries((operation.requestBody || {}).content || {})) {
    inside.append(make("h4", `Body: ${nameOf(media.schema)} (${type})`));
    body = make("textarea", type.includes("json")
      ? JSON.stringify(example(spec, media.schema), null, 2) : "");
    body.rows = 6;
    body.dataset.type = type;
    inside.append(body);
  }
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    const types = Object.entries(answer.content || {});
    const shown = types.map(([type, media]) => `${type}: ${nameOf(media.schema)}`).join(", ");
    inside.append(make("p", `${status} ${answer.description || ""} ${shown}`));
  }
  const button = make("button", "Send");
  const output = make("pre", "");
  button.onclick = () => call(method, path, inputs, body, output);
  inside.append(button, output);
  view.append(title, inside);
  return view;
}

function render(spec) {
  main.replaceChildren();
  document.querySelector("h1").append(" ", make("small", spec.info.version));
  if (spec.info.description) main.append(make("p", spec.info.description));
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      main.append(operationView(spec, path, method, operation));
    }
  }
  const schemas = Object.entries((spec.components || {}).schemas || {});
  if (schemas.length) main.append(make("h2", "Schemas"));
  for (const [name, schema] of schemas) {
    const view = make("details");
    view.append(make("summary", name), make("pre", JSON.stringify(schema, null, 2)));
    main.append(view);
  }
}

fetch({url_json}).then((answer) => answer.json()).then(render, (error) => {
  main.replaceChildren(make("p", "The specification could not be loaded: " + error));
});
</script>
</body>
</html>
"""


def docs_page(spec_url: str, title: str) -> str:
    """Return an HTML page that shows the specification at *spec_url*; it loads nothing else.

    Args:
        spec_url: As the browser asks for it.
        title: The page's title.
    """
    # "<" in a script could end the script element.
    url_json = json.dumps(spec_url).replace("<", "\\u003c")
    values = {"url_json": url_json, "url": html.escape(spec_url), "title": html.escape(title)}
    return re.sub(r"\{(title|url|url_json)\}", lambda found: values[found[1]], _PAGE)
