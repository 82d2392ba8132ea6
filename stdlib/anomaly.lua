--- anomaly: tells values that are unlike the last ones, by their median.
--
-- Median and median deviation hardly move when a few values are wild; so what was unusual once
-- does not hide what is unusual next.
--
-- * `anomaly.new(n, threshold)`: judges by the last `n` values, from 3 to 1,000. Unusual is what
--   lies more than `threshold` deviations off; 3.5 unless told.
-- * `judge:add(x)`: takes in `x`, and returns what it was by those before it: `score`, in
--   deviations, below 0 for small values; `unusual`; and the `expected` value. Before half of
--   `n` values are known nothing is unusual. One hundredth of the median is the least deviation.
-- * `anomaly.median(list)`: of numbers; nil of none.
--
-- ```lua
-- -- Seconds in which the traffic is unlike that of the minute before.
-- local anomaly = require("anomaly")
-- value = { bytes = sum("len") }
--
-- function export(table, long)
--   long.judge = long.judge or anomaly.new(60)
--   local row = table:find()
--   local bytes = row and row.bytes or 0
--   local found = long.judge:add(bytes)
--   return { bytes = bytes, score = found.score, unusual = found.unusual }
-- end
-- ```

local anomaly = {}
anomaly.__index = anomaly

-- Makes the median deviation of a normal distribution its standard deviation.
local NORMAL = 1.4826

function anomaly.median(list)
  local sorted = table.clone(list)
  table.sort(sorted)
  local middle = #sorted // 2
  if #sorted % 2 == 1 then
    return sorted[middle + 1]
  end
  return if middle > 0 then (sorted[middle] + sorted[middle + 1]) / 2 else nil
end

function anomaly.new(n, threshold)
  local fits = type(n) == "number" and n >= 3 and n <= 1000 and n % 1 == 0
  assert(fits, "anomaly.new: n must be a whole number from 3 to 1000")
  return setmetatable({ most = n, threshold = threshold or 3.5, list = {} }, anomaly)
end

function anomaly:add(x)
  local found = { score = 0, unusual = false, expected = x }
  if #self.list * 2 >= self.most then
    local median = anomaly.median(self.list)
    local off = {}
    for at, value in self.list do
      off[at] = math.abs(value - median)
    end
    local spread = math.max(NORMAL * anomaly.median(off), math.abs(median) / 100, 1e-9)
    found.expected = median
    found.score = (x - median) / spread
    found.unusual = math.abs(found.score) > self.threshold
  end
  table.insert(self.list, x)
  if #self.list > self.most then
    table.remove(self.list, 1)
  end
  return found
end

return anomaly
