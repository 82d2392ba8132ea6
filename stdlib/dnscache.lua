--- dnscache: names by address, as the answers of DNS on the wire say them.
--
-- A name is that which a client asked for, whatever names lead from it to the address. It is
-- known as long as the answer may be kept, in packet time.
--
-- * `dnscache.new(most)`: an empty cache of at most `most` addresses (10,000). Where it is full,
--   what was learned long ago makes room.
-- * `t:learn(ts, payload)`: takes in an answer; returns how many addresses it named, 0 for what is
--   no answer.
-- * `t:put(ts, addr, name, ttl)`: takes in a name that was learned elsewhere, for `ttl` seconds.
-- * `t:name(ts, addr)`: the name of an address, or nil.
-- * `t:len()`: how many addresses are held, those included whose time is over.
--
-- ```lua
-- -- Bytes by the names that clients asked for.
-- local dnscache = require("dnscache")
-- filter = "ip or ip6"
-- local answers = filter("udp src port 53")
--
-- function init(args, last)
--   return { names = last and last.names or dnscache.new(), bytes = {} }
-- end
--
-- function update(pkt, state)
--   if answers(pkt) then state.names:learn(pkt.ts, pkt.payload) end
--   local name = state.names:name(pkt.ts, pkt.ip.src) or "unknown"
--   state.bytes[name] = (state.bytes[name] or 0) + pkt.bytes
-- end
--
-- function export(state)
--   local records = {}
--   for at, entry in top(state.bytes, 10) do
--     records[at] = { name = entry.key, bytes = entry.value }
--   end
--   return records
-- end
-- ```

local dnscache = {}
dnscache.__index = dnscache

function dnscache.new(most)
  most = most or 10000
  local fits = type(most) == "number" and most >= 2 and most <= 100000
  assert(fits, "dnscache.new: most must be a number from 2 to 100000")
  -- Two halves: when the fresh one is full, it becomes the aged one, and that is forgotten.
  local self = { half = most // 2, fresh = {}, aged = {}, held = 0, held_aged = 0 }
  return setmetatable(self, dnscache)
end

function dnscache:put(ts, addr, name, ttl)
  if self.fresh[addr] == nil then
    if self.held >= self.half then
      self.aged, self.held_aged = self.fresh, self.held
      self.fresh, self.held = {}, 0
    end
    self.held += 1
  end
  -- What may not be kept at all is for use at once, which is now.
  self.fresh[addr] = { name = name, till = ts + math.max(ttl, 1) }
end

function dnscache:learn(ts, payload)
  if not payload or not dns.is_response(payload) then
    return 0
  end
  local name, n, learned = dns.qname(payload), 1, 0
  while name and dns.answer_type(payload, n) do
    local addr = dns.answer_addr(payload, n)
    if addr then
      self:put(ts, addr, name, dns.answer_ttl(payload, n))
      learned += 1
    end
    n += 1
  end
  return learned
end

function dnscache:name(ts, addr)
  if addr == nil then
    return nil
  end
  local row = self.fresh[addr] or self.aged[addr]
  return if row and ts < row.till then row.name else nil
end

function dnscache:len()
  return self.held + self.held_aged
end

return dnscache
