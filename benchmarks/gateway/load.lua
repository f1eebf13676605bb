-- wrk's side of run.py: the body comes as an argument; at the end one line of figures, the latencies in microseconds.

function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.body = args[1]
end

function done(summary, latency, requests)
  local lost = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), lost.connect + lost.read + lost.write + lost.status + lost.timeout))
end
