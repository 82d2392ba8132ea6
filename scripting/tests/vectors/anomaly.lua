-- anomaly: what its functions give.
local test, anomaly = require("test"), require("anomaly")

test.equal(anomaly.median({}), nil)
test.equal({ anomaly.median({ 9, 1, 5 }), anomaly.median({ 4, 1, 2, 9 }) }, { 5, 3 })

local judge = anomaly.new(10)
for _, x in { 100, 104, 96, 102, 98 } do
  test.equal(judge:add(x), { score = 0, unusual = false, expected = x })
end
local found = judge:add(130)
test.equal({ found.expected, found.unusual }, { 100, true })
test.near(found.score, 30 / (1.4826 * 2), 1e-9)
found = judge:add(97)
test.equal({ found.expected, found.unusual }, { 101, false })
test.near(found.score, -4 / (1.4826 * 3), 1e-9, "wild values hide nothing")

local still = anomaly.new(4, 2)
for _ = 1, 4 do still:add(50) end
test.near(still:add(50.9).score, 1.8, 1e-9, "a hundredth is the least deviation")
test.equal(still:add(52).unusual, true)
for _, n in { 2, 1001, 3.5, 0 / 0 } do
  test.fails(function() anomaly.new(n) end, "from 3 to 1000")
end

value = { n = count() }
