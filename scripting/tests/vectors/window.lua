-- window: what its functions give.
local test, window = require("test"), require("window")

local w = window.new(3)
test.equal({ w:len(), w:full(), w:values() }, { 0, false, {} })
test.equal({ sum = w:sum(), mean = w:mean(), min = w:min(), max = w:max() }, {})
for _, x in { 5, 1, 3 } do
  test.equal(w:push(x), nil)
end
test.equal({ w:sum(), w:mean(), w:min(), w:max(), w:len(), w:full() }, { 9, 3, 1, 5, 3, true })
test.equal(w:push(2.5), 5)
test.equal(w:values(), { 1, 3, 2.5 })
for _, n in { 0, 1.5, -1, 10001, 0 / 0, "3" } do
  test.fails(function() window.new(n) end, "from 1 to 10000")
end
test.fails(function() window.new = nil end, "readonly")

value = { n = count() }
