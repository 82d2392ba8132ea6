-- ewma: what its functions give.
local test, ewma = require("test"), require("ewma")

local mean = ewma.new(10)
test.equal(mean:value(), nil)
test.equal({ mean:add(100, 8), mean:deviation() }, { 8, 0 })
test.near(mean:add(110, 16), 12, 1e-9)
test.near(mean:deviation(), 4, 1e-9)
test.near(mean:add(110, 99), 12, 1e-9, "at once")
test.near(mean:add(50, 99), 12, 1e-9, "late")
test.near(mean:add(130, 12), 12, 1e-9)
test.near(mean:deviation(), 2, 1e-9)
for _, n in { 0, -1, 0 / 0, math.huge, "1" } do
  test.fails(function() ewma.new(n) end, "a positive number of seconds")
end

value = { n = count() }
