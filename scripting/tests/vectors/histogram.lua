-- histogram: what its functions give.
local test, histogram = require("test"), require("histogram")

test.equal(histogram.powers(64, 1000), { 64, 128, 256, 512, 1024 })
test.equal(histogram.powers(1, 1), { 1 })
local h = histogram.new({ 10, 20, 40 })
test.equal({ h:total(), h:quantile(0.5) or "none" }, { 0, "none" })
for _, x in { 5, 10, 11, 40 } do
  h:add(x)
end
h:add(1000, 4)
test.equal(h:rows(), { { upto = 10, count = 2 }, { upto = 20, count = 1 }, { upto = 40, count = 1 }, { count = 4 } })
test.equal({ h:total(), h:quantile(0), h:quantile(0.125), h:quantile(0.375), h:quantile(1) }, { 8, 0, 5, 20, 40 })
test.fails(function() histogram.new({}) end, "from 1 to 200 bounds")
test.fails(function() histogram.new({ 2, 2 }) end, "bounds must ascend")
test.fails(function() histogram.powers(0, 8) end, "from must be above 0")

value = { n = count() }
