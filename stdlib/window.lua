--- window: the last few values, say one per interval, and what they come to.
--
-- * `window.new(n)`: an empty window over the last `n` values, from 1 to 10,000.
-- * `w:push(x)`: takes in `x`; returns the value that fell out at the other end, if one did.
-- * `w:values()`: the values, the oldest first; `w:len()`, how many; `w:full()`, whether `n`.
-- * `w:sum()`, `w:mean()`, `w:min()`, `w:max()`: of numbers; nil where there are none.
--
-- ```lua
-- -- Bytes of each second, and the mean of the last ten.
-- local window = require("window")
-- value = { bytes = sum("len") }
--
-- function export(table, long)
--   long.last = long.last or window.new(10)
--   local row = table:find()
--   long.last:push(row and row.bytes or 0)
--   return { bytes = row and row.bytes or 0, mean = long.last:mean() }
-- end
-- ```

local window = {}
window.__index = window

local MOST = 10000

function window.new(n)
  local fits = type(n) == "number" and n >= 1 and n <= MOST and n % 1 == 0
  assert(fits, "window.new: n must be a whole number from 1 to 10000")
  return setmetatable({ most = n, list = {} }, window)
end

function window:push(x)
  table.insert(self.list, x)
  return if #self.list > self.most then table.remove(self.list, 1) else nil
end

function window:values()
  return table.clone(self.list)
end

function window:len()
  return #self.list
end

function window:full()
  return #self.list == self.most
end

function window:sum()
  local sum = nil
  for _, x in self.list do
    sum = (sum or 0) + x
  end
  return sum
end

function window:mean()
  local sum = self:sum()
  return sum and sum / #self.list
end

function window:min()
  local least = nil
  for _, x in self.list do
    least = if least == nil or x < least then x else least
  end
  return least
end

function window:max()
  local most = nil
  for _, x in self.list do
    most = if most == nil or x > most then x else most
  end
  return most
end

return window
