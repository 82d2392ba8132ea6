-- forecast: what its functions give.
local test, forecast = require("test"), require("forecast")

local f = forecast.new(4)
for _, x in { 10, 20, 30, 20 } do
  test.equal({ f:next(), f:add(x) }, {})
end
for _ = 1, 3 do
  for _, x in { 10, 20, 30, 20 } do
    test.near(f:next(), x, 1e-9, "a rhythm is learnt")
    test.near(f:add(x), x, 1e-9)
  end
end
f = forecast.new(1, 0.5, 0, 0)
f:add(4)
test.equal({ f:add(8), f:next() }, { 4, 6 })
test.fails(function() forecast.new(0) end, "from 1 to 10000")
test.fails(function() forecast.new(2, 1.5) end, "alpha lies from 0 to 1")

value = { n = count() }
