--- ewma: exponentially weighted mean and deviation, for baselines that forget.
--
-- * `ewma.new(half_life)`: an empty mean, in which weights halve every `half_life` seconds.
-- * `mean:add(ts, x)`: takes in `x`, seen at `ts` seconds; returns the mean.
-- * `mean:value()`: the mean; nil before the first value.
-- * `mean:deviation()`: how far values lie from it, as a standard deviation; 0 at first.
--
-- ```lua
-- -- Packets per second, smoothed over a minute.
-- local ewma = require("ewma")
-- value = { packets = count() }
--
-- function export(table, long)
--   long.mean = long.mean or ewma.new(60)
--   long.at = (long.at or 0) + 1
--   local row = table:find()
--   return { smooth = long.mean:add(long.at, row and row.packets or 0) }
-- end
-- ```

local ewma = {}
ewma.__index = ewma

function ewma.new(half_life)
  assert(
    type(half_life) == "number" and half_life > 0 and half_life < math.huge,
    "ewma.new: half_life must be a positive number of seconds"
  )
  return setmetatable({ half_life = half_life, spread = 0 }, ewma)
end

function ewma:add(ts, x)
  if self.mean == nil then
    self.mean, self.ts = x, ts
    return x
  end
  -- What comes late, or at once with another, moves nothing.
  local share = 1 - 2 ^ (-math.max(ts - self.ts, 0) / self.half_life)
  local off = x - self.mean
  self.mean += share * off
  self.spread = (1 - share) * (self.spread + share * off * off)
  self.ts = math.max(ts, self.ts)
  return self.mean
end

function ewma:value()
  return self.mean
end

function ewma:deviation()
  return math.sqrt(self.spread)
end

return ewma
