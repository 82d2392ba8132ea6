--- top: the heaviest keys of any number, in the room of a few (space saving).
--
-- For keys that a script makes itself; fields of packets are counted faster by `key`, `value`.
--
-- * `top.new(n)`: room for the `n` heaviest, from 1 to 1,000; up to twice as many are held.
-- * `t:add(key, weight)`: `weight` is 1 unless told.
-- * `t:list(k)`: the `k` heaviest (all `n` unless told), each with `key`, `weight`, and the
--   `error` by which the weight may be too large. It is never too small.
--
-- ```lua
-- -- The five most frequent packet lengths above a header's.
-- local top = require("top")
--
-- function init() return { sizes = top.new(5) } end
--
-- function update(pkt, state)
--   if pkt.len > 60 then state.sizes:add(pkt.len, pkt.packets) end
-- end
--
-- function export(state)
--   local records = {}
--   for at, entry in state.sizes:list() do
--     records[at] = { size = entry.key, packets = entry.weight, error = entry.error }
--   end
--   return records
-- end
-- ```

local top = {}
top.__index = top

-- The heaviest first; where weights are the same, by key.
local function heavier(a, b)
  if a.weight ~= b.weight then
    return a.weight > b.weight
  end
  return if type(a.key) == type(b.key) then a.key < b.key else tostring(a.key) < tostring(b.key)
end

function top.new(n)
  local fits = type(n) == "number" and n >= 1 and n <= 1000 and n % 1 == 0
  assert(fits, "top.new: n must be a whole number from 1 to 1000")
  return setmetatable({ most = n, rows = {}, held = 0, floor = 0 }, top)
end

function top:add(key, weight)
  weight = weight or 1
  local row = self.rows[key]
  if row then
    row.weight += weight
    return
  end
  if self.held == 2 * self.most then
    -- Those let go had at most `floor`; so may any that comes again.
    local list = self:all()
    self.rows, self.held, self.floor = {}, self.most, list[self.most + 1].weight
    for at = 1, self.most do
      self.rows[list[at].key] = list[at]
    end
  end
  self.rows[key] = { key = key, weight = self.floor + weight, error = self.floor }
  self.held += 1
end

-- Every row held, in order.
function top:all()
  local list = {}
  for _, row in self.rows do
    table.insert(list, row)
  end
  table.sort(list, heavier)
  return list
end

function top:list(k)
  local list = {}
  for at, row in self:all() do
    if at > (k or self.most) or at > self.most then
      break
    end
    list[at] = table.clone(row)
  end
  return list
end

return top
