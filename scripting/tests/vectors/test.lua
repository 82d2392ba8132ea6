-- test: what its functions give.
local test = require("test")

test.equal(test.show({ 1, "x", b = { c = true }, a = 2.5 }), `\{1, "x", a = 2.5, b = \{c = true}}`)
test.equal(test.show(nil), "nil")
test.equal(test.show(0 / 0), "nan")
test.equal({ 1, { x = 2 } }, { 1, { x = 2 } })
test.fails(function() test.equal({ 1 }, { 1, 2 }, "lists") end, "lists: got {1}, not {1, 2}")
test.fails(function() test.equal({ a = 1 }, { a = 1, b = 2 }) end, "got {a = 1}, not {a = 1, b = 2}")
test.near(1.001, 1, 0.01)
test.fails(function() test.near(2, 1, 0.5) end, "got 2, not within 0.5 of 1")
test.fails(function() test.near("x", 1, 0.5) end, `got "x", not within 0.5 of 1`)
test.fails(function() test.fails(function() end, "why") end, `no error, where one with "why" was wanted`)
test.fails(function() test.fails(function() error("no") end, "why") end, `no", not one with "why"`)

value = { n = count() }
