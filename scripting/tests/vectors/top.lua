-- top: what its functions give.
local test, top = require("test"), require("top")

local t = top.new(2)
test.equal(t:list(), {})
for key, weight in { a = 5, b = 9, c = 1 } do
  t:add(key, weight)
end
t:add("a")
local a, b = { key = "a", weight = 6, error = 0 }, { key = "b", weight = 9, error = 0 }
test.equal(t:list(), { b, a })
test.equal(t:list(1), { b })
t:add("d", 2)
test.equal(t:list(9), { b, a }, "four are held")
t:add("e", 5)
test.equal(t:list(), { b, { key = "e", weight = 7, error = 2 } }, "the fifth may have been there")
t:add("c")
test.equal(t:list(), { b, { key = "e", weight = 7, error = 2 } })
test.fails(function() top.new(0) end, "from 1 to 1000")

value = { n = count() }
