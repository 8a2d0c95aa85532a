-- For wrk: POSTs the file named after `--`, and tells in one line what came of it (times in microseconds).
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RESULT requests=%d seconds=%.6f p50=%d p99=%d failed=%d\n", summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), failed))
end
