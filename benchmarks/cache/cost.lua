-- Targets that are all different, where the last argument is "varied".
local count, varied, prefix = 0, false, "/"
function init(arguments)
  prefix = arguments[1]
  varied = arguments[2] == "varied"
  math.randomseed(os.time())
  count = math.random(1, 1000000000) * 1000
end
function request()
  count = count + 1
  return wrk.format("GET", varied and (prefix .. count) or prefix)
end
function done(summary, latency, requests)
  io.write(string.format("%d %d %d %d\n", summary.requests, latency:percentile(50),
    latency:percentile(99), summary.errors.status + summary.errors.timeout))
end
