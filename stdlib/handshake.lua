--- handshake: how TCP connections begin, from SYN to the client's first ACK.
--
-- Seen between both ends, the first answer shows the way to the server and back, the second the
-- way to the client and back.
--
-- * `handshake.new(timeout, most)`: gives up after `timeout` seconds, 30 unless told; follows at
--   most `most` beginnings at a time, 10,000 unless told.
-- * `h:packet(ts, src, sport, dst, dport, flags)`: takes in a packet, `flags` as in
--   `pkt.tcp.flags`. Returns nil, or what has come to its end: `client`, `server`, `port`,
--   `opened` (whether it was; else the server refused), `server_rtt` and, once opened,
--   `client_rtt`, in seconds. A SYN that is sent again counts from the first.
-- * `h:expired(now)`: forgets the beginnings that are too old; returns how many.
--
-- ```lua
-- -- Connections opened and refused, and the slowest server in milliseconds.
-- local handshake = require("handshake")
-- filter = "tcp"
--
-- function init(args, last)
--   local hands = last and last.hands or handshake.new()
--   return { hands = hands, opened = 0, refused = 0, slowest = 0, now = 0 }
-- end
--
-- function update(pkt, state)
--   state.now = pkt.ts
--   local found = state.hands:packet(
--     pkt.ts, pkt.ip.src, pkt.tcp.sport, pkt.ip.dst, pkt.tcp.dport, pkt.tcp.flags)
--   if not found then return end
--   local how = if found.opened then "opened" else "refused"
--   state[how] += 1
--   state.slowest = math.max(state.slowest, found.server_rtt)
-- end
--
-- function export(state)
--   state.hands:expired(state.now)
--   return { opened = state.opened, refused = state.refused, slowest_ms = state.slowest * 1000 }
-- end
-- ```

local handshake = {}
handshake.__index = handshake

local SYN, RST, ACK = 0x02, 0x04, 0x10

function handshake.new(timeout, most)
  local self = { timeout = timeout or 30, most = most or 10000, open = {}, held = 0 }
  local fits = type(self.timeout) == "number" and self.timeout > 0
  assert(fits, "handshake.new: timeout must be a positive number of seconds")
  fits = type(self.most) == "number" and self.most >= 1 and self.most <= 100000
  assert(fits, "handshake.new: most must be a number from 1 to 100000")
  return setmetatable(self, handshake)
end

-- Takes the beginning called `key` out.
local function close(self, key, one)
  self.open[key] = nil
  self.held -= 1
  return one
end

function handshake:packet(ts, src, sport, dst, dport, flags)
  local has = function(flag) return bit32.btest(flags, flag) end
  local there, back = `{src} {sport} {dst} {dport}`, `{dst} {dport} {src} {sport}`
  if has(SYN) and not has(ACK) then
    if not self.open[there] and self.held < self.most then
      self.open[there] = { client = src, server = dst, port = dport, at = ts }
      self.held += 1
    end
    return nil
  end
  local one = self.open[back]
  if one and (has(SYN) or has(RST)) then
    if not one.answered then
      one.answered, one.server_rtt, one.opened = ts, ts - one.at, has(SYN)
    end
    return if has(RST) then close(self, back, one) else nil
  end
  one = self.open[there]
  if one and one.answered and has(ACK) then
    one.client_rtt = ts - one.answered
    return close(self, there, one)
  end
  return nil
end

function handshake:expired(now)
  local old = {}
  for key, one in self.open do
    if now - one.at >= self.timeout then
      table.insert(old, key)
    end
  end
  for _, key in old do
    close(self, key)
  end
  return #old
end

return handshake
