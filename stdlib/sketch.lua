--- sketch: sets and counters of fixed size, for far more keys than there is room for.
--
-- Keys are texts, addresses, or whole numbers; what counts is the text they show as.
--
-- * `sketch.hash(key)`: a number from 0 to 2^32 - 1, the same in Lua and Rhai and in
--   every run.
-- * `sketch.set(n, error)`: a Bloom filter for about `n` keys, from 1 to 50,000, that takes one
--   key in `1 / error` for known that is not: 0.01 unless told, at least 0.001 and below 1.
-- * `set:add(key)`: whether the key was new; `set:has(key)`; `set:count()`, about how many.
-- * `sketch.counter(width, depth)`: a count-min sketch of `depth` rows (4 unless told, at most 8)
--   of `width` counters, from 16 to 65,536. `c:add(key, n)`, `c:count(key)`: never too small, and
--   with 4 rows for 98 keys in 100 not larger by more than `2.72 / width` of all that was added.
--
-- ```lua
-- -- Sources that connect, and did not in the ten seconds before.
-- local sketch = require("sketch")
-- args = { interval = "10s" }
-- filter = "ip and tcp.flags.syn and not tcp.flags.ack"
--
-- function init(args, last)
--   return { before = last and last.now or sketch.set(10000), now = sketch.set(10000), new = 0 }
-- end
--
-- function update(pkt, state)
--   local src = pkt.ip.src
--   if state.now:add(src) and not state.before:has(src) then state.new += 1 end
-- end
--
-- function export(state)
--   return { sources = math.round(state.now:count()), new = state.new }
-- end
-- ```

local sketch = {}

function sketch.hash(key)
  return hash.number(tostring(key)) % 4294967296
end

-- A second number of a key, odd, so that a key's places are spread over any room.
local function stride(h)
  return bit32.bor(bit32.bxor(bit32.rrotate(h, 15), 0x9E3779B9), 1)
end

local set = {}
set.__index = set

function sketch.set(n, error_share)
  local share = error_share or 0.01
  local fits = type(n) == "number" and n >= 1 and n <= 50000
  assert(fits, "sketch.set: n must be a number from 1 to 50000")
  fits = type(share) == "number" and share >= 0.001 and share < 1
  assert(fits, "sketch.set: error must be a share of at least 0.001 and below 1")
  local bits = math.min(math.ceil(-n * math.log(share) / 0.48045301391820142), 500000)
  bits = math.max(bits, 64)
  local turns = math.clamp(math.round(bits / n * 0.69314718055994531), 1, 10)
  local room = buffer.create(bits // 8 + 1)
  return setmetatable({ bits = bits, turns = turns, ones = 0, room = room }, set)
end

-- Whether the key is there; puts it there if `put`.
local function look(self, key, put)
  local h = sketch.hash(key)
  local by, known = stride(h), true
  for turn = 0, self.turns - 1 do
    local place = (h + turn * by) % self.bits
    local byte, bit = place // 8, bit32.lshift(1, place % 8)
    local held = buffer.readu8(self.room, byte)
    if not bit32.btest(held, bit) then
      known = false
      if put then
        buffer.writeu8(self.room, byte, held + bit)
        self.ones += 1
      end
    end
  end
  return known
end

function set:add(key)
  return not look(self, key, true)
end

function set:has(key)
  return look(self, key, false)
end

function set:count()
  local free = math.max(self.bits - self.ones, 1)
  return -self.bits / self.turns * math.log(free / self.bits)
end

local counter = {}
counter.__index = counter

function sketch.counter(width, depth)
  depth = depth or 4
  local fits = type(width) == "number" and width >= 16 and width <= 65536 and width % 1 == 0
  assert(fits, "sketch.counter: width must be a whole number from 16 to 65536")
  fits = type(depth) == "number" and depth >= 1 and depth <= 8 and depth % 1 == 0
  assert(fits, "sketch.counter: depth must be a whole number from 1 to 8")
  return setmetatable({ width = width, depth = depth, counts = {} }, counter)
end

function counter:add(key, n)
  n = n or 1
  local h = sketch.hash(key)
  local by = stride(h)
  for row = 0, self.depth - 1 do
    local place = row * self.width + (h + row * by) % self.width
    self.counts[place] = (self.counts[place] or 0) + n
  end
end

function counter:count(key)
  local h, least = sketch.hash(key), nil
  local by = stride(h)
  for row = 0, self.depth - 1 do
    local seen = self.counts[row * self.width + (h + row * by) % self.width] or 0
    least = math.min(least or seen, seen)
  end
  return least
end

return sketch
