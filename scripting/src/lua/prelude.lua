--- What scripts find in place of library functions that could run too long, and what reads a
-- packet where the driver has not put the value there.
--
-- Luau looks for an interrupt at loops, calls and in patterns, but not inside one long native
-- operation. So the work of one is bounded here: by what it is given, before it starts.

local TEXT_MAX = 2 ^ 24
local MOVE_MAX = 2 ^ 22
local SORT_MAX = 2 ^ 16
local SORT_TEXT_MAX = 64

local host = ...
local WORK_MAX = host.work_max
local error, tonumber, tostring, type = error, tonumber, tostring, type
local rawequal, rawget, setmetatable, table_clear, info = rawequal, rawget, setmetatable, table.clear, debug.info

local function text(value)
  return if type(value) == "number" then tostring(value) else value
end

local rep = string.rep
function string.rep(s, n)
  s, n = text(s), tonumber(n)
  if type(s) == "string" and n and #s * n > TEXT_MAX then
    error("string.rep: the result would be longer than 16 MiB", 2)
  end
  return rep(s, n)
end

-- The work of a search is at worst the text's length times the pattern's.
for _, name in { "find", "match", "gmatch", "gsub", "split" } do
  local search = string[name]
  string[name] = function(s, pattern, ...)
    local a, b = text(s), text(pattern)
    if type(a) == "string" and type(b) == "string" and #a * #b > WORK_MAX then
      error(`string.{name}: text and pattern are too long`, 2)
    end
    return search(s, pattern, ...)
  end
end

local sort = table.sort
local function ascending(a, b)
  return a < b
end

-- Whether comparing the entries natively, all of them, is little work: they are few, and no long
-- texts, of which each comparison may look at all bytes.
local function is_light(t)
  if #t > SORT_MAX then
    return false
  end
  for at = 1, #t do
    local entry = rawget(t, at)
    if type(entry) == "string" and #entry > SORT_TEXT_MAX then
      return false
    end
  end
  return true
end

function table.sort(t, less)
  if less == nil then
    less = if type(t) == "table" and not is_light(t) then ascending else nil
  elseif type(less) == "function" and info(less, "s") == "[C]" then
    local native = less
    less = function(a, b)
      return native(a, b)
    end
  end
  if less then
    return sort(t, less)
  end
  return sort(t)
end

local move = table.move
function table.move(a, from, to, at, b)
  local first, last = tonumber(from), tonumber(to)
  if first and last and last - first >= MOVE_MAX then
    error("table.move: more than 4194304 elements", 2)
  end
  if b ~= nil then
    return move(a, from, to, at, b)
  end
  return move(a, from, to, at)
end

-- What a script catches of the host's errors is text, as its own errors are; a limit that was
-- passed is not caught at all.

local function caught(ok, ...)
  if ok or type((...)) ~= "userdata" then
    return ok, ...
  end
  local told = host.told((...))
  if told == nil then
    error((...), 0)
  end
  return false, told
end

local protected, watched, resume = pcall, xpcall, coroutine.resume
function pcall(f, ...)
  return caught(protected(f, ...))
end

function xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    return watched(f, handler, ...)
  end
  local function handle(thrown)
    if type(thrown) ~= "userdata" then
      return handler(thrown)
    end
    local told = host.told(thrown)
    return if told == nil then thrown else handler(told)
  end
  return caught(watched(f, handle, ...))
end

function coroutine.resume(thread, ...)
  return caught(resume(thread, ...))
end

-- A packet table holds its fields by flat names: `tcp_flags_syn`. What is missing there is either
-- absent (`filled` knows it) or was not foreseen, and is fetched.

local KEPT = "a packet is only valid in the call it is given to: keep the fields you need, not it"

local stale = table.freeze({
  __index = function()
    error(KEPT, 2)
  end,
})

local open = {}

local function flag(number, name)
  local bit = host.flags[name]
  if not bit then
    error(`a number has no field '{tostring(name)}'`, 2)
  end
  return bit32.btest(number, bit)
end

local function fetch(name)
  local get = open.fetch
  if not get then
    error(KEPT, 3)
  end
  return get(open.place(), name)
