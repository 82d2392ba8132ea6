--- Filters: objects that no script can make by itself, each known here by its number.

local ours = ...
-- No packet is at hand where nothing takes any.
local open = ours.open or { packet = table.freeze({}) }
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

--- Makes one.
function ours.filter(number, canonical)
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

--- The number of what `filter` made.
function ours.filter_number(made)
  return numbers[made]
end
