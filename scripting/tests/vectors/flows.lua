-- flows: what its functions give.
local test, flows = require("test"), require("flows")

local a, b = addr("10.0.0.1"), addr("10.0.0.2")
test.equal(flows.key(a, b, 6, 2000, 80), "6 10.0.0.1 2000 10.0.0.2 80")
test.equal(flows.pair(b, a, 6, 80, 2000), "6 10.0.0.1 2000 10.0.0.2 80")
test.equal(flows.pair(a, b, 1, nil, nil), "1 10.0.0.1 0 10.0.0.2 0")

local t = flows.new(10, 30, 2)
test.equal(t:add(100, "x", 2, 300), { key = "x", first = 100, last = 100, packets = 2, bytes = 300 })
t:add(105, "y", 1, 60)
test.equal(t:add(103, "x", 1, 50), { key = "x", first = 100, last = 103, packets = 3, bytes = 350 })
test.equal({ t:add(106, "z", 4, 60) or "none", t.lost, t:len() }, { "none", 4, 2 })
test.equal(t:ended(112), {})
test.equal(t:ended(113), { { key = "x", first = 100, last = 103, packets = 3, bytes = 350 } })
for ts = 110, 135, 5 do
  t:add(ts, "y", 1, 60)
end
test.equal(t:ended(135), { { key = "y", first = 105, last = 135, packets = 7, bytes = 420 } }, "cut")
test.equal(t:len(), 0)
test.fails(function() flows.new(0) end, "idle must be a positive number of seconds")
test.fails(function() flows.new(1, 1, 0) end, "from 1 to 100000")

value = { n = count() }
