--- What reads a packet where the driver has not put the value there.
--
-- What a script holds of a packet is an empty table, and so is what it holds of a layer: what is
-- read of them lies in `values`, by the names of fields. Only those of the packet at hand are read.
-- What was not foreseen (`filled` knows what was) is fetched.

local ours = ...
local READ_ONLY = ours.read_only
local NO_KEY = ours.no_key
local KEPT = "a packet is only valid in the call it is given to: keep the fields you need, not it"

local NONE = table.freeze({})
local values = {}
local open = { packet = NONE }
ours.open, ours.values = open, values

local function read(name)
  local value = values[name]
  if value == nil and not open.filled[name] then
    return open.fetch(open.place(), name)
  end
  return value
end

-- What writes into a table natively says of a packet what that says itself. Where packets may go,
-- the compiler puts no other function in the place of these.
local function guarded(native)
  return function(t, ...)
    if getmetatable(t) == "packet" then
      error(READ_ONLY, 2)
    end
    return native(t, ...)
  end
end

-- Nor is a packet what a table finds something under: it is another one in the next call.
local set = guarded(rawset)
function rawset(t, key, value)
  if getmetatable(key) == "packet" then
    error(NO_KEY, 2)
  end
  return set(t, key, value)
end

table.insert = guarded(table.insert)
table.clear = guarded(table.clear)

local function refuse()
  error(READ_ONLY, 2)
end

local function refuse_list()
  error("a packet has no list of what it holds: read its fields by their names", 2)
end

local function opaque(index)
  return table.freeze({
    __index = index,
    __newindex = refuse,
    __iter = refuse_list,
    __len = refuse_list,
    __tostring = function()
      return "packet"
    end,
    __metatable = "packet",
  })
end

-- By the name of each layer, a maker of what stands for it. `names` are those of its fields.
local makers = {}
for layer, names in ours.layers do
  local function named(self, name)
    if not open.made or not rawequal(self, open.made[layer]) then
      error(KEPT, 3)
    end
    return names[name] or layer .. "." .. tostring(name)
  end
  local meta = opaque(function(self, name)
    return read(named(self, name))
  end)
  makers[layer] = function()
    return setmetatable({}, meta)
  end
end

--- The metatable of packets.
ours.packet = opaque(function(self, name)
  if not rawequal(self, open.packet) then
    error(KEPT, 2)
  end
  local value = read(name)
  if value and makers[name] then
    local made = open.made or {}
    open.made = made
    made[name] = made[name] or makers[name]()
    return made[name]
  end
  return value
end)

-- Whether it is a layer at hand that has flags.
local function is_flagged(what)
  local made = open.made
  return made and type(what) == "table" and (rawequal(what, made.tcp) or rawequal(what, made.ip))
end

-- What is looked into where the flags of `what` are nil: nothing, of a layer that may have some.
function open.absent(what)
  return if is_flagged(what) then NONE else nil
end

-- `of(what, "ip.src", 2).ip.src` is a field where `what` is a packet or a layer of it, and
-- `what.ip.src` where it is something else. The text reads on from what this gives at once.
local ahead = table.freeze({
  __index = function(self)
    self[3] -= 1
    return if self[3] == 0 then self[1][self[2]] else self
  end,
  __newindex = refuse,
})
function open.of(what, name, steps)
  if rawequal(what, open.packet) or is_flagged(what) then
    return setmetatable({ what, name, steps }, ahead)
  end
  return what
end

--- Begins a loop: what is not `filled` is fetched by `get(at, name)`, where `place()` is the packet
-- meant.
function ours.begin(get, place, filled)
  open.fetch, open.place, open.filled = get, place, filled
end

--- Ends the last packet of a loop, also one that an error ended.
function ours.finish()
  open.packet, open.made, open.fetch = NONE, nil, nil
end
