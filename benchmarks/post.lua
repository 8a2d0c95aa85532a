-- For wrk: POSTs the file named after `--`, each time for the next of 200 patients, and tells in one line of JSON what
-- came of it (times in milliseconds).
local PATIENTS = 200
local patient, turn, pieces = nil, 0, {}

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local body = file:read("*a")
  file:close()
  patient = assert(body:match('"patientId"%s*:%s*"([^"]+)"'))
  local from = 1
  repeat
    local first, last = body:find(patient, from, true)
    table.insert(pieces, body:sub(from, (first or 0) - 1))
    from = (last or 0) + 1
  until not first
end

function request()
  turn = turn % PATIENTS + 1
  return wrk.format(nil, nil, nil, table.concat(pieces, patient .. "-" .. turn))
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests": %d, "rate": %.3f, "p50": %.3f, "p99": %.3f, "failed": %d}\n', summary.requests,
    summary.requests * 1e6 / summary.duration, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
