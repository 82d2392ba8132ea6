--- What scripts find in place of library functions that could run too long, and what reads a
-- packet where the driver has not put the value there.
--
-- Luau looks for an interrupt at loops, calls and in patterns, but not inside one long native
-- operation. So the work of one is bounded here: by what it is given, before it starts.

local TEXT_MAX = 2 ^ 24
local MOVE_MAX = 2 ^ 22
local SORT_MAX = 2 ^ 16
local SORT_TEXT_MAX = 64
local READ_ONLY = "a packet is read only; keep what you make of it in names and tables of your own"

local host = ...
local WORK_MAX = host.work_max
local error, tonumber, tostring, type = error, tonumber, tostring, type
local rawequal, rawget, setmetatable, info = rawequal, rawget, setmetatable, debug.info

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
  if getmetatable(b) == "packet" then
    error(READ_ONLY, 2)
  elseif b ~= nil then
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

local function is_ours(file)
  return file == "library" or file:sub(1, 7) == "__mlua_"
end

-- A text that names no line of the script's gets the one that it came of, unless the script has
-- raised it so itself. `thread` is where that was, if it is another.
local function placed(text, thread)
  local head = text:sub(1, 256)
  local file, behind = head:match("^([^:\n]+):%d+: ()")
  if file and not is_ours(file) then
    return text
  end
  local bare = if file then text:sub(behind) else text
  local level, frame = 1, info
  if thread then
    level, frame = 0, function(at, what)
      return info(thread, at, what)
    end
  end
  while frame(level, "s") == "library" do
    level += 1
  end
  if frame(level, "f") == error and frame(level + 1, "s") ~= "library" then
    return text
  end
  local source, line = frame(level, "sl")
  while source and (source == "[C]" or is_ours(source)) do
    level += 1
    source, line = frame(level, "sl")
  end
  return if source then `{source}:{line}: {bare}` else bare
end

-- What is told to whoever catches it: nil of a limit.
local function told(thrown)
  return if type(thrown) == "string" then placed(thrown) else host.told(thrown)
end

local function handle(thrown)
  local said = told(thrown)
  return if said == nil then thrown else said
end

local watched, resume = xpcall, coroutine.resume
function pcall(f, ...)
  return caught(watched(f, handle, ...))
end

function xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    return watched(f, handler, ...)
  end
  return caught(watched(f, function(thrown)
    local said = told(thrown)
    return if said == nil and thrown ~= nil then thrown else handler(said)
  end, ...))
end

local function resumed(thread, ok, ...)
  if not ok and type((...)) == "string" then
    return ok, placed((...), thread)
  end
  return caught(ok, ...)
end

function coroutine.resume(thread, ...)
  return resumed(thread, resume(thread, ...))
end

-- What a script holds of a packet is an empty table, and so is what it holds of a layer: what is
-- read of them lies in `values`, by the names of fields. Only those of the packet at hand are read.
-- What was not foreseen (`filled` knows what was) is fetched.

local KEPT = "a packet is only valid in the call it is given to: keep the fields you need, not it"

local NONE = table.freeze({})
local values = {}
local open = { packet = NONE }

local function flag(number, name)
  local bit = host.flags[name]
  if not bit then
    error(`a number has no field '{tostring(name)}'`, 2)
  end
  return bit32.btest(number, bit)
end

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

_G.rawset, table.insert = guarded(rawset), guarded(table.insert)
table.clear = guarded(table.clear)

local function refuse()
  error(READ_ONLY, 2)
end

local function opaque(index)
  return table.freeze({
    __index = index,
    __newindex = refuse,
    __iter = function()
      error("a packet has no list of what it holds: read its fields by their names", 2)
    end,
    __tostring = function()
      return "packet"
    end,
    __metatable = "packet",
  })
end

-- By the name of each layer, a maker of what stands for it. `names` are those of its fields.
local makers = {}
for layer, names in host.layers do
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

local packet = opaque(function(self, name)
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

-- Filters: objects that no script can make by itself, each known here by its number.

local numbers = setmetatable({}, { __mode = "k" })

local function match(filter, pkt)
  local number = numbers[filter]
  if not number then
    error("a filter is asked by web:match(pkt), where web is what filter() gave", 2)
  end
  if not rawequal(pkt, open.packet) then
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
  flag = flag,
  freeze = freeze,
  open = open,
  values = values,
  --- The metatable of packets.
  packet = packet,
  --- Begins a loop: what is not `filled` is fetched by `get(at, name)`, where `place()` is the
  -- packet meant.
  begin = function(get, place, filled)
    open.fetch, open.place, open.filled = get, place, filled
  end,
  --- Ends the last packet of a loop, also one that an error ended.
  finish = function()
    open.packet, open.made, open.fetch = NONE, nil, nil
  end,
}
