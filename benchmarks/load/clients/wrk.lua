-- GET, or POST of as many bytes as the first argument says; the summary as JSON.
-- With "varied" as the second argument no two requests are alike: each has a path, a query and a
-- traceparent of its own beside the fields that real clients send.
local number = 0

function init(arguments)
   local size = tonumber(arguments[1] or "0")
   if size > 0 then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/octet-stream"
      wrk.body = string.rep("x", size)
   end
   if arguments[2] ~= "varied" then
      return
   end
   wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
   wrk.headers["Accept"] = "application/json"
   wrk.headers["Accept-Language"] = "en-GB,en;q=0.8"
   wrk.headers["Accept-Encoding"] = "gzip, br"
   wrk.headers["Authorization"] = "Bearer " .. string.rep("e", 800)
   wrk.headers["Cookie"] = "session=" .. string.rep("s", 64) .. "; theme=dark"
   wrk.headers["Origin"] = "https://app.test"
   wrk.headers["Referer"] = "https://app.test/items"
   wrk.headers["Cache-Control"] = "no-cache"
   wrk.headers["Sec-Fetch-Site"] = "same-site"
   wrk.headers["Sec-Fetch-Mode"] = "cors"
   wrk.headers["Sec-Fetch-Dest"] = "empty"
   wrk.headers["DNT"] = "1"
   wrk.headers["X-Client-Version"] = "4.11.2"
   wrk.headers["X-Tenant"] = "acme"
   wrk.headers["X-Region"] = "eu-west-1"
   wrk.headers["Connection"] = "keep-alive"
   -- Made once and cut at the two places that change: the generator is to cost little.
   local whole = wrk.format(nil, wrk.path .. "/@?page=@")
   local before, between, after = whole:match("^(.-)@(.-)@(.*)$")
   local head, body = after:match("^(.-\r\n)\r\n(.*)$")
   function request()
      number = number + 1
      return string.format("%s%d%s%d%straceparent: 00-%032x-%016x-01\r\n\r\n%s",
         before, number, between, number % 7, head, number, number, body)
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
