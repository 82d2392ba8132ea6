--- forecast: what the next value should be, by level, trend and season (Holt and Winters).
--
-- * `forecast.new(period, alpha, beta, gamma)`: a season is `period` values long, from 1 (none)
--   to 10,000. How fast level, trend and season follow, each from 0 to 1; 0.3, 0.05 and 0.2
--   unless told.
-- * `f:add(x)`: takes in `x`; returns what was expected in its place, nil in the first season.
-- * `f:next()`: what is expected next; nil before a whole season has been seen.
--
-- ```lua
-- -- Bytes of each second beside what an hour-long rhythm lets expect.
-- local forecast = require("forecast")
-- args = { period = 3600 }
-- value = { bytes = sum("len") }
--
-- function export(table, long, args)
--   long.forecast = long.forecast or forecast.new(args.period)
--   local row = table:find()
--   local bytes = row and row.bytes or 0
--   return { bytes = bytes, expected = long.forecast:add(bytes) }
-- end
-- ```

local forecast = {}
forecast.__index = forecast

function forecast.new(period, alpha, beta, gamma)
  local fits = type(period) == "number" and period >= 1 and period <= 10000 and period % 1 == 0
  assert(fits, "forecast.new: period must be a whole number from 1 to 10000")
  local self = { alpha = alpha or 0.3, beta = beta or 0.05, gamma = gamma or 0.2 }
  for _, name in { "alpha", "beta", "gamma" } do
    local x = self[name]
    assert(type(x) == "number" and x >= 0 and x <= 1, `forecast.new: {name} lies from 0 to 1`)
  end
  self.period, self.season, self.at, self.trend = period, {}, 0, 0
  return setmetatable(self, forecast)
end

function forecast:next()
  return self.level and self.level + self.trend + self.season[self.at + 1]
end

function forecast:add(x)
  local expected = self:next()
  if expected then
    local level, season = self.level, self.season[self.at + 1]
    self.level = self.alpha * (x - season) + (1 - self.alpha) * (level + self.trend)
    self.trend = self.beta * (self.level - level) + (1 - self.beta) * self.trend
    self.season[self.at + 1] = self.gamma * (x - self.level) + (1 - self.gamma) * season
    self.at = (self.at + 1) % self.period
    return expected
  end
  -- The first season is kept as it comes; what is typical of it is what differs from its mean.
  table.insert(self.season, x)
  if #self.season == self.period then
    local sum = 0
    for _, seen in self.season do
      sum += seen
    end
    self.level = sum / self.period
    for at, seen in self.season do
      self.season[at] = seen - self.level
    end
  end
  return nil
end

return forecast
