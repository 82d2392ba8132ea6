--- flows: conversations with timeouts, for state that a script keeps of each.
--
-- What only counts by addresses and ports is counted faster by `key`, `value` and `long`.
--
-- * `flows.new(idle, active, most)`: a flow ends when nothing came for `idle` seconds (60 unless
--   told), and is cut when it has lasted `active` seconds (1,800). At most `most` (10,000) are
--   held; packets of others are counted in `t.lost`.
-- * `flows.key(src, dst, proto, sport, dport)`: a flow's name; `flows.pair(...)`, the same in both
--   directions.
-- * `t:add(ts, key, packets, bytes)`: returns the flow: `key`, `first`, `last`, `packets`,
--   `bytes`, and whatever you put there; nil if there is no room.
-- * `t:ended(now)`: takes out and returns the flows that have ended, in the order of their first
--   packets; `t:len()`, how many are held.
--
-- ```lua
-- -- Conversations that ended, with what they moved.
-- local flows = require("flows")
-- filter = "tcp or udp"
--
-- function init(args, last) return last or { flows = flows.new(10, 60) } end
--
-- function update(pkt, state)
--   local key = flows.pair(pkt.ip.src, pkt.ip.dst, pkt.ip.proto, pkt.sport, pkt.dport)
--   state.flows:add(pkt.ts, key, pkt.packets, pkt.bytes)
--   state.now = pkt.ts
-- end
--
-- function export(state)
--   local records = {}
--   for at, flow in state.flows:ended(state.now or 0) do
--     records[at] = { flow = flow.key, lasted = flow.last - flow.first, bytes = flow.bytes }
--   end
--   return records
-- end
-- ```

local flows = {}
flows.__index = flows

local function seconds(name, x)
  assert(type(x) == "number" and x > 0, `flows.new: {name} must be a positive number of seconds`)
  return x
end

function flows.new(idle, active, most)
  most = most or 10000
  local fits = type(most) == "number" and most >= 1 and most <= 100000
  assert(fits, "flows.new: most must be a number from 1 to 100000")
  local self = { most = most, rows = {}, held = 0, lost = 0 }
  self.idle, self.active = seconds("idle", idle or 60), seconds("active", active or 1800)
  return setmetatable(self, flows)
end

function flows.key(src, dst, proto, sport, dport)
  return `{proto} {src} {sport or 0} {dst} {dport or 0}`
end

function flows.pair(src, dst, proto, sport, dport)
  local a, b = `{src} {sport or 0}`, `{dst} {dport or 0}`
  return if a <= b then `{proto} {a} {b}` else `{proto} {b} {a}`
end

function flows:add(ts, key, packets, bytes)
  local flow = self.rows[key]
  if flow == nil then
    if self.held >= self.most then
      self.lost += packets or 1
      return nil
    end
    flow = { key = key, first = ts, last = ts, packets = 0, bytes = 0 }
    self.rows[key] = flow
    self.held += 1
  end
  flow.last = math.max(flow.last, ts)
  flow.packets += packets or 1
  flow.bytes += bytes or 0
  return flow
end

function flows:ended(now)
  local ended = {}
  for _, flow in self.rows do
    if now - flow.last >= self.idle or now - flow.first >= self.active then
      table.insert(ended, flow)
    end
  end
  for _, flow in ended do
    self.rows[flow.key] = nil
  end
  self.held -= #ended
  table.sort(ended, function(a, b)
    return if a.first ~= b.first then a.first < b.first else a.key < b.key
  end)
  return ended
end

function flows:len()
  return self.held
end

return flows
