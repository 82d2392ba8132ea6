--- histogram: how values are spread, in classes of your own.
--
-- * `histogram.new(bounds)`: classes up to and with each of the `bounds`, which ascend, 200 at
--   most; and one for all above.
-- * `histogram.powers(from, to)`: the bounds from `from` on, each twice the last, until `to`.
-- * `h:add(x, n)`: counts `x` `n` times, once unless told.
-- * `h:total()`; `h:rows()`, a list of each class with `upto` (nil for the last) and `count`.
-- * `h:quantile(q)`: about the value that a share `q` lies below, straight between the bounds of
--   its class; the largest bound for what lies above. Nil where nothing was counted.
--
-- ```lua
-- -- Lengths of packets, in classes.
-- local histogram = require("histogram")
--
-- function init() return { sizes = histogram.new(histogram.powers(64, 2048)) } end
--
-- function update(pkt, state) state.sizes:add(pkt.len, pkt.packets) end
--
-- function export(state)
--   local records = {}
--   for at, class in state.sizes:rows() do
--     records[at] = { upto = class.upto, packets = class.count }
--   end
--   return records
-- end
-- ```

local histogram = {}
histogram.__index = histogram

function histogram.powers(from, to)
  assert(from > 0 and to >= from and to < math.huge, "histogram.powers: from must be above 0, to no less")
  local bounds = {}
  while from < to * 2 and #bounds < 200 do
    table.insert(bounds, from)
    from *= 2
  end
  return bounds
end

function histogram.new(bounds)
  assert(#bounds >= 1 and #bounds <= 200, "histogram.new: from 1 to 200 bounds")
  local counts = table.create(#bounds + 1, 0)
  for at = 2, #bounds do
    assert(bounds[at - 1] < bounds[at], "histogram.new: bounds must ascend")
  end
  return setmetatable({ bounds = table.clone(bounds), counts = counts, all = 0 }, histogram)
end

function histogram:add(x, n)
  n = n or 1
  local low, high = 1, #self.bounds + 1
  while low < high do
    local middle = (low + high) // 2
    if x <= self.bounds[middle] then
      high = middle
    else
      low = middle + 1
    end
  end
  self.counts[low] += n
  self.all += n
end

function histogram:total()
  return self.all
end

function histogram:rows()
  local rows = {}
  for at, count in self.counts do
    rows[at] = { upto = self.bounds[at], count = count }
  end
  return rows
end

function histogram:quantile(q)
  if self.all == 0 then
    return nil
  end
  local below, wanted = 0, q * self.all
  for at, bound in self.bounds do
    local count = self.counts[at]
    if count > 0 and below + count >= wanted then
      local from = self.bounds[at - 1] or math.min(0, bound)
      return from + (bound - from) * math.max(wanted - below, 0) / count
    end
    below += count
  end
  return self.bounds[#self.bounds]
end

return histogram
