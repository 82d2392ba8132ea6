-- sketch: what its functions give.
local test, sketch = require("test"), require("sketch")

test.equal(sketch.hash(""), 2248217638)
test.equal(sketch.hash("a"), 0xB4F0F615)
test.equal(sketch.hash("foobar"), 0x77555B2C)
test.equal(sketch.hash(addr("10.0.0.1")), sketch.hash("10.0.0.1"))

local set = sketch.set(100, 0.05)
test.equal({ set:has("x"), set:add("x"), set:has("x"), set:add("x") }, { false, true, true, false })
local new = 0
for n = 1, 99 do
  if set:add(`key {n}`) then new += 1 end
end
test.equal({ new, math.round(set:count()) }, { 99, 100 })
local wrong = 0
for n = 1, 100 do
  if set:has(`other {n}`) then wrong += 1 end
end
test.equal(wrong, 4)

local counter = sketch.counter(64)
for n = 1, 100 do
  counter:add(n % 10, n)
end
test.equal({ counter:count(0), counter:count(7), counter:count("none") }, { 550, 520, 0 })
test.fails(function() sketch.set(0) end, "from 1 to 50000")
test.fails(function() sketch.set(10, 7) end, "at least 0.001 and below 1")
test.fails(function() sketch.set(10, 1) end, "at least 0.001 and below 1")
test.fails(function() sketch.counter(1) end, "from 16 to 65536")

value = { n = count() }
