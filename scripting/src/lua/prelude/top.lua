--- `top`: a loop over all entries of a table, and so the one part of the library that is worth native
-- code.

-- Where ranks are the same, keys decide, so that one input gives one answer.
local function before(a, b)
  if a.rank ~= b.rank then
    return a.rank > b.rank
  end
  if typeof(a.key) == typeof(b.key) and type(a.key) ~= "boolean" and type(a.key) ~= "table" then
    return a.key < b.key
  end
  return tostring(a.key) < tostring(b.key)
end

--- The `n` entries of a table that are largest by value, or by a field of it: a list of
-- `{ key =, value = }`, the largest first.
local function top(t, n, by)
  n = n or 10
  if type(n) ~= "number" or n ~= n then
    error("top: how many is a number; for instance 10", 2)
  end
  n = math.floor(n)
  if n < 1 then
    return {}
  end
  local list, least, count = {}, nil, 0
  for key, value in t do
    local rank = if by == nil then value else value[by]
    if rank == nil then
      error(`top: what lies under '{tostring(key)}' has no field '{tostring(by)}'`, 2)
    end
    if count < n or rank >= least then
      local entry = { key = key, value = value, rank = rank }
      local at = count
      if count < n then
        count += 1
        at = count
      elseif not before(entry, list[count]) then
        continue
      end
      while at > 1 and before(entry, list[at - 1]) do
        list[at] = list[at - 1]
        at -= 1
      end
      list[at] = entry
      least = list[count].rank
    end
  end
  for _, entry in list do
    entry.rank = nil
  end
  return list
end

return top