end

local function layer_of(layer)
  local meta = table.freeze({
    __index = function(self, name)
      if not open.made or not rawequal(self, open.made[layer]) then
        error(KEPT, 2)
      end
      local flat = layer .. "_" .. tostring(name)
      if open.filled[flat] then
        return rawget(open.packet, flat)
      end
      return fetch(flat)
    end,
  })
  return function()
    return setmetatable({}, meta)
  end
end

local makers = {}
for _, layer in host.layers do
  makers[layer] = layer_of(layer)
end

local packet = table.freeze({
  __index = function(self, name)
    if not rawequal(self, open.packet) then
      error(KEPT, 2)
    end
    if open.filled[name] then
      return nil
    end
    local value = fetch(name)
    if value and makers[name] then
      local made = open.made or {}
      open.made = made
      made[name] = made[name] or makers[name]()
      return made[name]
    end
    return value
  end,
})

-- Whoever kept a packet, or a layer of one, is told so.
local function die(kept)
  table_clear(kept)
  setmetatable(kept, stale)
end

-- What a packet has in place of a layer that it lacks: all fields of it are nil.
local nothing = table.freeze({})

-- A packet that a call has given, as it is looked into: what it lacks of layers is empty.
local bare = table.freeze({ flags = nothing })
local whole = table.freeze(setmetatable({}, table.freeze({
  __index = function(_, name)
    local value = open.packet[name]
    return if value == nil and makers[name] then bare else value
  end,
})))

-- Filters: objects that no script can make by itself, each known here by its number.

local numbers = setmetatable({}, { __mode = "k" })

local function match(filter, pkt)
  local number = numbers[filter]
  if not number then
    error("a filter is asked by web:match(pkt), where web is what filter() gave", 2)
  end
  if not open.fetch or not rawequal(pkt, open.packet) then
    error("a filter matches the packet that update or check was given, in that call", 2)
  end
  return open.fetch(open.place(), "\0" .. number)
end

local filter_methods = table.freeze({ match = match })

local function filter(number, canonical)
  local made = setmetatable({}, {
    __index = filter_methods,
    __call = match,
    __tostring = function()
      return canonical
    end,
    __newindex = function()
      error("a filter cannot be changed", 2)
    end,
    __metatable = "filter",
  })
  numbers[made] = number
  return made
end

--- Makes a table and all tables in it readonly: what a library returns is nobody's to change.
local function freeze(t)
  local open, seen = { t }, { [t] = true }
  while #open > 0 do
    local one = table.remove(open)
    for _, value in next, one do
      if type(value) == "table" and not seen[value] then
        seen[value] = true
        table.insert(open, value)
      end
    end
    if not table.isfrozen(one) then
      table.freeze(one)
    end
  end
end

return {
  filter = filter,
  --- The number of what `filter` made.
  filter_number = function(made)
    return numbers[made]
  end,
  --- What is looked into where a layer of `what` is nil; nil itself where that is no packet.
  absent = function(what)
    return if open.packet and rawequal(what, open.packet) then nothing else nil
  end,
  --- What is looked into in place of a packet; anything else is itself.
  whole = function(what)
    return if open.packet and rawequal(what, open.packet) then whole else what
  end,
  flag = flag,
  freeze = freeze,
  --- Begins a packet: `pkt` fetches what it does not hold by `get(at, name)`, where `place()` is
  -- the packet meant. `made` are the tables of its layers, by their names.
  begin = function(pkt, get, place, filled, made)
    open.packet, open.fetch, open.place, open.filled, open.made = pkt, get, place, filled, made
    setmetatable(pkt, packet)
  end,
  --- A maker of tables that hold one layer's fields.
  layer = function(layer)
    return makers[layer]
  end,
  --- Ends a packet, also one that an error ended.
  finish = function()
    local pkt, made = open.packet, open.made
    open.fetch, open.packet, open.made = nil, nil, nil
    if pkt then
      die(pkt)
    end
    if made then
      for _, kept in made do
        die(kept)
      end
    end
  end,
}
