--- What scripts find in place of library functions that could run too long, and the flags in a
-- number.
--
-- Luau looks for an interrupt at loops, calls and in patterns, but not inside one long native
-- operation. So the work of one is bounded here: by what it is given, before it starts.

local TEXT_MAX = 2 ^ 24
local MOVE_MAX = 2 ^ 22
local SORT_MAX = 2 ^ 16
local SORT_TEXT_MAX = 64

local ours = ...
local READ_ONLY, WORK_MAX = ours.read_only, ours.work_max
local error, tonumber, tostring, type = error, tonumber, tostring, type
local rawget, info = rawget, debug.info

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

-- `flags.syn` of what a packet has, or what was kept of it.
function ours.flag(number, name)
  local bit = ours.flags[name]
  if not bit then
    error(`a number has no field '{tostring(name)}'`, 2)
  end
  return bit32.btest(number, bit)
end
