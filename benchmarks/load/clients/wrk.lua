-- GET, or POST of as many bytes as the first argument says; the summary as JSON.
function init(arguments)
   if arguments[1] then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/octet-stream"
      wrk.body = string.rep("x", tonumber(arguments[1]))
   end
end

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format(
      '{"requests": %d, "seconds": %.6f, "bytes": %d, "failed": %d, "p99": %.6f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, failed,
      latency:percentile(99) / 1e6))
end
