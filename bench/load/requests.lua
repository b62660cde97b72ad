-- Request shapes for wrk:  wrk ... -s requests.lua URL -- SHAPE
--
--   plain     three fields: Host, Accept, Connection
--   browser   the fourteen fields a desktop Firefox sends, always the same
--   cookies   the same fourteen, with one of 20,000 cookies: no cache of header lines helps much
--   users     plain, on /users/1 ... /users/20000 in a scattered order
--   post      a body of 1 KiB
--   pipeline  sixteen plain requests in one write
--
-- The last line of output is one JSON object.

local VARIANTS = 20000
local SCATTER = 7919 -- coprime to VARIANTS: visits them all, neighbours far apart

local FIREFOX = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/png,image/svg+xml,*/*;q=0.8",
  ["Accept-Language"] = "en-GB,en;q=0.7,de;q=0.3",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Referer"] = "http://localhost/products/list?page=2&order=price",
  ["Connection"] = "keep-alive",
  ["Upgrade-Insecure-Requests"] = "1",
  ["Sec-Fetch-Dest"] = "document",
  ["Sec-Fetch-Mode"] = "navigate",
  ["Sec-Fetch-Site"] = "same-origin",
  ["Sec-Fetch-User"] = "?1",
  ["Priority"] = "u=0, i",
  ["Cookie"] = "sid=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b; lang=en; theme=dark",
}

local function prepare(count, make)
  local ready, at = {}, 0
  for i = 1, count do ready[i] = make(i) end
  return function()
    at = (at + SCATTER) % count
    return ready[at + 1]
  end
end

local shapes = {}

function shapes.plain()
  wrk.headers["Accept"] = "text/plain, application/json;q=0.9, */*;q=0.1"
  wrk.headers["Connection"] = "keep-alive"
end

function shapes.browser()
  for name, value in pairs(FIREFOX) do wrk.headers[name] = value end
end

function shapes.cookies()
  shapes.browser()
  request = prepare(VARIANTS, function(i)
    local session = string.format("sid=%040x; lang=en; theme=dark", i * 2654435761)
    wrk.headers["Cookie"] = session
    return wrk.format()
  end)
end

function shapes.users()
  shapes.plain()
  request = prepare(VARIANTS, function(i) return wrk.format("GET", "/users/" .. i) end)
end

function shapes.post()
  shapes.plain()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/octet-stream"
  wrk.body = string.rep("0123456789abcdef", 64)
end

function shapes.pipeline()
  shapes.plain()
  local sixteen = string.rep(wrk.format(), 16)
  request = function() return sixteen end
end

function init(args)
  local shape = shapes[args[1]]
  if shape == nil then error("no such shape: " .. tostring(args[1])) end
  shape()
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
