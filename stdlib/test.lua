--- test: checks that say what was wanted and what came instead.
--
-- A failing check is an error in the line that called it: at the top level of a script it keeps
-- the script from starting, and `como check` shows the line.
--
-- * `test.equal(got, want, what)`: tables are equal when all in them is. `what` names the check.
-- * `test.near(got, want, by, what)`: numbers not farther apart than `by`.
-- * `test.fails(f, text, what)`: `f()` raises an error that contains `text`; returns the error.
-- * `test.show(value)`: the value as text, with the names of tables in order.
--
-- ```lua
-- -- Packets by network, with a check of the arithmetic at the top.
-- local test = require("test")
--
-- local function network(address) return tostring(address:masked(16)) end
--
-- test.equal(network(addr("10.1.2.3")), "10.1.0.0")
-- test.fails(function() network(nil) end, "index")
--
-- filter = "ip.version == 4"
-- function update(pkt, state)
--   local name = network(pkt.ip.dst)
--   state[name] = (state[name] or 0) + pkt.packets
-- end
--
-- function export(state)
--   local records = {}
--   for at, entry in top(state, 10) do
--     records[at] = { network = entry.key, packets = entry.value }
--   end
--   return records
-- end
-- ```

local test = {}

local DEPTH_MAX = 16

local function show(value, depth)
  if type(value) ~= "table" then
    return if type(value) == "string" then `"{value}"` else tostring(value)
  end
  if depth == 0 then
    return "..."
  end
  local parts, names = {}, {}
  for at, one in ipairs(value) do
    parts[at] = show(one, depth - 1)
  end
  for name in pairs(value) do
    if type(name) ~= "number" or parts[name] == nil then
      table.insert(names, tostring(name))
    end
  end
  table.sort(names)
  for _, name in names do
    table.insert(parts, `{name} = {show(value[name], depth - 1)}`)
  end
  return `\{{table.concat(parts, ", ")}}`
end

local function same(a, b, depth)
  if type(a) ~= "table" or type(b) ~= "table" or depth == 0 then
    return a == b
  end
  for name, value in pairs(a) do
    if not same(value, b[name], depth - 1) then
      return false
    end
  end
  for name in pairs(b) do
    if a[name] == nil then
      return false
    end
  end
  return true
end

local function fail(what, message)
  error(if what then `{what}: {message}` else message, 3)
end

function test.show(value)
  return show(value, DEPTH_MAX)
end

function test.equal(got, want, what)
  if not same(got, want, DEPTH_MAX) then
    fail(what, `got {test.show(got)}, not {test.show(want)}`)
  end
end

function test.near(got, want, by, what)
  if type(got) ~= "number" or not (math.abs(got - want) <= by) then
    fail(what, `got {test.show(got)}, not within {by} of {want}`)
  end
end

function test.fails(f, text, what)
  local worked, message = pcall(f)
  message = tostring(message)
  if worked then
    fail(what, `no error, where one with "{text}" was wanted`)
  elseif not string.find(message, text, 1, true) then
    fail(what, `got the error "{message}", not one with "{text}"`)
  end
  return message
end

return test
